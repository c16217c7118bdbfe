"""scikit-learn's histogram boosting as plain trees: skl2onnx has no conversion that works for it."""

from __future__ import annotations

from typing import Any

import numpy as np

from noria.packaging.forest import Forest, Link, Rule, Tree, checked

NAMES = frozenset({"HistGradientBoostingClassifier", "HistGradientBoostingRegressor"})
_LINKS = {"IdentityLink": Link.IDENTITY, "LogitLink": Link.SIGMOID, "MultinomialLogit": Link.SOFTMAX, "LogLink": Link.EXP}


def is_hist(model: object) -> bool:
    """Whether `model` is one of the two."""
    return type(model).__name__ in NAMES and type(model).__module__.startswith("sklearn.")


def forest_of(model: Any) -> Forest:
    """The fitted model's trees, in float64 as it compares and adds itself.

    Categories are looked up by what they were before the model encoded them; an unknown one goes
    the way of missing values, as in the model.

    Raises:
        ValueError: a loss whose link has no counterpart.
    """
    link = _LINKS.get(type(model._loss.link).__name__)
    if link is None:
        raise ValueError(f"the link {type(model._loss.link).__name__} has no counterpart")
    columns, known = _columns(model)
    trees = [_tree(predictor, target, columns, known) for round_ in model._predictors for target, predictor in enumerate(round_)]
    return checked(
        Forest(trees=trees, rule=Rule.UP_TO, link=link, width=model.n_features_in_, base=np.ravel(model._baseline_prediction).tolist())
    )


def _columns(model: Any) -> tuple[np.ndarray, dict[int, np.ndarray]]:
    """The model moves categorical columns to the front: where each came from, and the values behind its codes."""
    places = np.arange(model.n_features_in_)
    if model._preprocessor is None:
        return places, {}
    categorical = np.asarray(model.is_categorical_)
    moved = np.concatenate([places[categorical], places[~categorical]])
    encoder = model._preprocessor.named_transformers_["encoder"]
    return moved, {place: np.asarray(values, dtype=np.float64) for place, values in enumerate(encoder.categories_)}


def _tree(predictor: Any, target: int, columns: np.ndarray, known: dict[int, np.ndarray]) -> Tree:
    nodes = predictor.nodes
    leaf = nodes["is_leaf"].astype(bool)
    yes = np.where(leaf, -1, nodes["left"].astype(np.int64))
    no = np.where(leaf, -1, nodes["right"].astype(np.int64))
    missing = nodes["missing_go_to_left"].astype(bool)
    members = {}
    for node in np.flatnonzero(nodes["is_categorical"].astype(bool) & ~leaf).tolist():
        values = known[int(nodes["feature_idx"][node])]
        left = np.array([_in(predictor.raw_left_cat_bitsets[nodes["bitset_idx"][node]], code) for code in range(len(values))], dtype=bool)
        if missing[node]:
            # What is not named goes the way of missing values: name those that go to the right.
            yes[node], no[node], left = no[node], yes[node], ~left
        missing[node] = False
        members[node] = [float(value) for value, named in zip(values, left, strict=True) if named and not np.isnan(value)]
    return Tree(
        feature=columns[nodes["feature_idx"].astype(np.int64)],
        split=nodes["num_threshold"],
        yes=yes,
        no=no,
        missing=missing,
        value=nodes["value"],
        target=target,
        members=members,
    )


def _in(bits: np.ndarray, code: int) -> bool:
    return bool(int(bits[code // 32]) >> (code % 32) & 1)
