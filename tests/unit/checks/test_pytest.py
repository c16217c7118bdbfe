"""The assertions, in this process and in a pytest of its own."""

import os
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest
from world import table

import noria as nr
from noria.checks.pytest import (
    ReportFailed,
    assert_no_drift,
    assert_nothing_found,
    assert_quality_kept,
    assert_scorecard,
    assert_sound_data,
)
from noria.core.errors import NotFound
from noria.core.schema import Estimate

SUITE = """
import polars as pl
from noria.checks.pytest import assert_no_drift

BEFORE = pl.DataFrame({"a": [float(k % 50) for k in range(600)]})

def test_the_same_table(noria_check):
    assert not noria_check(BEFORE, BEFORE)

def test_another_table():
    assert_no_drift(BEFORE, BEFORE.select(pl.col("a") + 40))

def test_by_the_fixture(noria_check):
    noria_check(BEFORE, BEFORE.select(a=pl.when(pl.col("a") > 30).then(pl.col("a"))))
"""


def test_each_assertion_looks_at_its_own_group():
    drifted, missing = table(2, shift=1.0), table(2).drop("count")
    with pytest.raises(ReportFailed, match="1 of 7 columns drifted") as failed:
        assert_no_drift(table(1), drifted)
    assert failed.value.report.findings
    assert assert_sound_data(table(1), drifted.filter(drifted["normal"].is_between(-2.9, 2.9)))
    with pytest.raises(AssertionError, match="1 column gone"):
        assert_sound_data(table(1), missing)
    assert not assert_no_drift(table(1), missing).of("drift")
    with pytest.raises(AssertionError, match="roc_auc fell"):
        assert_quality_kept(table(1), table(2, fade=0.8), label="late", score="p")
    assert not assert_nothing_found(table(1), table(2))


def test_marks_are_held_to_their_limits_in_the_direction_of_each():
    card = {"roc_auc": Estimate(value=0.8, low=0.78, high=0.82, n=900), "log_loss": 0.5, "bias": -0.2}
    assert_scorecard(card, roc_auc=0.79, log_loss=0.5, bias=0.3)
    with pytest.raises(AssertionError, match=r"roc_auc  0.8000 \[0.7800, 0.8200\], at least 0.79 was asked"):
        assert_scorecard(card, roc_auc=0.79, surely=True)
    with pytest.raises(AssertionError, match="2 of 2 marks"):
        assert_scorecard(card, log_loss=0.4, bias=0.1)
    with pytest.raises(NotFound, match="no brier"):
        assert_scorecard(card, brier=0.1)


def test_a_finished_check_is_a_scorecard_of_its_current_side():
    report = nr.check(table(1), table(2), label="late", score="p")
    assert_scorecard(report, roc_auc=0.7, log_loss=0.6)


def test_under_pytest_the_report_is_the_message_and_its_page_is_kept(tmp_path):
    (tmp_path / "test_suite.py").write_text(SUITE)
    plugin = [] if list(entry_points(group="pytest11", name="noria")) else ["-p", "noria.checks.plugin"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *plugin, "--noria-reports", "reports", "test_suite.py"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "1 passed" in done.stdout and "2 failed" in done.stdout, done.stdout + done.stderr
    assert "1 of 1 column drifted" in done.stdout and "PSI" in done.stdout and "the whole report: reports" in done.stdout
    kept = sorted((tmp_path / "reports").glob("*.html"))
    assert len(kept) == 2 and kept[0].read_text().startswith("<!doctype html>")


def test_the_plugin_is_announced_and_loads_nothing_heavy():
    told = (Path(__file__).parents[3] / "pyproject.toml").read_text()
    assert 'noria = "noria.checks.plugin"' in told
    code = "import sys, noria.checks.plugin; print([m for m in ('polars', 'numpy', 'scipy', 'jinja2') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
