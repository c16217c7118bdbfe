"""Holds a model's answers against its signature, and two forms of a model against each other."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from noria.core.errors import ArtifactRejected
from noria.core.schema import THRESHOLD, Signature, Task

TOLERANCE = 1e-5
"""Largest difference between the answers of two forms; for regressions, relative to the value as well."""

_CHANCES = (Task.BINARY, Task.MULTICLASS)

_CHANCES_WANTED = "use a classifier with a probability objective; let a network end in a sigmoid or softmax"


def fit_signature(answers: np.ndarray, signature: Signature) -> None:
    """Check that answers have the shape and range that the signature promises.

    Raises:
        ArtifactRejected: they have not.
    """
    if not len(answers):
        return
    if signature.task.wide:
        _fit_width(answers, signature)
    elif answers.ndim != 1:
        raise ArtifactRejected(f"the model gives {answers.shape[1:]} answers per row, a {signature.task} model gives one")
    if not np.isfinite(answers).all():
        raise ArtifactRejected(
            f"the model has no answer to {np.count_nonzero(~np.isfinite(answers))} of {answers.size} real rows",
            fix="let it take missing values (NaN): put a SimpleImputer in front (a network: torch.nan_to_num), or use a model that handles them",
        )
    if signature.task in _CHANCES and not (answers.min() >= 0 and answers.max() <= 1):
        raise ArtifactRejected("the model's answers are not probabilities", fix=_CHANCES_WANTED)


def _fit_width(answers: np.ndarray, signature: Signature) -> None:
    wanted = len(signature.classes) or signature.width
    if answers.ndim == 2 and (answers.shape[1] == wanted or not wanted):
        return
    what, fix = {
        Task.MULTICLASS: ("classes", "train on rows of every class, with a classifier"),
        Task.QUANTILE: ("quantiles", "let the model give one number per quantile, in the order of the signature's classes"),
    }.get(signature.task, ("numbers", "sign the model with the width that it has"))
    raise ArtifactRejected(f"the model's answers have shape {answers.shape} for {wanted} {what}", fix=fix)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parity:
    """How far two forms of a model answer alike.

    Attributes:
        rows: Real rows that both answered.
        max_diff: Largest absolute difference between two answers; 0 when there are none.
        mean_diff: Mean absolute difference.
        flipped: Share of rows whose label differs; 0 where the task has none.
        alike: Within the tolerance, with no label flipped.
    """

    rows: int = 0
    max_diff: float = 0.0
    mean_diff: float = 0.0
    flipped: float = 0.0
    alike: bool = True

    def __str__(self) -> str:
        labels = f", {self.flipped:.2%} of labels" if self.flipped else ""
        return f"on {self.rows} real rows its answers differ by {self.max_diff:.2g} at most, {self.mean_diff:.2g} in the mean{labels}"


def compared(one: np.ndarray, other: np.ndarray, task: Task, threshold: float = THRESHOLD, *, tolerance: float = TOLERANCE) -> Parity:
    """Hold the answers of two forms to the same rows against each other."""
    if one.shape != other.shape:
        return Parity(rows=len(one), max_diff=float("inf"), mean_diff=float("inf"), flipped=1.0, alike=False)
    if not len(one):
        return Parity()
    difference = np.abs(one - other)
    flipped = float(np.mean(_labels(one, task, threshold) != _labels(other, task, threshold)))
    within = np.allclose(one, other, rtol=0.0 if task in _CHANCES else tolerance, atol=tolerance)
    return Parity(
        rows=len(one),
        max_diff=float(difference.max()),
        mean_diff=float(difference.mean()),
        flipped=flipped,
        alike=bool(within) and not flipped,
    )


def alike(one: np.ndarray, other: np.ndarray, task: Task, threshold: float = THRESHOLD, *, tolerance: float = TOLERANCE) -> bool:
    """Whether two forms answer alike: within the tolerance, with no decision flipped."""
    return compared(one, other, task, threshold, tolerance=tolerance).alike


def _labels(answers: np.ndarray, task: Task, threshold: float) -> np.ndarray:
    """What a classifier would say to each row; the same for all rows where the task has no labels."""
    if task is Task.MULTICLASS:
        return answers.argmax(axis=1)
    return answers >= threshold if task is Task.BINARY else np.zeros(len(answers))
