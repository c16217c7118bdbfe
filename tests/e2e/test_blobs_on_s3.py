"""A loop whose blobs are on S3, as real processes: it turns, answers, is checked and exported; and answers on when S3 is gone."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from noria.app.settings import keep

_spec = importlib.util.spec_from_file_location("noria_tests_house", Path(__file__).parent / "house.py")
assert _spec is not None and _spec.loader is not None
houses = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(houses)


def noria(home, *command):
    run = subprocess.run(
        [sys.executable, "-m", "noria.cli.main", *command, "--home", str(home)], capture_output=True, text=True, timeout=120
    )
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout


def test_a_loop_turns_with_its_blobs_on_s3_and_its_data_plane_needs_s3_for_nothing_that_it_has(tmp_path, s3):
    with houses.house(tmp_path, blobs=s3.bucket(tmp_path), blobs_endpoint=s3.endpoint) as house:
        house.start_dataplane()
        house.start_server()
        house.be_born()
        assert house.ask(20).failed == 0
        assert not (house.home / "blobs").exists()
        checked = json.loads(noria(house.home, "doctor", "--json"))
        assert checked["missing"] == [] and checked["blobs checked"] > 2 and checked["blobs"].startswith("s3://")
        noria(house.home, "export", "orders@1", str(tmp_path / "out"))
        assert json.loads((tmp_path / "out" / "settings.json").read_text())["blobs"] == "files"
        assert list((tmp_path / "out" / "blobs").glob("*/*/*"))
        for started in house.started:
            started.kill()
            started.wait()
        house.settings = keep(replace(house.settings, blobs_endpoint="http://127.0.0.1:9"))
        house.start_dataplane()
        houses.wait_until(house.follows_plan, "the data plane to answer from its own copies")
        assert house.ask(20).failed == 0
