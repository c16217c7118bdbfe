"""Exact parts of answers, by a model's own method, on the scale on which they add up."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from noria.core.explaining import Contribution, Explanation
from noria.core.schema import Field, Kind, Signature, Task
from noria.core.traffic import Scalar


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Explained:
    """Parts of the answers to some rows.

    Attributes:
        parts: Shape (rows, features).
        base, margin: Shape (rows,), on the scale.
        gap: Largest distance between base + parts and the answer, on the answer's own scale.
    """

    parts: np.ndarray
    base: np.ndarray
    margin: np.ndarray
    scale: str
    method: str
    gap: float
    spread: float = 0.0


def exact(contributions: np.ndarray, answers: np.ndarray, signature: Signature, *, method: str, place: int = 0) -> Explained:
    """What `Scorer.contributions` gave, on whichever scale it adds up to the answers.

    Args:
        contributions: Shape (rows, outputs, features + 1), the base last.
        answers: Shape (rows,): of many classes, the probability of class `place`.
    """
    margins = contributions.sum(axis=2)
    output = place if contributions.shape[1] > 1 else 0
    margin = margins[:, output]
    with np.errstate(over="ignore"):
        if contributions.shape[1] > 1:
            shares = np.exp(margins - margins.max(axis=1, keepdims=True))
            scale, back = "score", shares[:, output] / shares.sum(axis=1)
        elif not signature.task.numeric:
            scale, back = "log-odds", 1 / (1 + np.exp(-margin))
        else:
            scales = {"value": margin, "log": np.exp(margin)}
            scale = min(scales, key=lambda name: float(np.abs(scales[name] - answers).max(initial=0.0)))
            back = scales[scale]
    return Explained(
        parts=contributions[:, output, :-1],
        base=contributions[:, output, -1],
        margin=margin,
        scale=scale,
        method=method,
        gap=float(np.abs(back - answers).max(initial=0.0)),
    )


def told(
    found: Explained, at: int, row: np.ndarray, signature: Signature, answer: float, *, version: str, background: str, place: int = 0
) -> Explanation:
    """One row's explanation as a value, largest parts first."""
    parts = [
        Contribution(feature=feature.name, value=raw(feature, value), part=float(part))
        for feature, value, part in zip(signature.features, row, found.parts[at], strict=True)
    ]
    return Explanation(
        version=version,
        subject=subject_of(signature, place),
        answer=answer,
        scale=found.scale,
        margin=float(found.margin[at]),
        base=float(found.base[at]),
        parts=tuple(sorted(parts, key=lambda one: -abs(one.part))),
        method=found.method,
        background="" if found.method == "tree-shap" else background,
        gap=found.gap,
        spread=found.spread,
    )


def subject_of(signature: Signature, place: int) -> str:
    """What is explained, in words."""
    if signature.task.numeric:
        return "value"
    return signature.classes[1 if signature.task is Task.BINARY else place] if len(signature.classes) > 1 else "1"


def raw(feature: Field, value: float) -> Scalar:
    """A number of the matrix as the column's own value: a category's text, a bool, a whole number; None for missing."""
    if not np.isfinite(value):
        return None
    if feature.kind is Kind.TEXT:
        return feature.categories[int(value)] if 0 <= value < len(feature.categories) else None
    if feature.kind is Kind.BOOL:
        return bool(value)
    return int(value) if feature.kind is Kind.INT and float(value).is_integer() else float(value)
