"""Decision trees as plain arrays: what boosters of every library come to, checked before anything walks through them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np

from noria.core.errors import ArtifactRejected


class Rule(StrEnum):
    """When a row goes the way of `yes`, said of its value against the split."""

    BELOW = "<"
    UP_TO = "<="
    ABOVE = ">"


class Link(StrEnum):
    """What becomes of the sums of all trees."""

    IDENTITY = "identity"
    SIGMOID = "sigmoid"
    SOFTMAX = "softmax"
    EXP = "exp"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Tree:
    """One tree; all arrays have shape (nodes,), and the root is node 0.

    Attributes:
        feature: Column that a node looks at.
        split: What its value is held against.
        yes, no: The next node where the rule holds, and where it does not; -1 in both = a leaf.
        missing: Whether a missing value goes the way of `yes`.
        value: What a leaf adds.
        target: Place of the sum that it adds to.
        members: Of nodes that ask for one of several values: node to those values, in place of the rule.
    """

    feature: np.ndarray
    split: np.ndarray
    yes: np.ndarray
    no: np.ndarray
    missing: np.ndarray
    value: np.ndarray
    target: int = 0
    members: Mapping[int, Sequence[float]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Forest:
    """Trees whose leaves add up.

    Attributes:
        kept_as: The type in which values are compared and added: float32 or float64.
        rounded: Whether values become float32 before they are compared, whatever they are added in.
        width: Columns of the matrix.
        base: What each sum starts from; its length is the number of sums.
    """

    trees: Sequence[Tree]
    rule: Rule
    link: Link
    width: int
    base: Sequence[float]
    kept_as: type = np.float64
    rounded: bool = False


def checked(forest: Forest) -> Forest:
    """The forest, when every walk through it ends in a leaf and reads only what is there.

    Raises:
        ArtifactRejected: a node points nowhere or in a circle, looks at no column, or is no number.
    """
    if not forest.trees or not 1 <= len(forest.base) <= 100_000 or not np.isfinite(forest.base).all():
        raise ArtifactRejected("the model has no trees, or no number to start from", fix="train the model again")
    for number, tree in enumerate(forest.trees):
        wrong = _fault(tree, forest)
        if wrong:
            raise ArtifactRejected(f"tree {number} of the model is damaged: {wrong}", fix="copy the file again, or train the model again")
    return forest


def _fault(tree: Tree, forest: Forest) -> str:
    """What is wrong with a tree; "" when nothing is."""
    nodes = len(tree.yes)
    sides = (tree.feature, tree.split, tree.no, tree.missing, tree.value)
    if not nodes or any(len(side) != nodes for side in sides):
        return "its columns have different lengths"
    leaf = tree.yes == -1
    if not np.array_equal(leaf, tree.no == -1):
        return "a node has one child"
    children = np.concatenate([tree.yes[~leaf], tree.no[~leaf]])
    if children.size and (children.max() >= nodes or children.min() < 1):
        return "a child is not there"
    if np.unique(children).size != children.size:
        return "two nodes share a child"
    if not leaf.all() and not (tree.feature[~leaf].min() >= 0 and tree.feature[~leaf].max() < forest.width):
        return f"it looks at a column beyond the {forest.width} that there are"
    if not 0 <= tree.target < len(forest.base):
        return "it adds to a sum that is not there"
    if not np.isfinite(tree.value[leaf]).all() or np.isnan(tree.split[~leaf]).any():
        return "a leaf or a split is no number"
    return ""
