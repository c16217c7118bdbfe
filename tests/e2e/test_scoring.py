"""`noria score` as real processes: killed in the middle and gone on with, interrupted by Ctrl-C, asked for JSON."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from lightgbm import LGBMClassifier

import noria as nr

ROWS = 60_000
SLOWLY = """
import sys
from pathlib import Path
from noria.app.settings import read
from noria.app.wiring import build
from noria.loop.scoring.score import Order, score
folder = Path(sys.argv[1])
score(build(read(folder / ".noria")), Order(which="churn", inputs=[folder / "rows.parquet"], out=folder / "out", part_rows=5_000, threads=2))
"""
QUIET = os.environ | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> tuple[Path, LGBMClassifier]:
    folder = tmp_path_factory.mktemp("scoring")
    random = np.random.default_rng(7)
    X = random.normal(size=(2_000, 3))
    model = LGBMClassifier(n_estimators=100, verbose=-1, num_threads=1).fit(X, X.sum(1) > 0, feature_name=["a", "b", "c"])
    (folder / "model.txt").write_text(model.booster_.model_to_string())
    rows = random.normal(size=(ROWS, 3))
    table = pl.DataFrame({"id": [f"r{n}" for n in range(ROWS)], "a": rows[:, 0], "b": rows[:, 1], "c": rows[:, 2]})
    table.write_parquet(folder / "rows.parquet", row_group_size=10_000)
    fields = [{"name": "id", "kind": "text"}, *({"name": name, "kind": "float"} for name in "abc")]
    said = {"inputs": fields, "features": fields[1:], "task": "binary", "classes": ["no", "yes"], "key": "id"}
    (folder / "signature.json").write_text(json.dumps(said))
    nr.deploy("churn", folder / "model.txt", signature=folder / "signature.json", home=folder / ".noria")
    return folder, model


def expected(place: tuple[Path, LGBMClassifier]) -> np.ndarray:
    folder, model = place
    return model.booster_.predict(pl.read_parquet(folder / "rows.parquet").select("a", "b", "c").to_numpy())


def wait_for(file: Path, process: subprocess.Popen) -> None:
    until = time.monotonic() + 120
    while not file.exists():
        assert process.poll() is None, process.stderr.read() if process.stderr else ""
        assert time.monotonic() < until, f"{file} never came"
        time.sleep(0.005)


def test_a_killed_run_is_gone_on_with_and_gives_every_row_once(place):
    folder, _ = place
    process = subprocess.Popen([sys.executable, "-c", SLOWLY, str(folder)], env=QUIET)
    wait_for(folder / "out" / "part-00002.parquet", process)
    process.kill()
    process.wait()
    record = json.loads((folder / "out" / "score.json").read_text())
    assert not record["complete"] and record["parts"]
    first = (folder / "out" / "part-00000.parquet").stat().st_mtime_ns
    subprocess.run([sys.executable, "-c", SLOWLY, str(folder)], env=QUIET, check=True)
    record = json.loads((folder / "out" / "score.json").read_text())
    assert record["complete"] and record["rows"] == ROWS
    assert (folder / "out" / "part-00000.parquet").stat().st_mtime_ns == first
    answers = pl.concat([pl.read_parquet(folder / "out" / part["file"]) for part in record["parts"]])
    assert answers["id"].to_list() == [f"r{n}" for n in range(ROWS)]
    np.testing.assert_array_equal(answers["prediction"].to_numpy(), expected(place))


def test_the_command_writes_one_file_and_says_what_it_did(place):
    folder, _ = place
    command = [
        sys.executable,
        "-m",
        "noria.cli.main",
        "score",
        "churn@1",
        str(folder / "rows.parquet"),
        "--out",
        str(folder / "one.parquet"),
    ]
    done = subprocess.run([*command, "--home", str(folder / ".noria"), "--json"], env=QUIET, capture_output=True, text=True, check=True)
    record = json.loads(done.stdout)
    assert record["complete"] and (record["rows"], record["bad"]) == (ROWS, 0)
    answers = pl.read_parquet(folder / "one.parquet")
    assert answers.columns == ["id", "prediction", "label", "version"]
    np.testing.assert_array_equal(answers["prediction"].to_numpy(), expected(place))
    assert not (folder / "one.parquet.parts").exists()
    again = subprocess.run([*command, "--home", str(folder / ".noria")], env=QUIET, capture_output=True, text=True, check=True)
    assert "60,000 rows scored by churn@1" in again.stdout
    refused = subprocess.run(
        [*command[:4], "nobody", *command[5:], "--home", str(folder / ".noria")], env=QUIET, capture_output=True, text=True
    )
    assert refused.returncode == 1 and "no loop or deployment 'nobody'" in refused.stderr


def test_ctrl_c_leaves_what_is_done_and_says_how_to_go_on(place):
    folder, _ = place
    command = [sys.executable, "-m", "noria.cli.main", "score", "churn", str(folder / "rows.parquet"), "--threads", "1"]
    command += ["--out", str(folder / "stopped"), "--home", str(folder / ".noria")]
    process = subprocess.Popen(command, env=QUIET, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    wait_for(folder / "stopped" / "score.json", process)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=120)
    record = json.loads((folder / "stopped" / "score.json").read_text())
    if not record["complete"]:
        assert process.returncode == 130 and "same command again" in said
    subprocess.run(command, env=QUIET, check=True, capture_output=True)
    record = json.loads((folder / "stopped" / "score.json").read_text())
    assert record["complete"] and record["rows"] == ROWS
