"""What a train function is given, and what the tuner may try."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from noria.core.training import Param


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """The rows a train function sees.

    Attributes:
        X: float64 matrix, shape (rows, features); text is encoded as category codes, missing is NaN.
        y: Labels, shape (rows,): 0/1 for binary, class codes for multi-class, floats for regression.
        columns: Feature names, in the order of X's columns.
        categorical: Indices of the columns of X that hold category codes.
        frame: The same rows as a Polars DataFrame, raw, with `__key` and `__time`.
        X_valid, y_valid: Newer rows for early stopping and tuning; never the rows that judge.
        groups: Of a ranking: the query of each row, from 0, those of one query side by side, so that
            `np.bincount(data.groups)` are the sizes that rankers ask for. Of a forecast: the series.
        groups_valid: The same of the newer rows.
    """

    X: Any
    y: Any
    columns: tuple[str, ...]
    categorical: tuple[int, ...]
    frame: Any
    X_valid: Any = None
    y_valid: Any = None
    groups: Any = None
    groups_valid: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One dimension of the search space; `kind` is integer, real, log or choice."""

    kind: str
    low: float = 0.0
    high: float = 0.0
    options: tuple[Param, ...] = ()


def integer(low: int, high: int) -> Choice:
    """Try whole numbers from `low` to `high`, both included."""
    return Choice(kind="integer", low=low, high=high)


def real(low: float, high: float) -> Choice:
    """Try real numbers, evenly."""
    return Choice(kind="real", low=low, high=high)


def log(low: float, high: float) -> Choice:
    """Try positive real numbers, evenly on a logarithmic scale."""
    return Choice(kind="log", low=low, high=high)


def choice(*options: Param) -> Choice:
    """Try one of the options."""
    return Choice(kind="choice", options=options)


@dataclass(frozen=True, slots=True)
class Tune:
    """A search over parameters.

    Args:
        space: Parameter name to `integer`, `real`, `log`, `choice`, or a fixed value.
        trials: How many to try.
        metric: What to optimise; the first gate's metric when left out, else the task's main one.
        timeout_s: Wall seconds per trial, after which it counts as failed.
        parallel: Trials at a time.
    """

    space: Mapping[str, Choice | Param]
    trials: int = 20
    metric: str = field(default="", kw_only=True)
    timeout_s: float = field(default=600.0, kw_only=True)
    parallel: int = field(default=2, kw_only=True)
    first: Sequence[Mapping[str, Param]] = field(default=(), kw_only=True)
