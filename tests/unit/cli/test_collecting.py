"""`noria gc` says what it would free, frees it, and writes down that it did."""

from __future__ import annotations

import json
import os

from typer.testing import CliRunner

from noria.app.settings import Settings, keep
from noria.app.wiring import build
from noria.cli.main import app

runner = CliRunner()


def run(home, *options):
    return runner.invoke(app, ["gc", "--home", str(home), *options])


def test_a_dry_run_tells_and_a_collection_frees_and_is_an_event(tmp_path):
    keep(Settings(home=str(tmp_path)))
    world = build(Settings(home=str(tmp_path)))
    digest = world.blobs.put(b"PAR1" + b"x" * 2_000_000)
    assert "too young to tell" in run(tmp_path).output
    os.utime(world.blobs.path(digest), (1, 1))
    dry = run(tmp_path, "--dry-run")
    assert dry.exit_code == 0 and "would free 2.0 MB in 1 blobs" in dry.output and "tables (1)" in dry.output
    assert world.blobs.has(digest)
    told = json.loads(run(tmp_path, "--json", "--by", "ada").output)
    assert (told["size_bytes"], told["kinds"][0]["kind"], told["dry"]) == (2_000_004, "tables", False)
    assert not world.blobs.has(digest)
    event = world.ledger.events(kind="store.collected", newest_first=True)[0]
    assert (event.by, event.numbers["tables"]) == ("ada", 2_000_004.0)


def test_what_an_order_of_a_job_names_stays(tmp_path):
    keep(Settings(home=str(tmp_path)))
    world = build(Settings(home=str(tmp_path)))
    digest = world.blobs.put(b"ordered")
    (tmp_path / "jobs" / "turn").mkdir(parents=True)
    (tmp_path / "jobs" / "turn" / "order.json").write_text(json.dumps({"code": digest}))
    assert run(tmp_path, "--grace", "0").exit_code == 0
    assert world.blobs.has(digest)


def test_a_time_that_cannot_be_read_is_refused(tmp_path):
    keep(Settings(home=str(tmp_path)))
    refused = run(tmp_path, "--older-than", "soon")
    assert refused.exit_code == 1 and "--older-than 30d" in refused.output
