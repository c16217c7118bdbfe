"""Writes trees as a step among others of a scikit-learn pipeline's graph (in terms of skl2onnx's containers)."""

from __future__ import annotations

from typing import Any

import numpy as np
from onnx import TensorProto, helper
from skl2onnx.common.data_types import DoubleTensorType

from noria.packaging import hist_trees, lightgbm_trees, xgboost_model, xgboost_trees
from noria.packaging.forest import Forest, Link, Rule

_ML_OPSET = 3
_MODES = {Rule.UP_TO: "BRANCH_LEQ", Rule.BELOW: "BRANCH_LT", Rule.ABOVE: "BRANCH_GT"}


def convert_classifier(scope: Any, operator: Any, container: Any) -> None:
    """Nodes that give a label and probabilities of a boosted classifier; or its margins, where a step behind it asks for those."""
    model = operator.raw_operator
    classes = np.asarray(model.classes_)
    # A step behind it is fitted on margins only where the model has them to give, whatever it asks for.
    margins = hasattr(model, "decision_function") and bool(container.get_options(model, {"raw_scores": False}).get("raw_scores"))
    chances = _answers(scope, operator, container, margins=margins)
    if len(classes) == 2:
        one, other = scope.get_unique_variable_name("one"), scope.get_unique_variable_name("other")
        whole = 0.0 if margins else 1.0
        container.add_initializer(one, TensorProto.DOUBLE if _is_double(operator) else TensorProto.FLOAT, [1], [whole])
        container.add_node("Sub", [one, chances], other)
        container.add_node("Concat", [other, chances], operator.outputs[1].full_name, axis=1, op_version=13)
    else:
        container.add_node("Identity", [chances], operator.outputs[1].full_name)
    best, labels = scope.get_unique_variable_name("best"), scope.get_unique_variable_name("labels")
    container.add_node("ArgMax", [operator.outputs[1].full_name], best, axis=1, keepdims=0, op_version=13)
    if np.issubdtype(classes.dtype, np.integer) or classes.dtype == bool:
        container.add_initializer(labels, TensorProto.INT64, [len(classes)], [int(value) for value in classes])
    else:
        container.add_initializer(labels, TensorProto.STRING, [len(classes)], [str(value).encode() for value in classes])
    container.add_node("Gather", [labels, best], operator.outputs[0].full_name, axis=0, op_version=13)


def convert_regressor(scope: Any, operator: Any, container: Any) -> None:
    """Nodes that give the value of a boosted regressor."""
    container.add_node("Identity", [_answers(scope, operator, container)], operator.outputs[0].full_name)


def _forest(model: Any) -> Forest:
    library = next(kind.__module__.partition(".")[0] for kind in type(model).__mro__ if not kind.__module__.startswith("noria"))
    if library == "lightgbm":
        return lightgbm_trees.forest_of(model)
    if library == "xgboost":
        forest, link = xgboost_trees.forest_of(xgboost_model.dump(model))
        if link is None:
            raise ValueError("its objective makes answers in a way that has no counterpart")
        return forest
    return hist_trees.forest_of(model)


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


def _answers(scope: Any, operator: Any, container: Any, *, margins: bool = False) -> str:
    """Name of what the trees answer, shape (rows, sums), after the link; the operator tells sums in float32.

    Trees of XGBoost take float32 whatever the rows are.
    """
    forest = _forest(operator.raw_operator)
    if any(tree.members for tree in forest.trees):
        raise ValueError("categorical splits behind other steps have no counterpart")
    rows, wide = operator.inputs[0].full_name, _is_double(operator)
    double = wide and forest.kept_as is np.float64
    if wide and not double:
        rows = _cast(scope, container, rows, TensorProto.FLOAT)
    sums = scope.get_unique_variable_name("sums")
    container.add_node(
        "TreeEnsembleRegressor",
        [rows],
        sums,
        op_domain="ai.onnx.ml",
        op_version=_ML_OPSET,
        name=scope.get_unique_operator_name("Trees"),
        **_attributes(forest, double=double),
    )
    if wide:
        sums = _cast(scope, container, sums, TensorProto.DOUBLE)
    if margins or forest.link is Link.IDENTITY:
        return sums
    answers = str(scope.get_unique_variable_name("answers"))
    operation, more = {Link.SIGMOID: ("Sigmoid", {}), Link.SOFTMAX: ("Softmax", {"axis": 1}), Link.EXP: ("Exp", {})}[forest.link]
    container.add_node(operation, [sums], answers, op_version=13, **more)
    return answers


def _cast(scope: Any, container: Any, name: str, to: int) -> str:
    made = str(scope.get_unique_variable_name("cast"))
    container.add_node("Cast", [name], made, to=to, op_version=13)
    return made


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
        modes += np.where(leaf, "LEAF", _MODES[forest.rule]).tolist()
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
