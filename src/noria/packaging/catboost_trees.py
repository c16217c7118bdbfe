"""CatBoost's own JSON as plain trees of numbers; categories, texts and embeddings inside the model are refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import orjson

from noria.core.errors import ArtifactRejected
from noria.packaging.forest import Forest, Link, Rule, Tree, checked

DEPTH_LIMIT = 16
"""Deepest symmetric tree; CatBoost's own limit."""

_LINKS = {"Logloss": Link.SIGMOID, "CrossEntropy": Link.SIGMOID, "MultiClassOneVsAll": Link.SIGMOID, "MultiClass": Link.SOFTMAX}
_LINKS |= {"Poisson": Link.EXP, "Tweedie": Link.EXP}
_PLAIN = ("RMSE", "MAE", "MAPE", "Quantile", "Huber", "LogLinQuantile", "Expectile", "Lq")
RANKERS = ("YetiRank", "YetiRankPairwise", "PairLogit", "PairLogitPairwise", "QueryRMSE", "QuerySoftMax", "LambdaMart", "StochasticRank")
_LINKS |= dict.fromkeys((*_PLAIN, *RANKERS), Link.IDENTITY)
_Columns = Mapping[int, tuple[int, bool]]


def document(content: bytes) -> dict[str, Any]:
    """The model as its library keeps it.

    Raises:
        ArtifactRejected: it is damaged, or no CatBoost model.
    """
    try:
        found = orjson.loads(content)
    except ValueError as error:
        raise ArtifactRejected(f"the model's JSON is damaged: {str(error)[:200]}", fix="copy the file again") from error
    if not isinstance(found, dict) or not isinstance(found.get("features_info"), dict):
        raise ArtifactRejected("the file is no CatBoost model: it has no features_info", fix='save it with save_model(…, format="json")')
    return found


def forest_of(content: bytes) -> tuple[Forest, Link | None]:
    """The trees, whose rows are rounded to float32 and whose leaves add up in float64, as in CatBoost; None = a loss of another kind.

    Raises:
        ArtifactRejected: the model is damaged, or has features that are no numbers.
    """
    try:
        return _forest(document(content))
    except (KeyError, TypeError, ValueError, IndexError, OverflowError, AttributeError, RecursionError) as error:
        raise ArtifactRejected(
            f"the CatBoost model is damaged or of an unknown layout: {type(error).__name__}: {str(error)[:200]}", fix="save it again"
        ) from error


def _forest(said: Mapping[str, Any]) -> tuple[Forest, Link | None]:
    others = [kind for kind in ("categorical_features", "text_features", "embedding_features") if said["features_info"].get(kind)]
    if others:
        raise ArtifactRejected(
            f"the CatBoost model has {' and '.join(others).replace('_', ' ')}, and Noria gives models numbers (text as its category's code)",
            fix="train on `data.X` without cat_features, text_features and embedding_features",
        )
    floats = said["features_info"]["float_features"]
    columns = {int(one["feature_index"]): (int(one["flat_feature_index"]), one["nan_value_treatment"] == "AsTrue") for one in floats}
    scale, base = said["scale_and_bias"]
    base = base if isinstance(base, list) else [base]
    trees: list[Tree] = []
    for one in said.get("oblivious_trees") or ():
        trees += _symmetric(one, columns, len(base), float(scale))
    for one in said.get("trees") or ():
        trees += _grown(one, columns, len(base), float(scale))
    link = _LINKS.get(said["model_info"]["params"]["loss_function"]["type"])
    forest = Forest(
        trees=trees,
        rule=Rule.ABOVE,
        link=link or Link.IDENTITY,
        width=max((flat for flat, _ in columns.values()), default=-1) + 1,
        base=[float(value) for value in base],
        rounded=True,
    )
    return checked(forest), link


def _split(said: Mapping[str, Any], columns: _Columns) -> tuple[int, float, bool]:
    if said["split_type"] != "FloatFeature":
        raise ArtifactRejected(f"the CatBoost model splits by {str(said['split_type'])[:40]}", fix="train on `data.X` without cat_features")
    column, missing = columns[int(said["float_feature_index"])]
    return column, float(np.float32(said["border"])), missing


def _symmetric(said: Mapping[str, Any], columns: _Columns, sums: int, scale: float) -> list[Tree]:
    """A tree with one split per level, laid out as a heap: the last split decides the highest bit of the leaf's number."""
    splits = [_split(one, columns) for one in reversed(said["splits"] or ())]
    depth = len(splits)
    leaves = np.asarray(said["leaf_values"], dtype=np.float64) * scale
    if depth > DEPTH_LIMIT or len(leaves) != sums << depth:
        raise ArtifactRejected("a tree of the CatBoost model has another number of leaves than its splits make", fix="copy the file again")
    inner, nodes = (1 << depth) - 1, (2 << depth) - 1
    place = np.arange(nodes)
    level = np.repeat(np.arange(depth + 1), 1 << np.arange(depth + 1))
    column, border, missing = (np.array([*side, 0]) for side in zip(*splits, strict=True)) if splits else (np.zeros(1),) * 3
    return [
        Tree(
            feature=column[level].astype(np.int64),
            split=border[level],
            yes=np.where(place < inner, 2 * place + 2, -1),
            no=np.where(place < inner, 2 * place + 1, -1),
            missing=missing[level].astype(bool),
            value=np.concatenate([np.zeros(inner), leaves.reshape(-1, sums)[:, target]]),
            target=target,
        )
        for target in range(sums)
    ]


def _grown(said: Mapping[str, Any], columns: _Columns, sums: int, scale: float) -> list[Tree]:
    """A tree that was grown leaf by leaf: nested objects, walked without recursion."""
    feature, split, yes, no, missing = list[int](), list[float](), list[int](), list[int](), list[bool]()
    values: list[Sequence[float]] = []
    waiting: list[tuple[Mapping[str, Any], int, list[int]]] = [(said, -1, yes)]
    while waiting:
        node, parent, side = waiting.pop()
        here = len(yes)
        if parent >= 0:
            side[parent] = here
        leaf = "split" not in node
        column, border, astray = (0, 0.0, False) if leaf else _split(node["split"], columns)
        own = node["value"] if leaf else [0.0] * sums
        feature.append(column)
        split.append(border)
        missing.append(astray)
        values.append(own if isinstance(own, list) else [own])
        yes.append(-1)
        no.append(-1)
        if not leaf:
            waiting += [(node["left"], here, no), (node["right"], here, yes)]
    numbers = np.array(values, dtype=np.float64) * scale
    if numbers.shape != (len(yes), sums):
        raise ArtifactRejected("a leaf of the CatBoost model has another number of values", fix="copy the file again")
    return [
        Tree(
            feature=np.array(feature),
            split=np.array(split),
            yes=np.array(yes),
            no=np.array(no),
            missing=np.array(missing),
            value=numbers[:, target],
            target=target,
        )
        for target in range(sums)
    ]
