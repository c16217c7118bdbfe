"""A check as HTML, Markdown and text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from math import isfinite

from markupsafe import Markup

from noria.core.checking import CheckReport, ColumnCheck, Group, Side, Verdict
from noria.core.watching import Level
from noria.drawing.charts.curves import TITLES, curve_chart
from noria.drawing.charts.drift import STEPS
from noria.drawing.convert import svgs
from noria.drawing.documents.sheet import cell, fragment, whole
from noria.drawing.theme import ACCENT, MUTED
from noria.drawing.words import NONE, day, metric, number, percent

FIGURE_WIDTH = 350
MOST_TOLD = 20
MOST_ROWS = 60
MOST_HISTORIES = 24
MOST_CELLS = 120

STATISTICS = (
    ("js", "Jensen–Shannon"),
    ("wasserstein", "Wasserstein, in sd"),
    ("ks", "Kolmogorov’s D"),
    ("ks_p", "its p"),
    ("chi2_p", "χ² p"),
)
"""What else is told of a column's drift; it annotates and does not decide."""

SAID = {
    Verdict.FOUND: "found",
    Verdict.SMALL: "small",
    Verdict.QUIET: "quiet",
    Verdict.NOT_ENOUGH: "not enough data",
    Verdict.NOT_JUDGED: "not judged",
}
TONES = {Verdict.FOUND: "bad", Verdict.SMALL: "warn", Verdict.QUIET: "ok", Verdict.NOT_ENOUGH: "", Verdict.NOT_JUDGED: ""}


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """One column's row of the heat map: levels 0 to 5, None where nothing was judged."""

    name: str
    levels: tuple[int | None, ...]


def verdict_line(report: CheckReport) -> str:
    """The whole check in one line."""
    if not report.enough:
        fewest = min(report.reference, report.current, key=lambda side: side.rows)
        return f"Not enough data: {fewest.name} has {fewest.rows:,} rows, {report.min_rows:,} are needed"
    if not report.findings:
        return f"Nothing found in {_columns(report.judged)}"
    counted = Counter(one.check for one in report.findings)
    told = "; ".join(_part(check, count, report) for check, count in counted.items())
    return told if report.findings[0].check == "quality" else told[0].upper() + told[1:]


def to_html(report: CheckReport) -> str:
    """One HTML file with everything."""
    return whole("check.html", title=f"{report.current.name} against {report.reference.name}", **_values(report))


def to_fragment(report: CheckReport) -> str:
    """The same for a notebook."""
    return fragment("check.html", title="", **_values(report))


def to_text(report: CheckReport) -> str:
    """Verdict and findings on a few lines: what a failed test says."""
    lines = [verdict_line(report), how_judged(report)]
    lines += [f"  {one.check}  {one.subject[:60]}: {one.said[:300]}" for one in report.findings[:MOST_TOLD]]
    if len(report.findings) > MOST_TOLD:
        lines.append(f"  and {len(report.findings) - MOST_TOLD} more")
    return "\n".join([*lines, *(f"  note  {note[:300]}" for note in report.notes)])


def to_markdown(report: CheckReport) -> str:
    """The report for a pull request: verdict, findings, and the columns worst first."""
    lines = [f"## {cell(verdict_line(report), 300)}", "", f"{cell(how_judged(report), 400)}", ""]
    lines += [f"- **{cell(one.subject)}** {cell(one.said, 300)}" for one in report.findings[:MOST_TOLD]]
    if len(report.findings) > MOST_TOLD:
        lines.append(f"- and {len(report.findings) - MOST_TOLD} more")
    lines += ["", "| column | verdict | drift | limit | missing before | missing now |", "|---|---|---:|---:|---:|---:|"]
    lines += [_markdown_row(one) for one in report.columns[:MOST_ROWS]]
    if report.marks:
        lines += ["", "| metric | before | now | change |", "|---|---:|---:|---:|"]
        lines += [
            f"| {one.metric} | {metric(one.before.value)} | {metric(one.now.value)} | {one.gain.value:+.4f} |" for one in report.marks
        ]
    lines += ["", *(f"{cell(note, 300)}  " for note in report.notes)]
    return "\n".join(lines).rstrip() + "\n"


def how_judged(report: CheckReport) -> str:
    """What was held against what, and by which limits."""
    sides = f"{_side(report.current)}, against {_side(report.reference)}."
    if report.chunk:
        return f"{sides} Limits are calibrated on {report.chunks} chunks of {report.chunk}; a column has drifted when 3 of 5 chunks in a row are beyond its limit."
    return f"{sides} Limits are what chance alone does to independent rows, and at least {report.floor:g}."


def _side(side: Side) -> str:
    when = f", {day(side.start)} to {day(side.end)}" if side.start else ""
    return f"{side.name} ({side.rows:,} rows{when})"


def _columns(count: int) -> str:
    return "1 column" if count == 1 else f"{count} columns"


def _part(check: str, count: int, report: CheckReport) -> str:
    if check == "quality":
        return " and ".join(f"{one.subject} fell" for one in report.findings if one.check == "quality")
    return {
        "columns": f"{_columns(count)} gone",
        "kind": f"{_columns(count)} of another kind",
        "missing": f"values missing in {_columns(count)}",
        "unseen": f"unseen values in {_columns(count)}",
        "range": f"values out of range in {_columns(count)}",
        "prediction-drift": "answers drifted",
        "drift": f"{count} of {_columns(report.judged)} drifted",
        "joint": "columns drifted together",
        "correlation": "some columns go together differently" if count > 1 else "one pair goes together differently",
    }[check]


def _markdown_row(column: ColumnCheck) -> str:
    drift = column.reading("drift")
    shares = [percent(one.nulls / max(one.rows, 1)) if one else NONE for one in (column.before, column.now)]
    numbers = [number(round(drift.value, 4)), number(round(drift.threshold, 4))] if drift else [NONE, NONE]
    return f"| {cell(column.name)} | {SAID[column.verdict]} | {numbers[0]} | {numbers[1]} | {shares[0]} | {shares[1]} |"


def _values(report: CheckReport) -> dict[str, object]:
    """What the template draws."""
    histories = tuple(_histories(report))
    return {
        "report": report,
        "verdict": verdict_line(report),
        "how": how_judged(report),
        "said": SAID,
        "tones": TONES,
        "histories": histories,
        "figures": _drawn(report),
        "statistics": STATISTICS,
        "drifted": len({one.subject for one in report.findings if one.check in ("drift", "prediction-drift")}),
        "troubled": len({one.subject for one in report.of(Group.DATA)}),
        "told": report.findings[:MOST_TOLD],
        "groups": {group: _tone(group) for group in Group},
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """A curve of both sides as a picture."""

    title: str
    text: str
    note: str
    drawing: Markup


def _drawn(report: CheckReport) -> tuple[Drawn, ...]:
    """The model's curves, made by the worker; nothing is started where there are none."""
    charts = [curve_chart(curve, colours=(MUTED, ACCENT)) for curve in report.curves]
    pictures = svgs([{**chart.spec, "width": FIGURE_WIDTH} for chart in charts])
    return tuple(
        Drawn(title=TITLES[curve.kind], text=chart.text, note=curve.note, drawing=Markup(picture))
        for curve, chart, picture in zip(report.curves, charts, pictures, strict=True)
    )


def _tone(group: Group) -> str:
    return {Group.DATA: "warn", Group.DRIFT: "drift", Group.QUALITY: "bad"}[group]


def _histories(report: CheckReport) -> Iterator[History]:
    """The heat map's rows, in the order of the columns; many chunks are taken together by their worst."""
    for column in [one for one in report.columns if one.history][:MOST_HISTORIES]:
        together = -(-len(column.history) // MOST_CELLS)
        groups = [column.history[start : start + together] for start in range(0, len(column.history), together)]
        levels = []
        for group in groups:
            effects = [one.effect for one in group if one.level is not Level.NOT_ENOUGH and isfinite(one.effect)]
            levels.append(sum(max(effects) >= step for step in STEPS) if effects else None)
        yield History(name=column.name, levels=tuple(levels))
