"""What every loaded model can do, whatever framework made it."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from noria.core.schema import Signature


class Scorer(Protocol):
    """A loaded model. Thread-safe; a call uses one thread and keeps nothing."""

    signature: Signature
    format: str

    def score(self, X: np.ndarray) -> np.ndarray:
        """Answers for a float64 matrix, shape (n, features), missing as NaN.

        Binary: P(positive), shape (n,). Regression: values, shape (n,). Multi-class: probabilities,
        shape (n, classes), in the order of the signature's classes.
        """
        ...

    def importance(self) -> np.ndarray:
        """Weight of each feature, shape (features,), in any unit; empty where the model does not say."""
        ...
