"""From readings to what is said: the findings, worst first, and each column's verdict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import isfinite

from noria.checks.drifting import Drifted, persists
from noria.core.checking import CheckReport, ColumnCheck, Finding, Group, MarkCheck, PairCheck, Verdict
from noria.core.watching import Level, Reading

ORDER = ("quality", "columns", "kind", "missing", "unseen", "range", "prediction-drift", "drift", "joint", "correlation")
"""Checks in the order in which their findings are told."""

PAIRS_TOLD = 5

_GROUPS = {"drift": Group.DRIFT, "correlation": Group.DRIFT, "quality": Group.QUALITY}
_RANKS = (Verdict.FOUND, Verdict.NOT_ENOUGH, Verdict.SMALL, Verdict.QUIET, Verdict.NOT_JUDGED)


def findings_of(report: CheckReport, drifted: Drifted, pairs: Sequence[PairCheck]) -> CheckReport:
    """The report with its findings, its columns judged and put in order, and its notes completed."""
    joint = [_together(one, drifted) for one in report.joint if _found(one, drifted)]
    found = [*_shapes(report.columns), *_readings(report.columns, drifted), *joint, *_pairs(pairs), *_marks(report.marks)]
    told = tuple(sorted(found, key=lambda one: (ORDER.index(one.check), -one.effect, one.subject))) if report.enough else ()
    columns = [replace(one, verdict=_verdict(one, told, drifted, enough=report.enough)) for one in report.columns]
    columns.sort(key=lambda one: (_RANKS.index(one.verdict), -_worst(one), one.name))
    new = [one.name for one in report.columns if one.before is None]
    notes = (f"New in {report.current.name}: {', '.join(new[:8])}{' …' if len(new) > 8 else ''}.",) if new else ()
    return replace(report, findings=told, columns=tuple(columns), notes=(*report.notes, *notes))


def _shapes(columns: Sequence[ColumnCheck]) -> list[Finding]:
    gone = [one for one in columns if one.now is None]
    found = [Finding(check="columns", group=Group.DATA, subject=one.name, said="is not there any more") for one in gone]
    for one in columns:
        if one.before is not None and one.now is not None and one.before.kind is not one.now.kind:
            found.append(Finding(check="kind", group=Group.DATA, subject=one.name, said=f"was {one.before.kind}, is {one.now.kind}"))
    return found


def _readings(columns: Sequence[ColumnCheck], drifted: Drifted) -> list[Finding]:
    found = []
    for column in columns:
        beyond = [one for one in column.readings if _found(one, drifted)]
        if any(one.monitor == "missing" for one in beyond):  # one fault, told once
            beyond = [one for one in beyond if one.monitor != "drift" or "missing" not in one.note]
        found += [_finding(column, one, drifted) for one in beyond]
    return found


def _found(reading: Reading, drifted: Drifted) -> bool:
    series = drifted.readings.get((reading.monitor, reading.subject))
    return persists(series) if series else reading.level is Level.BREACH


def _finding(column: ColumnCheck, reading: Reading, drifted: Drifted) -> Finding:
    check = "prediction-drift" if reading.monitor == "drift" and column.role == "score" else reading.monitor
    return Finding(
        check=check,
        group=Group.DRIFT if "drift" in check else Group.DATA,
        subject=column.name,
        said=_said(reading, drifted),
        value=reading.value,
        limit=reading.threshold,
        effect=reading.effect,
    )


def _said(reading: Reading, drifted: Drifted) -> str:
    share = f"{reading.value:.2%}" if reading.value < 0.1 else f"{reading.value:.0%}"
    if reading.monitor == "unseen" and not drifted.chunk:
        return f"{share} of rows have values never seen before: {reading.note}"
    if reading.monitor == "range" and not drifted.chunk:
        return f"{share} of rows lie outside the reference: {reading.note}"
    series = drifted.readings.get((reading.monitor, reading.subject), ())
    judged = [one for one in series if one.level is not Level.NOT_ENOUGH]
    often = f", in {sum(one.level is Level.BREACH for one in judged)} of {len(judged)} chunks" if drifted.chunk else ""
    what = "" if reading.monitor != "drift" else f"PSI {reading.value:.3f}, limit {reading.threshold:.3f}: "
    return f"{what}{reading.note}{often}"


def _together(reading: Reading, drifted: Drifted) -> Finding:
    return Finding(
        check="joint",
        group=Group.DRIFT,
        subject="all columns together",
        said=_said(reading, drifted),
        value=reading.value,
        limit=reading.threshold,
        effect=reading.effect,
    )


def _pairs(pairs: Sequence[PairCheck]) -> list[Finding]:
    found = [one for one in pairs if one.verdict is Verdict.FOUND]
    told = [
        Finding(
            check="correlation",
            group=Group.DRIFT,
            subject=f"{one.first} × {one.second}",
            said=f"correlation was {one.before:+.2f}, is {one.now:+.2f}",
            value=abs(one.now - one.before),
            limit=one.limit,
            effect=abs(one.now - one.before) / one.limit - 1,
        )
        for one in found[:PAIRS_TOLD]
    ]
    if len(found) > PAIRS_TOLD:
        rest = len(found) - PAIRS_TOLD
        more = f"{rest} more pairs go together differently" if rest > 1 else "one more pair goes together differently"
        told.append(Finding(check="correlation", group=Group.DRIFT, subject="other pairs", said=more, effect=-1.0))
    return told


def _marks(marks: Sequence[MarkCheck]) -> list[Finding]:
    return [
        Finding(
            check="quality",
            group=Group.QUALITY,
            subject=one.metric,
            said=f"{one.before.value:.4f} before, {one.now.value:.4f} now: worse by {-one.gain.value:.4f} ({-one.gain.high:.4f} to {-one.gain.low:.4f})",
            value=one.now.value,
            limit=one.before.value,
            effect=-one.gain.value / one.gain.se if one.gain.se > 0 else 0.0,
        )
        for one in marks
        if one.verdict is Verdict.FOUND
    ]


def _verdict(column: ColumnCheck, found: Sequence[Finding], drifted: Drifted, *, enough: bool) -> Verdict:
    if any(one.subject == column.name for one in found):
        return Verdict.FOUND
    if column.verdict is Verdict.NOT_JUDGED:
        return Verdict.NOT_JUDGED
    if not enough or (column.readings and all(one.level is Level.NOT_ENOUGH for one in column.readings)):
        return Verdict.NOT_ENOUGH
    return Verdict.SMALL if column.name in drifted.small else Verdict.QUIET


def _worst(column: ColumnCheck) -> float:
    return max((one.effect for one in column.readings if isfinite(one.effect)), default=-1.0)
