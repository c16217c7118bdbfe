import json

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from noria.cli.main import app

runner = CliRunner()


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder, dice = tmp_path_factory.mktemp("tables"), np.random.default_rng(1)
    for name, shift in (("before", 0.0), ("same", 0.0), ("now", 1.0)):
        pl.DataFrame({"a": dice.normal(shift, 1, 600), "[b]": dice.normal(size=600)}).write_parquet(folder / f"{name}.parquet")
    return folder


def run(files, current, *more):
    return runner.invoke(app, ["check", str(files / "before.parquet"), str(files / current), *more])


def test_nothing_found_ends_well(files):
    done = run(files, "same.parquet")
    assert done.exit_code == 0 and "Nothing found in 2 columns" in done.output and "[b]" in done.output


def test_what_is_found_is_told_and_ends_with_one(files):
    done = run(files, "now.parquet")
    assert done.exit_code == 1 and "1 of 2 columns drifted" in done.output


@pytest.mark.parametrize(("fail_on", "code"), [("any", 1), ("drift", 1), ("data,drift", 1), ("quality", 0), ("data", 0), ("none", 0)])
def test_one_names_what_ends_with_one(files, fail_on, code):
    assert run(files, "now.parquet", "--fail-on", fail_on).exit_code == code


def test_a_wrong_name_is_refused_with_the_right_ones(files):
    done = run(files, "now.parquet", "--fail-on", "drifts")
    assert done.exit_code == 1 and "any, none, data, drift, quality" in done.output


def test_files_are_written_and_json_is_json(files, tmp_path):
    done = run(files, "now.parquet", "--json", "--html", str(tmp_path / "r.html"), "--markdown", str(tmp_path / "r.md"))
    assert json.loads(done.stdout)["found"] is True
    assert (tmp_path / "r.html").read_text().startswith("<!doctype html>") and (tmp_path / "r.md").read_text().startswith("## ")


def test_a_missing_file_is_said_in_words(files):
    done = run(files, "nope.parquet")
    assert done.exit_code == 1 and "there is no file" in done.output
