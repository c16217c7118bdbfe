"""One loaded version: rows in, answers out, with the features that the model saw."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from noria.core.schema import Signature, Task
from noria.core.traffic import Answer, Scalar, ServedVersion
from noria.packaging.encoding import RowEncoder

Row = Mapping[str, Scalar]


class Scorer(Protocol):
    """A model's serving form. Called from one thread at a time."""

    def score(self, matrix: Any, /) -> Any:
        """Answers to a float64 matrix (rows, features): shape (rows,), or (rows, classes) for multi-class."""
        ...


class Lookup(Protocol):
    """Where features that are not in the request come from. Called from one thread at a time."""

    def served(self, rows: Sequence[Row], now_ms: int, /) -> Mapping[str, list[Any]]:
        """Feature name to one value per row: looked up as of `now_ms`, or computed from the row."""
        ...


class PlainInputs:
    """The lookup of a model whose features are all fields of the request."""

    def served(self, rows: Sequence[Row], now_ms: int) -> Mapping[str, list[Any]]:
        """Nothing."""
        return {}


class Served:
    """A version ready to answer."""

    __slots__ = ("_encode", "_lookup", "_named", "_scorer", "version")

    def __init__(self, version: ServedVersion, *, scorer: Scorer, lookup: Lookup | None = None) -> None:
        self.version = version
        self._scorer = scorer
        self._lookup = lookup if lookup is not None else PlainInputs()
        self._encode = RowEncoder(version.signature.features).encode
        asked = {field.name for field in version.signature.inputs}
        self._named = tuple(feature.name for feature in version.signature.features if feature.name in asked)

    def answer(self, rows: Sequence[Row], now_ms: int) -> tuple[list[Answer], dict[str, list[Any]]]:
        """Answers in the order of `rows`, and the looked-up and on-demand columns that they were computed from.

        Raises whatever the user's transform or the model raises.
        """
        served = dict(self._lookup.served(rows, now_ms))
        table = {name: [row[name] for row in rows] for name in self._named if name not in served}
        table.update(served)
        scores = np.asarray(self._scorer.score(self._encode(table, len(rows))), dtype=np.float64).tolist()
        if scores and isinstance(scores[0], list):
            return [tuple(score) for score in scores], served
        return scores, served


def loader(
    load_scorer: Callable[[str], Scorer], make_lookup: Callable[[ServedVersion], Lookup | None]
) -> Callable[[ServedVersion], Served]:
    """How versions are loaded: the scorer by its artifact, the lookup by the version's code."""

    def load(version: ServedVersion) -> Served:
        return Served(version, scorer=load_scorer(version.artifact), lookup=make_lookup(version))

    return load


def finite(answer: Answer | None) -> bool:
    """Whether an answer may be given to a user."""
    if isinstance(answer, float):
        return answer - answer == 0.0
    return answer is not None and all(map(math.isfinite, answer))


def spoken(signature: Signature, answer: Answer) -> tuple[float | dict[str, float], str | None]:
    """An answer as its caller reads it: the prediction, and the label of a classifier."""
    classes = signature.classes
    if isinstance(answer, tuple):
        best = max(range(len(answer)), key=answer.__getitem__)
        named = classes if len(classes) == len(answer) else tuple(map(str, range(len(answer))))
        return dict(zip(named, answer, strict=True)), named[best]
    if signature.task is Task.BINARY and len(classes) == 2:
        return answer, classes[answer >= signature.threshold]
    return answer, None
