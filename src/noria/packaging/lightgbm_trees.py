"""LightGBM's trees as plain ones: behind other steps of a pipeline, and where a graph of many leaves answers several rows quicker."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from noria.packaging import lightgbm_text
from noria.packaging.forest import Forest, Link, Rule, Tree, checked
from noria.packaging.forest_graph import graph_of

FEWEST_LEAVES = 3_000
"""From here on a graph is worth its memory: measured at 6,200 leaves, sixteen rows take 7.7 µs each instead of 11, one row 15 instead of 12."""

_LINKS = {
    "binary": Link.SIGMOID,
    "cross_entropy": Link.SIGMOID,
    "multiclass": Link.SOFTMAX,
    "multiclassova": Link.SIGMOID,
    "poisson": Link.EXP,
    "gamma": Link.EXP,
    "tweedie": Link.EXP,
}
_PLAIN = ("regression", "regression_l1", "huber", "fair", "quantile", "mape", "lambdarank", "rank_xendcg")


def forest_of(model: Any) -> Forest:
    """The trees of a fitted LGBMClassifier, LGBMRegressor or LGBMRanker, in float64 as LightGBM compares and adds.

    Raises:
        ValueError: its objective, or a split of it, has no counterpart.
    """
    return forest_in(model.booster_.dump_model(num_iteration=model.booster_.best_iteration))


def gains(content: bytes) -> bool:
    """Whether a model's own text has so many leaves that a graph answers several rows quicker than LightGBM's library."""
    return sum(int(line[11:]) for line in content.splitlines() if line.startswith(b"num_leaves=")) >= FEWEST_LEAVES


def compile_document(content: bytes, width: int) -> bytes:
    """A model's own text as an ONNX graph of `width` columns.

    Raises:
        ValueError: its objective, or a split of it, has no counterpart.
    """
    return graph_of(replace(forest_in(lightgbm_text.described(content)), width=width))


def forest_in(said: Mapping[str, Any]) -> Forest:
    """The same of what LightGBM says of a model (`dump_model`).

    Raises:
        ValueError: see `forest_of`.
    """
    words = str(said.get("objective", "")).split()
    name, options = (words[0] if words else ""), dict(word.split(":", 1) for word in words[1:] if ":" in word)
    link = Link.IDENTITY if name in _PLAIN else _LINKS.get(name)
    if link is None or said.get("average_output") or "sqrt" in words:
        raise ValueError(f"the objective {' '.join(words)[:100]!r} has no counterpart")
    scale = float(options.get("sigmoid", 1.0)) if link is Link.SIGMOID else 1.0
    sums = int(said["num_tree_per_iteration"])
    trees = [_tree(one["tree_structure"], place % sums, scale) for place, one in enumerate(said["tree_info"])]
    return checked(Forest(trees=trees, rule=Rule.UP_TO, link=link, width=int(said["max_feature_idx"]) + 1, base=[0.0] * sums))


def _tree(root: Mapping[str, Any], target: int, scale: float) -> Tree:
    feature, split, yes, no, missing, value = list[int](), list[float](), list[int](), list[int](), list[bool](), list[float]()
    waiting: list[tuple[Mapping[str, Any], int, list[int]]] = [(root, -1, yes)]
    while waiting:
        node, parent, side = waiting.pop()
        here = len(yes)
        if parent >= 0:
            side[parent] = here
        inner = "split_feature" in node
        feature.append(int(node["split_feature"]) if inner else 0)
        split.append(float(node["threshold"]) if inner and _is_number(node) else 0.0)
        missing.append(_missing(node) if inner else False)
        value.append(0.0 if inner else float(node["leaf_value"]) * scale)
        yes.append(-1)
        no.append(-1)
        if inner:
            waiting += [(node["right_child"], here, no), (node["left_child"], here, yes)]
    return Tree(
        feature=np.array(feature),
        split=np.array(split),
        yes=np.array(yes),
        no=np.array(no),
        missing=np.array(missing),
        value=np.array(value),
        target=target,
    )


def _is_number(node: Mapping[str, Any]) -> bool:
    if node["decision_type"] != "<=":
        raise ValueError("categorical splits have no counterpart in a graph")
    return True


def _missing(node: Mapping[str, Any]) -> bool:
    """Where a missing value goes; a model that saw none in training takes it for zero."""
    if node["missing_type"] == "NaN":
        return bool(node["default_left"])
    if node["missing_type"] == "None":
        return float(node["threshold"]) >= 0.0
    raise ValueError("a split that takes zero for missing has no counterpart")
