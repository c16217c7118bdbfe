"""What every loaded model can do, whatever framework made it."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from noria.core.errors import RequestInvalid
from noria.core.schema import Signature

MATRIX, COLUMNS = "matrix", "columns"


def takes(scorer: object) -> str:
    """How a scorer wants its rows: MATRIX, unless its `takes` says COLUMNS, as it does where a row holds more than numbers."""
    return getattr(scorer, "takes", MATRIX)


def check_width(X: np.ndarray, width: int) -> None:
    """Refuse rows that the model's library might read beyond.

    Raises:
        RequestInvalid: `X` is no matrix of so many features.
    """
    if X.ndim != 2 or X.shape[1] != width:
        raise RequestInvalid(f"the model takes {width} features, not a matrix of shape {X.shape}")


def as_answers(numbers: np.ndarray, signature: Signature) -> np.ndarray:
    """What a model gave in the shape that `Scorer.score` promises: a lone column, or the positive one of two, is one number per row."""
    if signature.task.wide:
        return numbers.reshape(len(numbers), -1)
    return numbers[:, -1] if numbers.ndim == 2 and numbers.shape[1] <= 2 else numbers


class Scorer(Protocol):
    """A loaded model. Thread-safe; a call uses one thread and keeps nothing.

    Attributes:
        explained_by: "tree-shap" or "linear" where `contributions` gives exact parts, else "".
    """

    signature: Signature
    format: str
    explained_by: str

    def score(self, X: Any) -> np.ndarray:
        """Answers for a float64 matrix, shape (n, features), missing as NaN; or for columns, field name to array.

        Columns are arrays whose first dimension is the rows: float64 for numbers and times, object for
        text and bytes (None = missing), and a tensor's own type and shape.

        Binary: P(positive), shape (n,). Regression: values, shape (n,). Multi-class: probabilities,
        shape (n, classes), in the order of the signature's classes. Quantiles and vectors: shape (n, width).
        """
        ...

    def importance(self) -> np.ndarray:
        """Weight of each feature, shape (features,), in any unit; empty where the model does not say."""
        ...

    def contributions(self, X: np.ndarray, background: np.ndarray) -> np.ndarray | None:
        """Each feature's part in each answer, by the model's own exact method; None where it has none.

        Args:
            X: Rows, shape (n, features).
            background: Rows that "without the feature" means, shape (rows, features).

        Returns:
            Shape (n, outputs, features + 1), the base last, on the scale on which the model adds
            up: log-odds for probabilities. `explained_by` names the method.
        """
        ...
