"""Rows out of tensors and tensors out of answers, by the model's signature."""

from __future__ import annotations

import base64
from dataclasses import replace

import pytest

from noria.core.errors import NotFound, RequestInvalid
from noria.core.schema import Field, Kind, Signature, Task
from noria.core.traffic import Role
from noria.dataplane.tensor_forms import (
    Wanted,
    check_wanted,
    inputs_of,
    items_of,
    outputs_of,
    request_id,
    rows_of,
    tensors_of,
    version_asked,
    versions_told,
)
from noria.dataplane.tensors import tensor
from noria.stages.serving.asks import Answered

FLIGHT = Signature(
    inputs=(
        Field(name="tail", kind=Kind.TEXT),
        Field(name="distance", kind=Kind.FLOAT),
        Field(name="seats", kind=Kind.INT, required=False),
        Field(name="cargo", kind=Kind.BOOL, required=False),
    ),
    features=(Field(name="distance", kind=Kind.FLOAT),),
    task=Task.BINARY,
    classes=("on-time", "late"),
)
SQUARE = Signature(
    inputs=(Field(name="a", kind=Kind.FLOAT), Field(name="b", kind=Kind.FLOAT, required=False), Field(name="c", kind=Kind.BOOL)),
    features=(),
    task=Task.MULTICLASS,
    classes=("x", "y", "z"),
)


def answered(prediction, label=None, version=1) -> Answered:
    return Answered(id="r", version=version, role=Role.CHAMPION, prediction=prediction, label=label)


def test_one_tensor_per_field_makes_rows() -> None:
    rows = rows_of(FLIGHT, [tensor("tail", "BYTES", [2, 1], [b"N1", "N2"]), tensor("distance", "FP32", [2], [1.0, 2.0])])
    assert rows == [{"tail": "N1", "distance": 1.0}, {"tail": "N2", "distance": 2.0}]


def test_one_matrix_is_taken_in_the_order_of_the_fields() -> None:
    assert rows_of(SQUARE, [tensor("input", "FP64", [2, 3], [1.0, 2.0, 1.0, 4.0, float("nan"), 0.0])]) == [
        {"a": 1.0, "b": 2.0, "c": True},
        {"a": 4.0, "b": None, "c": False},
    ]


def test_a_model_of_one_field_takes_a_vector_of_any_name() -> None:
    one = replace(SQUARE, inputs=(Field(name="a", kind=Kind.FLOAT),))
    assert rows_of(one, [tensor("input", "INT32", [2], [1, 2])]) == [{"a": 1}, {"a": 2}]
    assert rows_of(one, [tensor("input", "INT32", [2, 1], [1, 2])]) == [{"a": 1}, {"a": 2}]


def test_missing_is_nan_where_the_field_may_be_missing() -> None:
    nan = float("nan")
    (row,) = rows_of(FLIGHT, [tensor("distance", "FP32", [1], [nan]), tensor("seats", "FP32", [1], [nan])])
    assert row["seats"] is None
    assert row["distance"] != row["distance"]


def test_base64_is_opened() -> None:
    told = tensor("tail", "BYTES", [1], [base64.b64encode("Zürich".encode()).decode()], content_type="base64")
    assert rows_of(FLIGHT, [told]) == [{"tail": "Zürich"}]


@pytest.mark.parametrize(
    ("signature", "tensors", "why"),
    [
        (FLIGHT, [], "there are no inputs"),
        (SQUARE, [tensor("input", "FP32", [1, 4], [1.0] * 4)], r"has shape \[1, 4\]; the model takes one of shape \[rows, 3\].*a, b, c"),
        (SQUARE, [tensor("input", "FP32", [3], [1.0] * 3)], r"has shape \[3\]; the model takes one"),
        (SQUARE, [tensor("a", "FP32", [1, 2], [1.0] * 2)], r"the model takes one of shape"),
        (SQUARE, [tensor("a", "FP32", [1, 2], [1.0] * 2), tensor("b", "FP32", [1], [1.0])], "one value per row"),
        (SQUARE, [tensor("a", "FP32", [1], [1.0]), tensor("a", "FP32", [1], [1.0])], "more than once"),
        (SQUARE, [tensor("a", "FP32", [1], [1.0]), tensor("b", "FP32", [2], [1.0, 2.0])], "not of one length"),
        (SQUARE, [tensor("a", "FP32", [100_001], [1.0] * 100_001)], "at most 100,000"),
        (FLIGHT, [tensor("tail", "BYTES", [1], [b"\xff"])], "no text"),
        (FLIGHT, [tensor("tail", "BYTES", [1], ["?"], content_type="base64")], "no text"),
    ],
)
def test_what_makes_no_rows_says_why(signature, tensors, why) -> None:
    with pytest.raises(RequestInvalid, match=why):
        rows_of(signature, tensors)


def test_ids_are_the_callers_own() -> None:
    assert items_of("mine", [{}]) == [("mine", {})]
    assert items_of("mine", [{}, {}]) == [("mine-0", {}), ("mine-1", {})]
    assert items_of("mine", []) == []
    assert items_of("", [{}]) == [(None, {})]
    assert request_id("mine") == "mine"
    assert request_id("") != request_id("")


def test_answers_are_tensors() -> None:
    given = tensors_of(FLIGHT, [answered(0.2, "on-time"), answered(0.7, "late")])
    assert [(one.name, one.datatype, one.shape, one.values) for one in given] == [
        ("prediction", "FP64", (2, 1), [0.2, 0.7]),
        ("label", "BYTES", (2, 1), ["on-time", "late"]),
    ]


def test_probabilities_of_many_classes_are_a_matrix_in_the_order_of_the_classes() -> None:
    first, second = answered({"x": 0.1, "y": 0.2, "z": 0.7}, "z"), answered({"z": 0.6, "x": 0.4}, "z", version=2)
    prediction, label = tensors_of(SQUARE, [first, second])
    assert (prediction.shape, prediction.values) == ((2, 3), [0.1, 0.2, 0.7, 0.4, 0.0, 0.6])
    assert label.values == ["z", "z"]


def test_only_what_is_wanted_is_given_in_its_order() -> None:
    given = tensors_of(FLIGHT, [answered(0.2, "on-time")], [Wanted(name="label"), Wanted(name="prediction")])
    assert [one.name for one in given] == ["label", "prediction"]
    with pytest.raises(RequestInvalid, match="there are prediction, label"):
        check_wanted(FLIGHT, [Wanted(name="score")])


def test_classes_are_named_the_likeliest_first() -> None:
    (told,) = tensors_of(SQUARE, [answered({"x": 0.1, "y": 0.2, "z": 0.7}, "z")], [Wanted(name="prediction", classification=2)])
    assert (told.datatype, told.shape, told.values) == ("BYTES", (1, 2), ["0.700000:2:z", "0.200000:1:y"])
    (told,) = tensors_of(FLIGHT, [answered(0.25, "on-time")], [Wanted(name="prediction", classification=9)])
    assert told.values == ["0.750000:0:on-time", "0.250000:1:late"]
    with pytest.raises(RequestInvalid, match="no classes"):
        check_wanted(FLIGHT, [Wanted(name="label", classification=1)])


def test_metadata_names_every_field_and_output() -> None:
    assert [(one.name, one.datatype, one.shape, one.optional) for one in inputs_of(FLIGHT)] == [
        ("tail", "BYTES", (-1, 1), False),
        ("distance", "FP64", (-1, 1), False),
        ("seats", "INT64", (-1, 1), True),
        ("cargo", "BOOL", (-1, 1), True),
    ]
    assert [(one.name, one.datatype, one.shape) for one in outputs_of(SQUARE)] == [
        ("prediction", "FP64", (-1, 3)),
        ("label", "BYTES", (-1, 1)),
    ]


def test_versions_are_numbers() -> None:
    assert (version_asked(""), version_asked("3")) == (None, 3)
    for strange in ("one", "-1", "1.0", "²", "9" * 30):
        with pytest.raises(NotFound):
            version_asked(strange)
    assert versions_told([answered(0.1), answered(0.2, version=3)], 1) == "1,3"
    assert versions_told([], 2) == "2"
