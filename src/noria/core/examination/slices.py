"""Where a candidate is weak: slices that a search found, each held against all other rows."""

from __future__ import annotations

from dataclasses import dataclass

from noria.core.schema import Estimate


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One column and the value, or the span of values, that a slice has there."""

    column: str
    value: str

    def __str__(self) -> str:
        return f"{self.column}={self.value}"


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundSlice:
    """One slice in which the candidate is shown to be worse than on the other rows.

    Attributes:
        where: One condition, or two that hold together.
        mark: The mean loss of its rows.
        rest: The mean loss of all other rows.
        gap: mark − rest; positive is worse. The interval is of this slice alone.
        q: Its p-value after Benjamini & Hochberg, over every slice that was tested.
        again: The gap on the newer half of the rows: what was found because it was worst looks better there.
    """

    where: tuple[Condition, ...]
    mark: Estimate
    rest: Estimate
    gap: Estimate
    p: float
    q: float
    again: Estimate | None = None

    def __str__(self) -> str:
        return " and ".join(str(condition) for condition in self.where)


@dataclass(frozen=True, slots=True, kw_only=True)
class SliceSearch:
    """What a search through single columns and pairs of them found, worst first.

    Attributes:
        loss: What each row is judged by: log_loss, squared_error, … (lower is better).
        tested: Slices that were large enough to be tested.
        shown: Slices that were shown to be worse; `found` leaves out those that another one explains.
        fdr: Expected share of false ones among them, at most.
        shrinks_to: What the older half alone would have found has, in the newer half, this share of
            its gap left (the winner's curse; NaN when the older half finds nothing).
        left_out: Columns that were not searched, for want of room.
    """

    loss: str
    rows: int
    columns: tuple[str, ...]
    tested: int
    shown: int
    fdr: float
    min_rows: int
    found: tuple[FoundSlice, ...] = ()
    shrinks_to: float = float("nan")
    left_out: tuple[str, ...] = ()
