"""Writes trees as a step among others of a scikit-learn pipeline's graph (in terms of skl2onnx's containers)."""

from __future__ import annotations

from typing import Any

import numpy as np
from onnx import TensorProto, helper
from skl2onnx.common.data_types import DoubleTensorType

from noria.packaging.forest import Forest, Link
from noria.packaging.hist_trees import forest_of

_ML_OPSET = 3


def convert_classifier(scope: Any, operator: Any, container: Any) -> None:
    """Nodes that give a label and probabilities of HistGradientBoostingClassifier."""
    model = operator.raw_operator
    chances = _answers(scope, operator, container, forest_of(model))
    if len(model.classes_) == 2:
        one, other = scope.get_unique_variable_name("one"), scope.get_unique_variable_name("other")
        container.add_initializer(one, TensorProto.DOUBLE if _is_double(operator) else TensorProto.FLOAT, [1], [1.0])
        container.add_node("Sub", [one, chances], other)
        container.add_node("Concat", [other, chances], operator.outputs[1].full_name, axis=1, op_version=13)
    else:
        container.add_node("Identity", [chances], operator.outputs[1].full_name)
    best, classes = scope.get_unique_variable_name("best"), scope.get_unique_variable_name("classes")
    container.add_node("ArgMax", [operator.outputs[1].full_name], best, axis=1, keepdims=0, op_version=13)
    if np.issubdtype(model.classes_.dtype, np.integer) or model.classes_.dtype == bool:
        container.add_initializer(classes, TensorProto.INT64, [len(model.classes_)], [int(value) for value in model.classes_])
    else:
        container.add_initializer(classes, TensorProto.STRING, [len(model.classes_)], [str(value).encode() for value in model.classes_])
    container.add_node("Gather", [classes, best], operator.outputs[0].full_name, axis=0, op_version=13)


def convert_regressor(scope: Any, operator: Any, container: Any) -> None:
    """Nodes that give the value of HistGradientBoostingRegressor."""
    answers = _answers(scope, operator, container, forest_of(operator.raw_operator))
    container.add_node("Identity", [answers], operator.outputs[0].full_name)


def fill(scope: Any, operator: Any, container: Any) -> None:
    """Nodes that put SimpleImputer's statistics in the place of NaN, in float64."""
    matrix = operator.inputs[0].full_name
    statistics, absent = scope.get_unique_variable_name("statistics"), scope.get_unique_variable_name("absent")
    values = np.asarray(operator.raw_operator.statistics_, dtype=np.float64)
    container.add_initializer(statistics, TensorProto.DOUBLE, [1, len(values)], values.tolist())
    container.add_node("IsNaN", [matrix], absent, op_version=13)
    container.add_node("Where", [absent, statistics, matrix], operator.outputs[0].full_name, op_version=9)


def _is_double(operator: Any) -> bool:
    return isinstance(operator.inputs[0].type, DoubleTensorType)


def _answers(scope: Any, operator: Any, container: Any, forest: Forest) -> str:
    """Name of what the trees answer, shape (rows, sums), after the link; sums are kept in the type of the rows and told in float32."""
    if any(tree.members for tree in forest.trees):
        raise ValueError("categorical splits behind other steps have no counterpart")
    double = _is_double(operator)
    sums = scope.get_unique_variable_name("sums")
    container.add_node(
        "TreeEnsembleRegressor",
        [operator.inputs[0].full_name],
        sums,
        op_domain="ai.onnx.ml",
        op_version=_ML_OPSET,
        name=scope.get_unique_operator_name("Trees"),
        **_attributes(forest, double=double),
    )
    if double:
        wide = scope.get_unique_variable_name("wide")
        container.add_node("Cast", [sums], wide, to=TensorProto.DOUBLE, op_version=13)
        sums = wide
    if forest.link is Link.IDENTITY:
        return sums
    answers = str(scope.get_unique_variable_name("answers"))
    operation, more = {Link.SIGMOID: ("Sigmoid", {}), Link.SOFTMAX: ("Softmax", {"axis": 1}), Link.EXP: ("Exp", {})}[forest.link]
    container.add_node(operation, [sums], answers, op_version=13, **more)
    return answers


def _attributes(forest: Forest, *, double: bool) -> dict[str, Any]:
    """The trees as columns of the operator: whole numbers, and numbers of the type of the rows."""
    whole: dict[str, list[int]] = {name: [] for name in ("treeids", "nodeids", "featureids", "truenodeids", "falsenodeids")}
    missing: list[int] = []
    modes: list[str] = []
    splits: list[np.ndarray] = []
    targets: dict[str, list[int]] = {name: [] for name in ("treeids", "nodeids", "ids")}
    weights: list[np.ndarray] = []
    for number, tree in enumerate(forest.trees):
        leaf = tree.yes < 0
        nodes, leaves = np.arange(len(leaf)), np.flatnonzero(leaf)
        columns = (
            np.full(len(leaf), number),
            nodes,
            np.where(leaf, 0, tree.feature),
            np.where(leaf, 0, tree.yes),
            np.where(leaf, 0, tree.no),
        )
        for column, entries in zip(whole.values(), columns, strict=True):
            column += entries.tolist()
        missing += tree.missing.astype(int).tolist()
        modes += np.where(leaf, "LEAF", "BRANCH_LEQ").tolist()
        splits.append(np.where(leaf, 0.0, tree.split))
        for column, entries in zip(
            targets.values(), (np.full(len(leaves), number), leaves, np.full(len(leaves), tree.target)), strict=True
        ):
            column += entries.tolist()
        weights.append(tree.value[leaves])
    numbers = {
        # To the nearest, as rows are rounded: a split is often a value that rows have, and those stay on its side.
        "nodes_values": np.concatenate(splits),
        "target_weights": np.concatenate(weights),
        "base_values": np.asarray(forest.base),
    }
    told: dict[str, Any] = {f"nodes_{name}": column for name, column in whole.items()}
    told |= {f"target_{name}": column for name, column in targets.items()}
    told |= {"nodes_missing_value_tracks_true": missing, "nodes_modes": modes, "n_targets": len(forest.base), "post_transform": "NONE"}
    for name, values in numbers.items():
        if double:
            told[f"{name}_as_tensor"] = helper.make_tensor(name, TensorProto.DOUBLE, [len(values)], values.tolist())
        else:
            told[name] = values.astype(np.float32).tolist()
    return told
