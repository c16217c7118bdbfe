"""What columns a table has and what a model may be asked."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class Kind(StrEnum):
    """The kinds of column that Noria tells apart."""

    BOOL = "bool"
    INT = "int"
    FLOAT = "float"
    TEXT = "text"
    TIME = "time"
    TENSOR = "tensor"
    BYTES = "bytes"

    @property
    def whole(self) -> bool:
        """Whether a value is a thing of its own, an array or a file, that has no place in a matrix of numbers."""
        return self in (Kind.TENSOR, Kind.BYTES)


class Task(StrEnum):
    """What a model answers."""

    BINARY = "binary"
    MULTICLASS = "multiclass"
    REGRESSION = "regression"
    RANKING = "ranking"
    FORECAST = "forecast"
    MULTILABEL = "multilabel"
    QUANTILE = "quantile"
    CLUSTERING = "clustering"
    ANOMALY = "anomaly"
    VECTOR = "vector"

    @property
    def numeric(self) -> bool:
        """Whether it answers one number of any size per row: a value, or how far up a row belongs."""
        return self in (Task.REGRESSION, Task.RANKING, Task.FORECAST)

    @property
    def wide(self) -> bool:
        """Whether a served version answers several numbers per row: one per class or quantile, or a vector."""
        return self in (Task.MULTICLASS, Task.QUANTILE, Task.VECTOR)


LOOP_TASKS = (Task.BINARY, Task.MULTICLASS, Task.REGRESSION, Task.RANKING, Task.FORECAST)
"""What a loop can train, serve and watch; the others are evaluated by `noria.evaluate`."""

MARKED_TASKS = tuple(task for task in Task if task is not Task.VECTOR)
"""What can be marked; whether a vector is a good one depends on what it is for."""

THRESHOLD = 0.5
"""From this probability on an answer counts as yes, where nobody chose another."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One named column.

    Attributes:
        categories: For TEXT features: the values seen in training, in code order; anything
            else is encoded as missing.
        required: Whether a request must carry it; a missing optional field is NaN.
        dtype: Of a TENSOR: the NumPy name of its numbers, such as "float32".
        shape: Of a TENSOR: what one row's array looks like, without the rows; -1 is any length.
    """

    name: str
    kind: Kind
    required: bool = True
    categories: tuple[str, ...] = ()
    dtype: str = ""
    shape: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """What a model version takes and gives.

    Attributes:
        inputs: Fields of a request, raw, as a caller sends them (key, time and on-demand inputs included).
        features: Columns of the model's matrix, in order; TEXT ones carry their categories.
        task: What it answers.
        classes: Class labels in the order of the probabilities; binary: (negative, positive). Of quantiles:
            their levels, rising, such as "0.1"; of a vector: the names of its numbers, or none.
        key: The request field that names the entity, for sticky routing.
        time: The request field that holds the row's own time, if any.
        threshold: Of a binary task: from this probability on, the label is the positive class.
        group: The request field that says which rows belong together: the query of a ranking, the series of a forecast.
        width: Of a vector: how many numbers; 0 of every other task, and where it is not known.
    """

    inputs: tuple[Field, ...]
    features: tuple[Field, ...]
    task: Task
    classes: tuple[str, ...] = ()
    key: str = ""
    time: str = ""
    threshold: float = THRESHOLD
    group: str = ""
    width: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A number with its interval: the only way a metric is ever passed around.

    Attributes:
        value: The point estimate; NaN where it cannot be computed.
        low: Lower end of the interval.
        high: Upper end.
        n: Rows behind it.
        se: Standard error, where the method gives one (else NaN).
        level: Coverage of the interval.
    """

    value: float
    low: float
    high: float
    n: int
    se: float = float("nan")
    level: float = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnProfile:
    """What one column of a dataset version looks like.

    Attributes:
        quantiles: For numbers and times (ms): values at 0, 5, 25, 50, 75, 95, 100 %.
        top: For text and bool: up to 20 most frequent values with their counts.
    """

    name: str
    kind: Kind
    rows: int
    nulls: int
    distinct: int
    mean: float | None = None
    std: float | None = None
    quantiles: tuple[float, ...] = ()
    top: tuple[tuple[str, int], ...] = field(default=())
