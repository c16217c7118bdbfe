"""`noria.check`: holds a current table against a reference and says what differs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import polars as pl

from noria.checks.columns import columns_of
from noria.checks.drifting import Drifted, by_chunk, chunk_for, typical, wholes
from noria.checks.findings import findings_of
from noria.checks.marks import answers, asked, curves_between, marks_of
from noria.checks.pairs import pairs_of
from noria.checks.report import Report
from noria.checks.roles import Roles, roles_of
from noria.checks.tables import NUMBERS, Tables, name_of, open_tables
from noria.checks.together import together
from noria.core.checking import CheckReport, PairCheck, Side
from noria.core.moments import duration, from_ms, spoken
from noria.core.schema import Field
from noria.core.watching import Reading
from noria.stages.evaluation.scorecards import time_blocks
from noria.stages.monitoring.joint import MONITOR as JOINT

MIN_ROWS = 250
PAIRS_KEPT = 60

Progress = Callable[[str, float], None]
"""Told what is being done, and how much of the whole is done (0 to 1)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What is asked of a check, in one value."""

    time: str = ""
    chunk: timedelta | None = None
    label: str = ""
    scores: tuple[str, ...] = ()
    task: str = ""
    metric: str = ""
    drop: float = 0.0
    floor: float = 0.1
    min_rows: int = MIN_ROWS
    joint: bool = False


def check(
    reference: Any,
    current: Any,
    *,
    time: str = "",
    every: str | timedelta = "",
    label: str = "",
    score: str | Sequence[str] = "",
    task: str = "",
    metric: str = "",
    drop: float = 0.0,
    columns: Sequence[str] = (),
    ignore: Sequence[str] = (),
    floor: float = 0.1,
    min_rows: int = MIN_ROWS,
    joint: bool = False,
    progress: Progress = lambda what, share: None,
) -> Report:
    """Hold a current table against a reference: columns, missing values, ranges, drift, correlations and, with outcomes, quality.

    Without a time column each side is judged as a whole, against what chance does to independent
    rows. With one, limits are calibrated on chunks of the reference, and a column has drifted when
    3 of 5 current chunks in a row are beyond its limit.

    Args:
        reference: What is usual: a path, glob or folder (Parquet, CSV, JSON lines, Arrow), or a
            pandas, Polars or Arrow table.
        current: What is to be judged, likewise.
        time: Column with the event time.
        every: Length of a chunk, "1d"; chosen when left out.
        label: Column with the outcome.
        score: Column with P(positive) or the predicted number; for several classes, one column for
            each, ending with its name, or one with the predicted class.
        task: "binary", "multiclass" or "regression"; found from the columns when left out.
        metric: The metric that must not fall; the task's main one when left out.
        drop: How much it may fall.
        columns: Look at these only.
        ignore: Do not look at these.
        floor: Drift (debiased PSI) that is too small to matter.
        min_rows: With fewer rows on a side, or in a chunk, the answer is "not enough data".
        joint: Whether to look at all columns together too; by chunk this takes a classifier for each chunk of the reference.
        progress: Told what is being done and how much of the whole is done, 0 to 1.

    Returns:
        A report: true when anything was found; `.findings`, `.table`, `.to_html()`, `.to_markdown()`, `.to_json()`.

    Raises:
        DataInvalid: a side cannot be read, or a named column is not there.
        NotFound: the task does not offer the metric.
    """
    scores = (score,) if isinstance(score, str) and score else tuple(score)
    wish = Wish(
        time=time,
        chunk=duration(every) if every else None,
        label=label,
        scores=scores,
        task=task,
        metric=metric,
        drop=drop,
        floor=floor,
        min_rows=min_rows,
        joint=joint,
    )
    progress("reading", 0.0)
    tables = open_tables(
        reference, current, time=time, columns=[*columns, *scores, *([label] if label else [])] if columns else (), ignore=ignore
    )
    sides = [
        _side(name_of(source, otherwise), frame, time)
        for source, otherwise, frame in ((reference, "reference", tables.before), (current, "current", tables.now))
    ]
    return Report(_judged(tables, wish, sides[0], sides[1], progress))


def _judged(tables: Tables, wish: Wish, before: Side, now: Side, progress: Progress) -> CheckReport:
    roles = roles_of(tables, time=wish.time, label=wish.label, scores=wish.scores)
    progress("drift", 0.15)
    drifted, notes = _drifted(tables, roles, wish, now, lambda done, of: progress("drift", 0.15 + 0.5 * done / of))
    progress("correlations", 0.65)
    pairs = _pairs(tables, roles, drifted, wish.time)
    progress("columns", 0.75)
    columns = columns_of(tables, roles, drifted, min_rows=wish.min_rows)
    progress("quality", 0.8)
    series = _together(tables, roles, drifted, wish, now, progress) if wish.joint else {}
    drifted = replace(drifted, readings={**drifted.readings, **{(JOINT, subject): found for subject, found in series.items()}})
    report = CheckReport(
        reference=before,
        current=now,
        enough=min(before.rows, now.rows) >= wish.min_rows,
        findings=(),
        columns=columns,
        chunk=spoken(drifted.chunk) if drifted.chunk else "",
        chunks=drifted.chunks,
        judged=len({subject for monitor, subject in drifted.readings if monitor == "drift"}),
        floor=wish.floor,
        min_rows=wish.min_rows,
        pairs=pairs[:PAIRS_KEPT],
        joint=tuple(typical(found) for found in series.values()),
        notes=(*tables.notes, *roles.notes, *notes),
    )
    report = _with_marks(report, tables, wish)
    return findings_of(report, drifted, pairs)


def _drifted(tables: Tables, roles: Roles, wish: Wish, now: Side, progress: Callable[[int, int], None]) -> tuple[Drifted, list[str]]:
    fields = [Field(name=name, kind=tables.kinds[name]) for name in roles.judged]
    notes: list[str] = []
    if wish.time:
        chunk = wish.chunk or chunk_for(tables.before, wish.time, wish.min_rows)
        found = chunk and by_chunk(
            tables.before, tables.now, fields, time=wish.time, chunk=chunk, floor=wish.floor, min_rows=wish.min_rows, progress=progress
        )
        if found:
            return found, notes
        notes.append(
            "The reference is too short to calibrate on (ten chunks with rows enough are needed): both sides were judged as wholes."
        )
    return wholes(tables.before, tables.now, fields, floor=wish.floor, min_rows=wish.min_rows, at=now.end or from_ms(0)), notes


def _together(tables: Tables, roles: Roles, drifted: Drifted, wish: Wish, now: Side, progress: Progress) -> dict[str, tuple[Reading, ...]]:
    fields = [Field(name=name, kind=tables.kinds[name]) for name in roles.judged if roles.of[name] == "feature"]
    if len(fields) < 2 or min(tables.before.height, tables.now.height) < wish.min_rows:
        return {}
    progress("all columns together", 0.8)
    return together(
        tables.before, tables.now, fields, time=wish.time, chunk=drifted.chunk, at=now.end or from_ms(0), min_rows=wish.min_rows,
        progress=lambda done, of: progress("all columns together", 0.9 + 0.1 * done / of),
    )  # fmt: skip


def _pairs(tables: Tables, roles: Roles, drifted: Drifted, time: str) -> tuple[PairCheck, ...]:
    names = [name for name in roles.judged if tables.kinds[name] in NUMBERS]
    blocks = None
    if drifted.chunk and time:
        parts = [time_blocks(side[time].to_numpy()) for side in (tables.before, tables.now)]
        blocks = (parts[0], parts[1]) if parts[0] is not None and parts[1] is not None else None
    return pairs_of(tables.before, tables.now, names, blocks=blocks)


def _with_marks(report: CheckReport, tables: Tables, wish: Wish) -> CheckReport:
    """The report with the quality of the answers, where outcomes and scores are on both sides."""
    if not (wish.label and wish.scores):
        return report
    absent = [name for name in (wish.label, *wish.scores) if name not in tables.before.columns or name not in tables.now.columns]
    if absent:
        return replace(report, notes=(*report.notes, f"Quality was not judged: {', '.join(absent)} is on one side only."))
    what = asked(tables.before, tables.now, label=wish.label, scores=wish.scores, task=wish.task)
    before, now = (answers(what, side, wish.time) for side in (tables.before, tables.now))
    marks = marks_of(what, before, now, main=wish.metric, drop=wish.drop)
    curves = curves_between(what, before, now, _told_apart(report.reference.name, report.current.name))
    return replace(report, task=what.task, marks=marks, curves=curves)


def _told_apart(before: str, now: str) -> tuple[str, str]:
    """Names for two lines of one drawing."""
    return (before, now) if before != now else ("reference", "current")


def _side(name: str, frame: pl.DataFrame, time: str) -> Side:
    ends: list[datetime | None] = [None, None]
    if time in frame.columns and frame.height:
        moments = frame[time].cast(pl.Datetime("ms", "UTC")).to_physical()
        ends = [from_ms(int(moments.min())), from_ms(int(moments.max()))]  # type: ignore[arg-type]
    return Side(name=name, rows=frame.height, columns=frame.width, start=ends[0], end=ends[1])
