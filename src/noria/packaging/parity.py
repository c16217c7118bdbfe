"""Holds a model's answers against its signature, and two forms of a model against each other."""

from __future__ import annotations

import numpy as np

from noria.core.errors import ArtifactRejected
from noria.core.schema import THRESHOLD, Signature, Task

TOLERANCE = 1e-5
"""Largest difference between the answers of two forms; for regressions, relative to the value as well."""

_SEVERAL = (Task.MULTICLASS, Task.QUANTILE, Task.VECTOR)
_CHANCES = (Task.BINARY, Task.MULTICLASS)

_CHANCES_WANTED = "use a classifier with a probability objective; let a network end in a sigmoid or softmax"


def fit_signature(answers: np.ndarray, signature: Signature) -> None:
    """Check that answers have the shape and range that the signature promises.

    Raises:
        ArtifactRejected: they have not.
    """
    if not len(answers):
        return
    if signature.task in _SEVERAL:
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


def alike(one: np.ndarray, other: np.ndarray, task: Task, threshold: float = THRESHOLD, *, tolerance: float = TOLERANCE) -> bool:
    """Whether two forms answer alike: within the tolerance, with no decision flipped."""
    relative = 0.0 if task in _CHANCES else tolerance
    if one.shape != other.shape or not np.allclose(one, other, rtol=relative, atol=tolerance):
        return False
    if task is Task.BINARY:
        return bool(np.array_equal(one >= threshold, other >= threshold))
    if task is Task.MULTICLASS and len(one):
        return bool(np.array_equal(one.argmax(axis=1), other.argmax(axis=1)))
    return True


def largest_difference(one: np.ndarray, other: np.ndarray) -> float:
    """Largest absolute difference between two forms' answers; 0 when there are none."""
    return float(np.max(np.abs(one - other), initial=0.0))
