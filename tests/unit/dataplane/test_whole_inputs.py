"""Models that take arrays, text and files, and give vectors and quantiles, asked through the protocols."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from noria.core.schema import Field, Kind, Signature, Task
from noria.core.traffic import Plan, Route, ServedVersion
from noria.dataplane.framing import Unpacker
from noria.dataplane.messages import Question, asked, packed
from noria.packaging import package
from noria.packaging.opening import describe
from noria.stages.serving.model import Served

IMAGE = Field(name="image", kind=Kind.TENSOR, dtype="float32", shape=(2, 3))
WEIGHT = Field(name="weight", kind=Kind.FLOAT)
ONES = [[1.0, 1.0, 1.0], [2.0, 2.0, 2.0]]


def graph(nodes: list[Any], inputs: list[Any], outputs: list[Any], constants: dict[str, np.ndarray] | None = None) -> bytes:
    kept = [numpy_helper.from_array(array, name) for name, array in (constants or {}).items()]
    made = helper.make_model(helper.make_graph(nodes, "g", inputs, outputs, kept), opset_imports=[helper.make_opsetid("", 17)])
    made.ir_version = 8
    onnx.checker.check_model(made)
    return made.SerializeToString()


def pooled() -> bytes:
    """image (rows, 2, 3) summed over its last dimension, times weight (rows, 1): a vector of two."""
    value = helper.make_tensor_value_info
    return graph(
        [helper.make_node("ReduceSum", ["image", "axes"], ["sums"], keepdims=0), helper.make_node("Mul", ["sums", "weight"], ["vector"])],
        [value("image", TensorProto.FLOAT, ["rows", 2, 3]), value("weight", TensorProto.FLOAT, ["rows", 1])],
        [value("vector", TensorProto.FLOAT, ["rows", 2])],
        {"axes": np.array([2])},
    )


class Length:
    """Answers three quantiles that cross: by how long the file is, the text, and both."""

    takes = "columns"

    def score(self, columns: dict[str, np.ndarray]) -> np.ndarray:
        files = np.array([0 if one is None else len(one) for one in columns["file"]], dtype=float)
        texts = np.array([len(one) for one in columns["text"]], dtype=float)
        return np.column_stack([files, texts, files - texts])


def signed(task: Task, fields: tuple[Field, ...], **more: Any) -> Signature:
    return Signature(inputs=fields, features=fields, task=task, **more)


VECTOR = signed(Task.VECTOR, (IMAGE, WEIGHT), width=2)
QUANTILES = signed(
    Task.QUANTILE,
    (Field(name="file", kind=Kind.BYTES, required=False), Field(name="text", kind=Kind.TEXT)),
    classes=("0.1", "0.5", "0.9"),
)


@pytest.fixture
def serving(office, calling):
    """Run a scenario with a caller; the one deployment has a scorer and a signature."""

    def run(scorer: Any, signature: Signature, scenario: Any) -> None:
        version = ServedVersion(number=1, artifact="a", code="", signature=signature)
        office.load = lambda _: Served(version, scorer=scorer)

        async def opened(call: Any, office: Any) -> None:
            await office.desk.apply(Plan(revision=2, routes={"m": Route(deployment="m", champion=version)}))
            await scenario(call, office)

        calling(opened)

    return run


def test_a_graph_tells_its_tensors_and_its_vector() -> None:
    signature = describe("onnx", pooled())
    assert [(field.name, field.kind, field.dtype, field.shape) for field in signature.inputs] == [
        ("image", Kind.TENSOR, "float32", (2, 3)),
        ("weight", Kind.FLOAT, "", ()),
    ]
    assert (signature.task, signature.width) == (Task.VECTOR, 2)


def test_an_onnx_graph_of_tensors_is_served_over_rest_and_the_inference_protocol(serving) -> None:
    async def scenario(call, office):
        plain = await call("POST", "/predict/m", {"inputs": {"image": ONES, "weight": 2}})
        assert plain.json["prediction"] == [6.0, 12.0]
        assert "label" not in plain.json
        many = await call("POST", "/predict/m", {"rows": [{"inputs": {"image": ONES, "weight": n}} for n in (1, 3)]})
        assert [row["prediction"] for row in many.json["rows"]] == [[3.0, 6.0], [9.0, 18.0]]
        told = (await call("GET", "/v2/models/m")).json
        assert told["inputs"][0] == {"name": "image", "datatype": "FP32", "shape": [-1, 2, 3]} | (
            {"optional": told["inputs"][0]["optional"]} if "optional" in told["inputs"][0] else {}
        )
        assert told["outputs"][0]["shape"] == [-1, 2]
        tensors = [
            {"name": "image", "datatype": "FP32", "shape": [2, 2, 3], "data": [ONES, ONES]},
            {"name": "weight", "datatype": "FP32", "shape": [2, 1], "data": [1, 2]},
        ]
        infer = await call("POST", "/v2/models/m/infer", {"inputs": tensors})
        assert infer.json["outputs"] == [{"name": "prediction", "datatype": "FP64", "shape": [2, 2], "data": [3.0, 6.0, 6.0, 12.0]}]
        logged = office.journal.predictions()[0]
        assert logged.inputs["image"] == "[[1.0,1.0,1.0],[2.0,2.0,2.0]]"
        assert logged.answer == (6.0, 12.0)

    serving(package.scorer_of(pooled(), VECTOR), VECTOR, scenario)


def test_arrays_that_do_not_fit_are_refused_by_field(serving) -> None:
    async def scenario(call, office):
        short = await call("POST", "/predict/m", {"inputs": {"image": [[1.0]], "weight": 2}})
        assert (short.status, short.json["error"]["fields"]) == (422, {"image": "has shape [1, 1]; it must be [2, 3]"})
        text = {"name": "image", "datatype": "BYTES", "shape": [1, 2, 3], "data": ["a"] * 6}
        weight = {"name": "weight", "datatype": "FP32", "shape": [1, 1], "data": [1]}
        assert (await call("POST", "/v2/models/m/infer", {"inputs": [text, weight]})).status == 400
        flat = {"name": "image", "datatype": "FP32", "shape": [1, 6], "data": [1.0] * 6}
        refused = await call("POST", "/v2/models/m/infer", {"inputs": [flat, weight]})
        assert refused.status in (400, 422)
        assert "must be [2, 3]" in refused.json["error"]

    serving(package.scorer_of(pooled(), VECTOR), VECTOR, scenario)


def test_files_and_text_are_taken_and_quantiles_come_in_order(serving) -> None:
    async def scenario(call, office):
        content = base64.b64encode(bytes(2_000)).decode()
        answer = await call("POST", "/predict/m", {"inputs": {"file": content, "text": "abc"}})
        assert answer.json["prediction"] == {"0.1": 3.0, "0.5": 1997.0, "0.9": 2000.0}
        assert (await call("POST", "/predict/m", {"inputs": {"text": "abc"}})).json["prediction"]["0.1"] == -3.0
        infer = await call(
            "POST", "/v2/models/m/infer", {"inputs": [{"name": "text", "datatype": "BYTES", "shape": [1, 1], "data": ["abc"]}]}
        )
        assert infer.json["outputs"][0]["shape"] == [1, 3]
        (logged, *_) = office.journal.predictions()
        assert logged.inputs["file"].startswith("sha256:") and len(logged.inputs["file"]) < 100

    serving(Length(), QUANTILES, scenario)


def test_mlflow_and_tensorflow_servings_forms_carry_arrays(serving) -> None:
    only = signed(Task.REGRESSION, (IMAGE,))

    class Total:
        takes = "columns"

        def score(self, columns):
            return columns["image"].sum(axis=(1, 2))

    async def scenario(call, office):
        asked = await call("POST", "/predict/m", {"inputs": {"image": ONES}})
        assert asked.json["prediction"] == 9.0
        for body in ({"instances": [ONES, ONES]}, {"inputs": {"image": [ONES, ONES]}}, {"inputs": [ONES, ONES]}):
            answer = await call("POST", "/invocations", body)
            assert answer.json == {"predictions": [9.0, 9.0]}, body

    serving(Total(), only, scenario)


def test_arrays_go_whole_to_the_process_of_a_challenger() -> None:
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    (body,) = Unpacker().feed(packed(Question(1, ("image", "n"), [(array, 2)], 0, 1.0, 2.0)))
    heard = asked(body)
    assert heard.rows[0][1] == 2
    np.testing.assert_array_equal(heard.rows[0][0], array)
    assert heard.rows[0][0].dtype == np.float32


def test_a_batch_of_several_shapes_is_answered_row_by_row(serving) -> None:
    class Mean:
        takes = "columns"

        def score(self, columns):
            return columns["t"].mean(axis=1)

    async def scenario(call, office):
        rows = [{"inputs": {"t": [1.0, 3.0]}}, {"inputs": {"t": [1.0, 2.0, 6.0]}}]
        answers = await call("POST", "/predict/m", {"rows": rows})
        assert [row["prediction"] for row in answers.json["rows"]] == [2.0, 3.0]

    serving(Mean(), signed(Task.REGRESSION, (Field(name="t", kind=Kind.TENSOR, dtype="float64", shape=(-1,)),)), scenario)
