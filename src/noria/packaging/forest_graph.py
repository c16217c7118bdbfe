"""Writes trees as an ONNX graph that takes the same branches and adds the same numbers, in the same order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from noria.packaging.forest import Forest, Link, Rule, Tree

_RULES = {Rule.UP_TO: 0, Rule.BELOW: 1, Rule.ABOVE: 3}
_MEMBER, _SUM, _NO_TRANSFORM = 6, 1, 0
"""Numbers that the operator TreeEnsemble (ai.onnx.ml 5) gives its modes; the answer's form is made by operators after it."""
_LINKS = {Link.SIGMOID: "Sigmoid", Link.EXP: "Exp"}
_IR, _OPSET, _ML_OPSET = 9, 17, 5


def graph_of(forest: Forest) -> bytes:
    """The forest as a graph from X, shape (rows, columns), to Y, shape (rows, sums).

    Where values are rounded to float32 first, X is float32 and the rest float64. What sums start
    from is written as trees of one leaf, ahead of all others: libraries begin their sums with it.
    """
    kept = TensorProto.FLOAT if forest.kept_as is np.float32 else TensorProto.DOUBLE
    taken = TensorProto.FLOAT if forest.rounded else kept
    nodes = []
    matrix = "X"
    if taken != kept:
        nodes.append(helper.make_node("Cast", [matrix], ["wide"], to=kept))
        matrix = "wide"
    last = "Y" if forest.link is Link.IDENTITY else "sums"
    nodes.append(helper.make_node("TreeEnsemble", [matrix], [last], domain="ai.onnx.ml", **_attributes(forest)))
    if forest.link is Link.SOFTMAX:
        nodes.append(helper.make_node("Softmax", [last], ["Y"], axis=1))
    elif forest.link is not Link.IDENTITY:
        nodes.append(helper.make_node(_LINKS[forest.link], [last], ["Y"]))
    graph = helper.make_graph(
        nodes,
        "forest",
        [helper.make_tensor_value_info("X", taken, [None, forest.width])],
        [helper.make_tensor_value_info("Y", kept, [None, len(forest.base)])],
    )
    opsets = [helper.make_opsetid("", _OPSET), helper.make_opsetid("ai.onnx.ml", _ML_OPSET)]
    return bytes(helper.make_model(graph, opset_imports=opsets, ir_version=_IR, producer_name="noria").SerializeToString())


def _attributes(forest: Forest) -> dict[str, Any]:
    plan = _Plan(forest)
    for target, base in enumerate(forest.base):
        plan.add(_constant(base, target))
    for tree in forest.trees:
        plan.add(tree)
    return plan.attributes()


def _constant(value: float, target: int) -> Tree:
    nothing = np.zeros(1)
    return Tree(
        feature=nothing, split=nothing, yes=np.array([-1]), no=np.array([-1]), missing=nothing, value=np.array([value]), target=target
    )


class _Plan:
    """Columns of the operator's attributes, one array per tree until they are joined."""

    def __init__(self, forest: Forest) -> None:
        self._rule, self._type, self._sums = _RULES[forest.rule], forest.kept_as, len(forest.base)
        self._columns: dict[str, list[np.ndarray]] = {}
        self._members: list[float] = []
        self._inner = self._leaves = 0
        self._roots: list[int] = []

    def add(self, tree: Tree) -> None:
        """Put a tree behind those that are there; nodes keep their order, a leaf alone becomes a node with one leaf on both sides."""
        leaf = tree.yes < 0
        inner = np.flatnonzero(~leaf)
        self._roots.append(self._inner)
        places = np.where(leaf, self._leaves + np.cumsum(leaf) - 1, self._inner + np.cumsum(~leaf) - 1)
        asked = inner if inner.size else np.zeros(1, dtype=np.int64)
        yes, no = (tree.yes[asked], tree.no[asked]) if inner.size else (asked, asked)
        self._put("nodes_featureids", tree.feature[asked] if inner.size else asked)
        self._put("nodes_splits", tree.split[asked])
        self._put("nodes_modes", np.array([_MEMBER if node in tree.members else self._rule for node in asked.tolist()]))
        self._put("nodes_missing_value_tracks_true", tree.missing[asked])
        self._put("nodes_truenodeids", places[yes])
        self._put("nodes_falsenodeids", places[no])
        self._put("nodes_trueleafs", leaf[yes])
        self._put("nodes_falseleafs", leaf[no])
        self._put("leaf_weights", tree.value[leaf])
        self._put("leaf_targetids", np.full(int(leaf.sum()), tree.target))
        for node in asked.tolist():
            if node in tree.members:
                self._members += [*tree.members[node], float("nan")]
        self._inner += len(asked)
        self._leaves += int(leaf.sum())

    def attributes(self) -> dict[str, Any]:
        """All that the operator is told."""
        joined = {name: np.concatenate(parts) for name, parts in self._columns.items()}
        tensors = {"nodes_splits": self._type, "leaf_weights": self._type, "nodes_modes": np.uint8}
        told: dict[str, Any] = {name: column.astype(np.int64).tolist() for name, column in joined.items() if name not in tensors}
        told |= {name: numpy_helper.from_array(joined[name].astype(kind)) for name, kind in tensors.items()}
        if self._members:
            told["membership_values"] = numpy_helper.from_array(np.array(self._members, dtype=self._type))
        return told | {
            "tree_roots": self._roots,
            "n_targets": self._sums,
            "aggregate_function": _SUM,
            "post_transform": _NO_TRANSFORM,
        }

    def _put(self, name: str, values: Sequence[Any] | np.ndarray) -> None:
        self._columns.setdefault(name, []).append(np.asarray(values))
