"""Small models for `bench/fleet.py`, each with numbers of its own, and what each answers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import lightgbm
import numpy as np
from onnx import TensorProto, helper

from noria.core.schema import Field, Kind, Signature, Task

FIELDS = tuple(Field(name=name, kind=Kind.FLOAT) for name in "abcdefgh")
SIGNATURE = Signature(inputs=FIELDS, features=FIELDS, task=Task.REGRESSION)
X = np.random.default_rng(3).normal(size=(20, len(FIELDS))).astype(np.float32).astype(np.float64)
ROWS = np.random.default_rng(4).normal(size=(200, len(FIELDS)))
TREES = {"num_leaves": 8, "num_threads": 1, "verbose": -1, "min_data_in_leaf": 5}


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A model's file, and its answers to `X`."""

    content: bytes
    answers: np.ndarray


def make(models: int, onnx: float, *, seed: int = 0) -> Iterator[Made]:
    """Models of which a share are ONNX graphs, the others LightGBM texts."""
    rng = np.random.default_rng(seed)
    for _ in range(models):
        yield _graph(rng) if rng.random() < onnx else _trees(rng)


def _trees(rng: np.random.Generator) -> Made:
    y = ROWS @ rng.normal(size=len(FIELDS))
    booster = lightgbm.train(TREES, lightgbm.Dataset(ROWS, y, params={"verbose": -1}), num_boost_round=5)
    return Made(content=booster.model_to_string().encode(), answers=np.asarray(booster.predict(X)))


def _graph(rng: np.random.Generator) -> Made:
    weights = rng.normal(size=len(FIELDS)).astype(np.float32)
    node = helper.make_node(
        "LinearRegressor", ["X"], ["y"], domain="ai.onnx.ml", coefficients=weights.tolist(), intercepts=[0.5], targets=1
    )
    takes = helper.make_tensor_value_info("X", TensorProto.FLOAT, [None, len(FIELDS)])
    gives = helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, 1])
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)]
    model = helper.make_model(helper.make_graph([node], "linear", [takes], [gives]), opset_imports=opsets, ir_version=8)
    return Made(content=model.SerializeToString(), answers=X @ weights.astype(np.float64) + 0.5)
