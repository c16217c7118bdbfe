"""Values of a check: what differs between two tables, column by column, and how sure that is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from noria.core.examination.curves import Curve
from noria.core.schema import ColumnProfile, Estimate, Kind, Task
from noria.core.watching import Reading


class Group(StrEnum):
    """What a finding is about; `noria check --fail-on` takes these names."""

    DATA = "data"
    DRIFT = "drift"
    QUALITY = "quality"


class Verdict(StrEnum):
    """What is said of one column."""

    FOUND = "found"
    SMALL = "small"
    QUIET = "quiet"
    NOT_ENOUGH = "not-enough-data"
    NOT_JUDGED = "not-judged"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that differs, beyond chance and by enough to matter.

    Attributes:
        check: "columns", "kind", "missing", "range", "unseen", "drift", "prediction-drift", "joint", "correlation" or "quality".
        subject: The column, the pair ("a × b") or the metric.
        said: The same in one sentence.
        value, limit: The number, and what it was held against (NaN where there is none).
        effect: How far beyond the limit, as in `Reading`: what orders findings within a check.
    """

    check: str
    group: Group
    subject: str
    said: str
    value: float = float("nan")
    limit: float = float("nan")
    effect: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One bar of a distribution: its share of the rows that are there (not missing), before and now."""

    label: str
    before: float
    now: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnCheck:
    """One column on both sides.

    Attributes:
        role: "feature", "label", "score", "time" or "id".
        before, now: None on the side that does not have the column.
        readings: One for each monitor: of the whole, or of the chunk in the middle of its chunks.
        history: Drift chunk by chunk, oldest first; empty without a time column.
        bars: Its distributions, for drawing; numbers over equal widths, text by its most frequent values.
        note: What to mind, in words.
    """

    name: str
    kind: Kind
    role: str
    verdict: Verdict
    before: ColumnProfile | None
    now: ColumnProfile | None
    readings: tuple[Reading, ...] = ()
    history: tuple[Reading, ...] = ()
    bars: tuple[Bar, ...] = ()
    note: str = ""

    def reading(self, monitor: str) -> Reading | None:
        """The reading of a monitor, if there is one."""
        return next((one for one in self.readings if one.monitor == monitor), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class PairCheck:
    """How two numbers go together (Spearman's ρ), before and now."""

    first: str
    second: str
    before: float
    now: float
    limit: float
    verdict: Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class MarkCheck:
    """One metric on both sides; `gain` is now − before, signed so that negative means worse."""

    metric: str
    before: Estimate
    now: Estimate
    gain: Estimate
    verdict: Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One of the two tables."""

    name: str
    rows: int
    columns: int
    start: datetime | None = None
    end: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckReport:
    """Everything that a check saw.

    Attributes:
        chunk: Length of a chunk in words ("1d"); "" where the tables were judged as wholes.
        chunks: Reference chunks that calibrated the limits; 0 = the limits are what chance alone does.
        judged: Columns whose drift was judged.
        findings: Most important first; empty = nothing was found.
        notes: What is no finding but should be known, in words.
        columns: Worst first.
        joint: Of all columns together: reconstruction and domain classifier; empty when they were not asked for.
        curves: The model's curves with both sides in each.
        enough: Whether both sides had `min_rows`, so that anything could be judged.
        floor: Drift that is too small to matter.
    """

    reference: Side
    current: Side
    enough: bool
    findings: tuple[Finding, ...]
    columns: tuple[ColumnCheck, ...]
    chunk: str = ""
    chunks: int = 0
    judged: int = 0
    floor: float = 0.1
    min_rows: int = 250
    pairs: tuple[PairCheck, ...] = ()
    joint: tuple[Reading, ...] = ()
    task: Task | None = None
    marks: tuple[MarkCheck, ...] = ()
    curves: tuple[Curve, ...] = ()
    notes: tuple[str, ...] = ()

    def of(self, *groups: Group) -> tuple[Finding, ...]:
        """The findings of some groups, in their order."""
        return tuple(one for one in self.findings if one.group in groups)
