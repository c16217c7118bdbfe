"""`noria check`: one table against another, for a first look and for CI."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import log10
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn
from rich.table import Table
from rich.text import Text

from noria.cli.console import AsJson, complaints, console, plainly
from noria.cli.drawing import AMBER, BAD, GOOD, QUIET, TRACK, WATER, spark
from noria.core.checking import Bar, CheckReport, ColumnCheck, Finding, Group, Verdict
from noria.core.errors import RequestInvalid
from noria.core.watching import Reading
from noria.drawing.documents.check import SAID, TONES, how_judged

ROWS_SHOWN = 40
FINDINGS_SHOWN = 12
SPARKS = 12
WHENS = ("any", "none", *(group.value for group in Group))

_COLOURS = {"bad": BAD, "warn": AMBER, "ok": GOOD, "": QUIET}
_GROUP_COLOURS = {Group.DATA: AMBER, Group.DRIFT: "#a78bfa", Group.QUALITY: BAD}


@plainly
def check(
    reference: Annotated[str, typer.Argument(help="What is usual: a file, glob or folder (Parquet, CSV, JSON lines, Arrow).")],
    current: Annotated[str, typer.Argument(help="What is to be judged, likewise.")],
    time: Annotated[str, typer.Option(help="Column with the event time: limits are then calibrated on chunks of the reference.")] = "",
    every: Annotated[str, typer.Option(help="Length of a chunk, for example 1d; chosen when left out.")] = "",
    label: Annotated[str, typer.Option(help="Column with the outcome; with --score, quality is judged too.")] = "",
    score: Annotated[list[str] | None, typer.Option(help="Column with P(positive) or the predicted number; for classes, one each.")] = None,
    task: Annotated[str, typer.Option(help="binary, multiclass or regression; found when left out.")] = "",
    metric: Annotated[str, typer.Option(help="The metric that must not fall; the task's main one when left out.")] = "",
    drop: Annotated[float, typer.Option(help="How much the metric may fall.", min=0.0)] = 0.0,
    column: Annotated[list[str] | None, typer.Option(help="Look at this column only; may be given again.")] = None,
    ignore: Annotated[list[str] | None, typer.Option(help="Do not look at this column; may be given again.")] = None,
    floor: Annotated[float, typer.Option(help="Drift (debiased PSI) that is too small to matter.", min=0.0)] = 0.1,
    min_rows: Annotated[int, typer.Option(help="With fewer rows the answer is “not enough data”.", min=1)] = 250,
    joint: Annotated[bool, typer.Option("--joint", help="Look at all columns together too; takes longer, by chunk much longer.")] = False,
    html: Annotated[Path | None, typer.Option(help="Write the report as one HTML file that opens without internet.")] = None,
    markdown: Annotated[Path | None, typer.Option(help="Write the report as Markdown, for a pull request.")] = None,
    fail_on: Annotated[str, typer.Option(help="Exit with 1 on these, with commas: data, drift, quality, any, none.")] = "any",
    as_json: AsJson = False,
) -> None:
    """Hold a table against another: missing values, ranges, unseen values, drift, correlations, and with outcomes quality.

    [bold]noria check january.parquet february.parquet --html report.html[/]

    [bold]noria check january.csv february.csv --time at --label churned --score p --fail-on drift,quality[/]
    """
    fatal = _fatal(fail_on)
    from noria.checks.check import check as judged

    with _progress(quiet=as_json) as progress:
        report = judged(
            reference, current, time=time, every=every, label=label, score=tuple(score or ()), task=task, metric=metric, drop=drop,
            columns=tuple(column or ()), ignore=tuple(ignore or ()), floor=floor, min_rows=min_rows, joint=joint, progress=progress,
        )  # fmt: skip
    written = []
    if html is not None:
        report.to_html(html)
        written.append(html)
    if markdown is not None:
        markdown.write_text(report.to_markdown(), encoding="utf-8")
        written.append(markdown)
    if as_json:
        sys.stdout.write(report.to_json() + "\n")
    else:
        _show(report.value, report.verdict, written)
    if report.value.of(*fatal):
        raise typer.Exit(1)


def _fatal(text: str) -> tuple[Group, ...]:
    """The groups that make the command fail.

    Raises:
        RequestInvalid: a name is none of them.
    """
    names = [name.strip() for name in text.split(",") if name.strip()]
    wrong = [name for name in names if name not in WHENS]
    if wrong:
        raise RequestInvalid(f"--fail-on does not know {wrong[0]!r}", fix=f"there are {', '.join(WHENS)}")
    return tuple(group for group in Group if "any" in names or group.value in names)


@contextmanager
def _progress(*, quiet: bool) -> Iterator[Callable[[str, float], None]]:
    """Shows on standard error what is being done, where somebody sits in front of it."""
    if quiet or not complaints.is_terminal:
        yield lambda what, share: None
        return
    with Progress(SpinnerColumn(), TextColumn("{task.description}"), BarColumn(28), console=complaints, transient=True) as shown:
        task = shown.add_task("reading", total=1.0)
        yield lambda what, share: shown.update(task, description=what, completed=share)


def _show(report: CheckReport, verdict: str, written: list[Path]) -> None:
    colour = BAD if report.findings else GOOD if report.enough else AMBER
    console.print(Text.assemble(("● ", colour), (verdict, "bold")), soft_wrap=False)
    console.print(Text(how_judged(report), style=QUIET))
    console.print()
    console.print(_columns(report))
    for finding in report.findings[:FINDINGS_SHOWN]:
        console.print(_finding(finding))
    if len(report.findings) > FINDINGS_SHOWN:
        console.print(Text(f"  and {len(report.findings) - FINDINGS_SHOWN} more", style=QUIET))
    for note in report.notes:
        console.print(Text(f"  {note}", style=QUIET))
    for path in written:
        console.print(f"[dim]written[/] {escape(str(path))}", soft_wrap=True)
    if not written:
        console.print("[dim]the whole report, with pictures: --html report.html[/]")


def _columns(report: CheckReport) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False, header_style=QUIET, border_style=TRACK)
    wide = console.width >= 100
    table.add_column("column", overflow="ellipsis", no_wrap=True, max_width=28)
    if wide:
        table.add_column("before", no_wrap=True)
    table.add_column("now", no_wrap=True)
    table.add_column("drift, limit at │", no_wrap=True)
    table.add_column("missing", justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    for one in report.columns[:ROWS_SHOWN]:
        sparks = [spark([bar.before for bar in _fewer(one.bars)], "grey62"), spark([bar.now for bar in _fewer(one.bars)], WATER)]
        verdict = Text(SAID[one.verdict], style=_COLOURS[TONES[one.verdict]])
        table.add_row(Text(one.name), *(sparks if wide else sparks[1:]), _drift(one, one.reading("drift")), _missing(one), verdict)
    if len(report.columns) > ROWS_SHOWN:
        table.add_row(Text(f"and {len(report.columns) - ROWS_SHOWN} more", style=QUIET))
    return table


def _finding(one: Finding) -> Text:
    text = Text.assemble(
        "  ", ("▍", _GROUP_COLOURS[one.group]), (f"{one.subject[:40]} ", "bold"), (one.said[:220], ""), (f"  {one.check}", QUIET)
    )
    text.overflow = "fold"
    return text


def _drift(column: ColumnCheck, reading: Reading | None) -> Text:
    """A bar with the limit in its middle; beyond it lengths are logarithms."""
    if reading is None or not reading.threshold > 0 or reading.value != reading.value:
        return Text("")
    half, ratio = 8, max(reading.value, 0.0) / reading.threshold
    filled = round(half * (ratio if ratio <= 1 else 1 + min(log10(ratio), 1.0)))
    colour = _COLOURS[TONES[column.verdict]] if reading.value > reading.threshold or column.verdict is Verdict.SMALL else WATER
    cells = [("━" if place < filled else "─", colour if place < filled else TRACK) for place in range(2 * half)]
    return Text.assemble(*cells[:half], ("│", "grey70"), *cells[half:], (f" {reading.value:6.3f}", ""))


def _missing(column: ColumnCheck) -> Text:
    if column.before is None:
        return Text("new", style=AMBER)
    if column.now is None:
        return Text("gone", style=BAD)
    before, now = (one.nulls / max(one.rows, 1) for one in (column.before, column.now))
    if not before and not now:
        return Text("–", style=QUIET)
    return Text.assemble((f"{before:.1%} → ", QUIET), f"{now:.1%}")


def _fewer(bars: tuple[Bar, ...]) -> list[Bar]:
    """Neighbouring bars together, so that they fit."""
    together = -(-len(bars) // SPARKS) or 1
    groups: list[Any] = [bars[start : start + together] for start in range(0, len(bars), together)]
    return [Bar(label="", before=sum(one.before for one in group), now=sum(one.now for one in group)) for group in groups]
