"""Models that are code, and models of arrays, through a user's doors: the command and HTTP, in real processes."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
from pathlib import Path

import httpx
import onnx
import pytest
from onnx import TensorProto, helper

_spec = importlib.util.spec_from_file_location("deployed_home", Path(__file__).with_name("test_deployments.py"))
_deployments = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_deployments)

SIGNATURE = {"inputs": [{"name": "age", "kind": "float"}, {"name": "city", "kind": "text"}], "task": "regression"}
SOURCE = """
import os
from pathlib import Path

from tables import WEIGHTS


class Scoring:
    takes = "rows"

    @classmethod
    def load(cls, folder):
        made = cls()
        made.offset = float((folder / "offset.txt").read_text())
        return made

    def predict(self, rows):
        if rows[0]["city"] == "pid":
            return [os.getpid()] * len(rows)
        if rows[0]["city"] == "end":
            os._exit(1)
        return [row["age"] * WEIGHTS[row["city"]] + self.offset for row in rows]

    def stream(self, inputs):
        yield from inputs["city"]
"""


def pooled() -> bytes:
    value = helper.make_tensor_value_info
    made = helper.make_model(
        helper.make_graph(
            [helper.make_node("ReduceMean", ["image"], ["vector"], axes=[2], keepdims=0)],
            "g",
            [value("image", TensorProto.FLOAT, ["rows", 2, 3])],
            [value("vector", TensorProto.FLOAT, ["rows", 2])],
        ),
        opset_imports=[helper.make_opsetid("", 17)],
    )
    made.ir_version = 8
    onnx.checker.check_model(made)
    return made.SerializeToString()


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    home = _deployments.Home(tmp_path_factory.mktemp("code"))
    (home.folder / "scoring.py").write_text(SOURCE)
    (home.folder / "tables.py").write_text('WEIGHTS = {"bonn": 2.0}\n')
    (home.folder / "weights").mkdir()
    (home.folder / "weights" / "offset.txt").write_text("0.5")
    (home.folder / "signature.json").write_text(json.dumps(SIGNATURE))
    (home.folder / "pooled.onnx").write_bytes(pooled())
    done = home.noria("deploy", "scoring", "scoring.py:Scoring", "--signature", "signature.json", check=False)
    assert "answers" not in done, "without trust nothing is deployed"
    home.noria("deploy", "pooled", "pooled.onnx")
    home.noria("deploy", "scoring", "scoring.py:Scoring", "--signature", "signature.json", "--files", "weights", "--trust")
    for file in ("scoring.py", "tables.py", "weights/offset.txt"):
        (home.folder / file).unlink()
    home.noria("up", "--detach")
    home.until(lambda: home.predict("scoring", {"age": 1, "city": "bonn"}).status_code == 200, "the class answers")
    yield home
    home.noria("stop")


def test_a_trusted_class_answers_from_a_process_of_its_own_without_its_first_sources(home) -> None:
    assert home.predict("scoring", {"age": 20, "city": "bonn"}).json()["prediction"] == 40.5
    pid = int(home.predict("scoring", {"age": 1, "city": "pid"}).json()["prediction"])
    assert "noria.dataplane" in Path(f"/proc/{pid}/cmdline").read_text()
    os.kill(pid, signal.SIGKILL)
    home.until(lambda: home.predict("scoring", {"age": 1, "city": "bonn"}).status_code == 200, "another process answers")
    assert "trusted" in home.noria("why", "scoring")


def test_a_class_that_ends_its_process_costs_itself_alone(home) -> None:
    assert home.predict("scoring", {"age": 1, "city": "end"}).status_code == 503
    assert home.predict("pooled", {"image": [[1, 2, 3], [4, 5, 6]]}).status_code == 200
    home.until(lambda: home.predict("scoring", {"age": 1, "city": "bonn"}).status_code == 200, "it answers again")


def test_a_class_may_answer_in_pieces(home) -> None:
    told = httpx.post(
        f"http://127.0.0.1:{home.serve_port}/predict/scoring/stream", json={"inputs": {"age": 1, "city": "bonn"}}, timeout=30
    ).text
    assert [line for line in told.splitlines() if line.startswith('data: "')] == [f'data: "{letter}"' for letter in "bonn"]


def test_an_onnx_file_of_arrays_is_deployed_and_served(home) -> None:
    answer = home.predict("pooled", {"image": [[1, 2, 3], [4, 5, 6]]})
    assert answer.json()["prediction"] == [2.0, 5.0]
    tensor = {"name": "image", "datatype": "FP32", "shape": [1, 2, 3], "data": [1, 2, 3, 4, 5, 6]}
    infer = httpx.post(f"http://127.0.0.1:{home.serve_port}/v2/models/pooled/infer", json={"inputs": [tensor]}, timeout=30)
    assert infer.json()["outputs"][0]["data"] == [2.0, 5.0]
    wrong = home.predict("pooled", {"image": [[1, 2], [3, 4]]})
    assert (wrong.status_code, wrong.json()["error"]["fields"]) == (422, {"image": "has shape [2, 2]; it must be [2, 3]"})
