"""The words of `noria.expect`: what must hold of a dataset before anything is trained on it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from noria.core.declaration.dataset import Expectation
from noria.core.moments import duration


def not_null(column: str, *, share: float = 0.0) -> Expectation:
    """Expect a value in each row, `share` of rows at most excepted."""
    return Expectation(check="not-null", column=column, share=share)


def between(column: str, low: float | None = None, high: float | None = None, *, share: float = 0.0) -> Expectation:
    """Expect numbers in [low, high]; an open end is None."""
    return Expectation(check="between", column=column, low=low, high=high, share=share)


def one_of(column: str, values: Iterable[object], *, share: float = 0.0) -> Expectation:
    """Expect one of the listed values."""
    return Expectation(check="one-of", column=column, values=tuple(str(v) for v in values), share=share)


def unique(column: str, *, share: float = 0.0) -> Expectation:
    """Expect no value twice."""
    return Expectation(check="unique", column=column, share=share)


def kind(column: str, kind: str) -> Expectation:
    """Expect a kind of column: "bool", "int", "float", "text" or "time"."""
    return Expectation(check="kind", column=column, kind=kind)


def fresh(column: str, within: str | timedelta) -> Expectation:
    """Expect the newest moment in a time column to be at most `within` old."""
    return Expectation(check="fresh", column=column, within=duration(within))
