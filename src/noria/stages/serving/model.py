"""One loaded version: rows in, answers out, with the features that the model saw."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from noria.core.rows import Rows
from noria.core.schema import Signature, Task
from noria.core.traffic import Answer, Scalar, ServedVersion
from noria.packaging.columns import ColumnEncoder
from noria.packaging.row_encoding import RowEncoder
from noria.packaging.scorer import COLUMNS, takes

Row = Mapping[str, Scalar]


class Scorer(Protocol):
    """A model's serving form. Called from one thread at a time."""

    def score(self, matrix: Any, /) -> Any:
        """Answers to a float64 matrix (rows, features): shape (rows,), or (rows, width) where a row has several numbers.

        A scorer whose `takes` is "columns" gets arrays by field name instead.
        """
        ...


class Lookup(Protocol):
    """Where features that are not in the request come from. Called from one thread at a time."""

    def served(self, rows: Rows, now_ms: int, /) -> Mapping[str, Sequence[Any]]:
        """Feature name to one value per row: looked up as of `now_ms`, or computed from the row."""
        ...


class PlainInputs:
    """The lookup of a model whose features are all fields of the request."""

    def served(self, rows: Rows, now_ms: int) -> Mapping[str, Sequence[Any]]:
        """Nothing."""
        return {}


class Served:
    """A version ready to answer."""

    __slots__ = ("_columns", "_encoder", "_lookup", "_rising", "_scorer", "version")

    def __init__(self, version: ServedVersion, *, scorer: Scorer, lookup: Lookup | None = None) -> None:
        self.version = version
        self._scorer = scorer
        self._lookup = lookup if lookup is not None else PlainInputs()
        features = version.signature.features
        self._columns = ColumnEncoder(features) if takes(scorer) == COLUMNS else None
        self._encoder = RowEncoder(() if self._columns else features)
        self._rising = version.signature.task is Task.QUANTILE

    def answer(self, rows: Sequence[Row], now_ms: int) -> tuple[list[Answer], Mapping[str, Sequence[Any]]]:
        """Answers in the order of `rows`, and the looked-up and on-demand columns that they were computed from.

        Raises whatever the user's transform or the model raises.
        """
        batch = Rows.of(rows)
        served = self._lookup.served(batch, now_ms)
        scores = self._spread(self._scorer.score(self._taken(batch, served))).tolist()
        if scores and isinstance(scores[0], list):
            return [tuple(score) for score in scores], served
        return scores, served

    def _taken(self, batch: Rows, served: Mapping[str, Sequence[Any]]) -> Any:
        """The batch in the form that the model takes."""
        if self._columns is not None:
            return self._columns.encode({**batch.columns, **served}, len(batch))
        return self._encoder.encode({**batch.columns, **served}, len(batch)) if served else self._encoder.encode_rows(batch)

    def _spread(self, scores: Any) -> np.ndarray:
        """Scores as numbers. Quantiles come in rising order: those that crossed change places.

        That never takes them further from the true ones (Chernozhukov, Fernández-Val and Galichon 2010).
        """
        numbers = np.asarray(scores, dtype=np.float64)
        return np.sort(numbers, axis=1) if self._rising else numbers

    @property
    def streams(self) -> bool:
        """Whether `pieces` can be asked."""
        return bool(getattr(self._scorer, "streams", False))

    def pieces(self, rows: Rows, now_ms: int) -> Iterator[Any]:
        """The answer to a single row, piece by piece: the model's `stream` over the row's fields and what was looked up for it.

        Raises whatever the user's transform or the model raises.
        """
        looked_up = {name: column[0] for name, column in self._lookup.served(rows, now_ms).items()}
        return iter(self._scorer.stream({**rows[0], **looked_up}))  # type: ignore[attr-defined]


def all_finite(answers: Sequence[Answer | None]) -> bool:
    """Whether every answer may be given to a user; False may also mean that each must be looked at."""
    try:
        total = sum(answers)  # type: ignore[arg-type]
    except TypeError:
        return all(map(finite, answers))
    return bool(total - total == 0.0)


def finite(answer: Answer | None) -> bool:
    """Whether an answer may be given to a user."""
    if isinstance(answer, float):
        return answer - answer == 0.0
    return answer is not None and all(map(math.isfinite, answer))


Spoken = tuple[float | dict[str, float] | list[float], str | None]
"""An answer as its caller reads it: the prediction, and the label of a classifier."""


def speaking(signature: Signature) -> Callable[[Answer], Spoken]:
    """`spoken` for one signature."""
    if signature.task is Task.BINARY and len(signature.classes) == 2:
        (negative, positive), threshold = signature.classes, signature.threshold
        return lambda answer: (answer, positive if answer >= threshold else negative)  # type: ignore[operator, return-value]
    return lambda answer: spoken(signature, answer)


def spoken(signature: Signature, answer: Answer) -> Spoken:
    """An answer as its caller reads it: the prediction, and the label of a classifier."""
    classes = signature.classes
    if isinstance(answer, tuple) and signature.task in (Task.VECTOR, Task.QUANTILE):
        return dict(zip(classes, answer, strict=True)) if len(classes) == len(answer) else list(answer), None
    if isinstance(answer, tuple):
        best = max(range(len(answer)), key=answer.__getitem__)
        named = classes if len(classes) == len(answer) else tuple(map(str, range(len(answer))))
        return dict(zip(named, answer, strict=True)), named[best]
    if signature.task is Task.BINARY and len(classes) == 2:
        return answer, classes[answer >= signature.threshold]
    return answer, None
