"""Asks a fitted model that is not yet packaged."""

from __future__ import annotations

import numpy as np

from noria.core.declaration.training import Split
from noria.core.schema import Task


def native_score(model: object, split: Split, task: Task) -> np.ndarray:
    """Answers of a fitted, not yet packaged model on the validation rows."""
    if task.numeric:
        return np.asarray(model.predict(split.X_valid))  # type: ignore[attr-defined]
    if hasattr(model, "predict_proba"):
        chances = np.asarray(model.predict_proba(split.X_valid))
        return chances[:, 1] if task is Task.BINARY else chances
    return np.asarray(model.predict(split.X_valid))  # type: ignore[attr-defined]
