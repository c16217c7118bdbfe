"""XGBoost's own documents (JSON, or its binary form) as plain trees; what could lead its C library astray is refused here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import orjson

from noria.core.errors import ArtifactRejected
from noria.packaging import ubjson
from noria.packaging.forest import Forest, Link, Rule, Tree, checked

_LINKS = {
    "binary:logistic": Link.SIGMOID,
    "reg:logistic": Link.SIGMOID,
    "multi:softprob": Link.SOFTMAX,
    "count:poisson": Link.EXP,
    "reg:gamma": Link.EXP,
    "reg:tweedie": Link.EXP,
    "reg:squarederror": Link.IDENTITY,
    "reg:squaredlogerror": Link.IDENTITY,
    "reg:pseudohubererror": Link.IDENTITY,
    "reg:absoluteerror": Link.IDENTITY,
    "reg:quantileerror": Link.IDENTITY,
    "rank:ndcg": Link.IDENTITY,
    "rank:map": Link.IDENTITY,
    "rank:pairwise": Link.IDENTITY,
}
_LEAF, _CATEGORICAL = -1, 1
_SIDES = ("left_children", "right_children", "parents", "split_indices", "split_conditions", "split_type", "default_left")
_COUNTS = ("base_weights", "loss_changes", "sum_hessian")


def document(content: bytes) -> dict[str, Any]:
    """The model as its library keeps it.

    Raises:
        ArtifactRejected: it is damaged, or no XGBoost model.
    """
    if content[1:2] in (b"L", b"l", b"I", b"i", b"U"):
        found = ubjson.loads(content)
    else:
        try:
            found = orjson.loads(content)
        except ValueError as error:
            raise ArtifactRejected(f"the model's JSON is damaged: {str(error)[:200]}", fix="copy the file again") from error
    if not isinstance(found, dict) or not isinstance(found.get("learner"), dict) or "version" not in found:
        raise ArtifactRejected("the file is no XGBoost model: it has no learner", fix="save it with Booster.save_model")
    return found


def forest_of(content: bytes) -> tuple[Forest, Link | None]:
    """The trees in float32, as XGBoost compares and adds, and how it turns sums into answers; None = in a way only it knows.

    Raises:
        ArtifactRejected: the model is damaged, is not made of trees, or has leaves of several values.
    """
    learner = document(content)["learner"]
    try:
        return _forest(learner)
    except (KeyError, TypeError, ValueError, IndexError, OverflowError, AttributeError) as error:
        raise ArtifactRejected(
            f"the XGBoost model is damaged or of an unknown layout: {type(error).__name__}: {str(error)[:200]}", fix="save it again"
        ) from error


def canonical(content: bytes) -> bytes:
    """The same model as JSON that says no more than what was checked: the library reads nothing that a stranger could have added.

    Raises:
        ArtifactRejected: as `forest_of`.
    """
    forest_of(content)
    found = document(content)
    learner = found["learner"]
    model, weights = _model(learner)
    own = {
        "gbtree_model_param": {"num_trees": str(len(model["trees"])), "num_parallel_tree": "1"},
        "iteration_indptr": model.get("iteration_indptr", [0, len(model["trees"])]),
        "tree_info": model["tree_info"],
        "trees": [_told(tree, place) for place, tree in enumerate(model["trees"])],
        "cats": {"enc": [], "feature_segments": [], "sorted_idx": []},
    }
    booster = (
        {"name": "gbtree", "model": own}
        if weights is None
        else {"name": "dart", "gbtree": {"name": "gbtree", "model": own}, "weight_drop": weights}
    )
    kept = {name: learner[name] for name in ("learner_model_param", "objective")}
    kept |= {"feature_types": learner.get("feature_types") or [], "feature_names": [], "attributes": {}, "gradient_booster": booster}
    return orjson.dumps({"version": found["version"], "learner": kept}, option=orjson.OPT_SERIALIZE_NUMPY)


def _told(tree: Mapping[str, Any], place: int) -> dict[str, Any]:
    """One tree with its own place as its name."""
    lists = (*_SIDES, *_COUNTS, "categories", "categories_nodes", "categories_segments", "categories_sizes")
    nodes = str(len(tree["left_children"]))
    said = {"num_feature": tree["tree_param"]["num_feature"], "num_nodes": nodes, "num_deleted": "0", "size_leaf_vector": "1"}
    return {"id": place, "tree_param": said} | {name: tree[name] for name in lists}


def gains(content: bytes, width: int) -> np.ndarray:
    """Total gain of each feature's splits, shape (width,)."""
    found = np.zeros(width)
    for tree in _model(document(content)["learner"])[0]["trees"]:
        inner = np.asarray(tree["left_children"]) != _LEAF
        np.add.at(found, np.asarray(tree["split_indices"])[inner], np.asarray(tree["loss_changes"], dtype=np.float64)[inner])
    return found


def _model(learner: Mapping[str, Any]) -> tuple[Mapping[str, Any], np.ndarray | None]:
    """The trees' part of the document, and what each tree counts for (None = all the same)."""
    booster = learner["gradient_booster"]
    if booster["name"] == "dart":
        return booster["gbtree"]["model"], np.asarray(booster["weight_drop"], dtype=np.float32)
    if booster["name"] != "gbtree":
        raise ArtifactRejected(
            f"an XGBoost model of kind {str(booster['name'])[:20]!r} has no trees",
            fix="use booster='gbtree' or 'dart', or a linear model of scikit-learn",
        )
    return booster["model"], None


def _forest(learner: Mapping[str, Any]) -> tuple[Forest, Link | None]:
    model, weights = _model(learner)
    said = learner["learner_model_param"]
    width = int(said["num_feature"])
    groups = max(int(said["num_class"]), int(said.get("num_target", "1")), 1)
    trees, info = model["trees"], np.asarray(model["tree_info"])
    _consistent(model, len(trees), weights)
    link = _LINKS.get(learner["objective"]["name"])
    forest = Forest(
        trees=[
            _tree(tree, int(info[place]), 1.0 if weights is None else weights[place], width, learner.get("feature_types") or ())
            for place, tree in enumerate(trees)
        ],
        rule=Rule.BELOW,
        link=link or Link.IDENTITY,
        width=width,
        base=_base(said["base_score"], groups, link),
        kept_as=np.float32,
    )
    return checked(forest), link


def _consistent(model: Mapping[str, Any], trees: int, weights: np.ndarray | None) -> None:
    rounds = np.asarray(model.get("iteration_indptr", [0, trees]))
    if (
        int(model["gbtree_model_param"]["num_trees"]) != trees
        or len(model["tree_info"]) != trees
        or (weights is not None and len(weights) != trees)
        or rounds.ndim != 1
        or rounds[0] != 0
        or rounds[-1] != trees
        or (np.diff(rounds) < 0).any()
    ):
        raise ArtifactRejected("the XGBoost model does not have as many trees as it says", fix="copy the file again")
    if len(model.get("cats", {}).get("enc", ())):
        raise ArtifactRejected(
            "the XGBoost model was trained on categories of a data frame, and Noria gives models numbers",
            fix="train on `data.X`; for categorical splits pass feature_types with 'c' at `data.categorical`",
        )


def _base(text: str, groups: int, link: Link | None) -> list[float]:
    """What sums start from: the base score, taken back through the link in float32."""
    said = np.array(orjson.loads(text) if text.startswith("[") else [float(text)], dtype=np.float32)
    scores = np.broadcast_to(said, (groups,)) if said.size == 1 else said
    if len(scores) != groups:
        raise ArtifactRejected(f"the XGBoost model has {len(scores)} base scores for {groups} sums", fix="copy the file again")
    with np.errstate(all="ignore"):
        if link is Link.SIGMOID:
            return (-np.log(np.float32(1) / scores - np.float32(1))).tolist()
        return (np.log(scores) if link is Link.EXP else scores).tolist()


def _tree(said: Mapping[str, Any], target: int, weight: float, width: int, kinds: Sequence[str]) -> Tree:
    if int(said["tree_param"]["num_feature"]) != width:
        raise ArtifactRejected("a tree of the XGBoost model has another number of features", fix="copy the file again")
    if int(said["tree_param"].get("size_leaf_vector", "1")) > 1:
        raise ArtifactRejected(
            "the XGBoost model has leaves of several values", fix="use multi_strategy='one_output_per_tree', which is the default"
        )
    columns = {name: np.asarray(said[name]) for name in _SIDES}
    nodes = len(columns["left_children"])
    if {len(said[name]) for name in (*_SIDES, *_COUNTS)} != {nodes} or int(said["tree_param"]["num_nodes"]) != nodes:
        raise ArtifactRejected("a tree of the XGBoost model has columns of different lengths", fix="copy the file again")
    left, right = columns["left_children"].astype(np.int64), columns["right_children"].astype(np.int64)
    _related(left, right, columns["parents"].astype(np.int64))
    values = columns["split_conditions"].astype(np.float32)
    missing = columns["default_left"].astype(bool)
    categorical = columns["split_type"] == _CATEGORICAL
    members = _members(said, categorical & (left != _LEAF), columns["split_indices"], width, kinds)
    if members:
        # A value that is named goes to the right; one that is not, to the left.
        swap = np.isin(np.arange(nodes), list(members))
        left, right, missing = np.where(swap, right, left), np.where(swap, left, right), np.where(swap, ~missing, missing)
    return Tree(
        feature=columns["split_indices"].astype(np.int64),
        split=values,
        yes=left,
        no=right,
        missing=missing,
        value=values * np.float32(weight),
        target=target,
        members=members,
    )


def _related(left: np.ndarray, right: np.ndarray, parents: np.ndarray) -> None:
    """Let each child name its parent: the library follows both."""
    inner = np.flatnonzero(left != _LEAF)
    for children in (left[inner], right[inner]):
        if children.size and (children.min() < 1 or children.max() >= len(parents) or (parents[children] != inner).any()):
            raise ArtifactRejected("a tree of the XGBoost model is damaged: a child has another parent", fix="copy the file again")


def _members(said: Mapping[str, Any], asked: np.ndarray, features: np.ndarray, width: int, kinds: Sequence[str]) -> dict[int, list[float]]:
    """Values that categorical nodes name."""
    nodes, starts, sizes = (np.asarray(said[f"categories_{part}"], dtype=np.int64) for part in ("nodes", "segments", "sizes"))
    values = np.asarray(said["categories"], dtype=np.int64)
    if not len(nodes) == len(starts) == len(sizes) or sorted(nodes.tolist()) != np.flatnonzero(asked).tolist():
        raise ArtifactRejected("categories of the XGBoost model belong to no split", fix="copy the file again")
    if not len(nodes):
        return {}
    if (
        starts.min() < 0
        or sizes.min() < 0
        or (starts + sizes).max() > len(values)
        or (values.size and not 0 <= values.min() <= values.max() < 1 << 24)
    ):
        raise ArtifactRejected("categories of the XGBoost model are not where it says", fix="copy the file again")
    if kinds and any(kinds[int(feature)] != "c" for feature in features[nodes] if 0 <= feature < min(width, len(kinds))):
        raise ArtifactRejected("the XGBoost model splits numbers as categories", fix="copy the file again")
    return {
        int(node): [float(value) for value in values[start : start + size]]
        for node, start, size in zip(nodes.tolist(), starts.tolist(), sizes.tolist(), strict=True)
    }
