"""`noria scorecard`: a version's marks and what was looked at behind them, in the terminal or as a file."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from noria.cli.console import AsJson, Home, answer, console, plainly
from noria.cli.drawing import BAD, GOOD, QUIET, TRACK, WATER
from noria.cli.opened import Opened
from noria.core.errors import NotFound, RequestInvalid
from noria.core.examination.examination import Examination
from noria.core.judging import Scorecard
from noria.core.registry import ModelVersion
from noria.core.schema import Estimate
from noria.core.state import LoopState
from noria.drawing.documents.scorecard import Shown, headline, to_html, to_markdown
from noria.drawing.words import latency, metric, signed, size
from noria.loop.examined import examination_of

BAR, WIDE = 24, 96
WEAK_SHOWN = 6


@plainly
def scorecard(
    which: Annotated[
        str | None, typer.Argument(metavar="LOOP[@VERSION]", help="A loop, its champion's; or a version: late-arrival@3.")
    ] = None,
    html: Annotated[Path | None, typer.Option(help="Write it as one HTML file that opens without internet, with all its curves.")] = None,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print Markdown, for a pull request.")] = False,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Show a version's scorecard: every mark with its interval, against the champion of its time, and where it is weak.

    [bold]noria scorecard late-arrival@3 --html card.html[/]
    """
    opened = Opened(home)
    version = _version(opened, which)
    shown = Shown(
        title=f"{version.model} v{version.number}",
        card=version.scorecard,
        examination=_examination(opened, version.scorecard),
        verdict=version.verdict,
    )
    if html is not None:
        html.write_text(to_html(shown), encoding="utf-8")
    if as_json:
        answer({"title": shown.title, "scorecard": shown.card, "examination": shown.examination, "verdict": shown.verdict}, as_json=True)
    elif markdown:
        sys.stdout.write(to_markdown(shown))
    else:
        _show(shown)
        if html is not None:
            console.print(f"[dim]written[/] {escape(str(html))}", soft_wrap=True)


def _version(opened: Opened, which: str | None) -> ModelVersion:
    """The named version, else the champion, else the newest.

    Raises:
        NotFound: there is no such loop or version.
        RequestInvalid: what follows the @ is no number.
    """
    name, _, number = (which or "").partition("@")
    loop = opened.loop(name or None)
    if number and not number.removeprefix("v").isdigit():
        raise RequestInvalid(f"{number!r} is no version", fix=f"write for example {loop}@3")
    documents = opened.world.documents
    state = documents.get(LoopState, loop)
    wanted = int(number.removeprefix("v")) if number else state.champion if state else None
    if wanted is not None:
        found = documents.get(ModelVersion, f"{loop}@{wanted:06d}")
        if found is None:
            raise NotFound(f"{loop} has no version {wanted}", fix="the loop's page lists its versions")
        return found
    newest = documents.find(ModelVersion, where={"model": loop}, newest_first=True, limit=1)
    if not newest:
        raise NotFound(f"{loop} has no version yet", fix="`noria turn` makes one")
    return newest[0]


def _examination(opened: Opened, card: Scorecard) -> Examination | None:
    """What is kept behind it: a home whose blobs are gone still shows the marks."""
    blobs = opened.world.blobs
    return examination_of(card, blobs) if card.examination and blobs.has(card.examination) else None


def _show(shown: Shown) -> None:
    card = shown.card
    console.print(Text.assemble((shown.title, "bold"), ("  " + headline(card), "")))
    console.print(
        Text(f"{card.rows:,} newest rows, {card.start:%-d %b %Y} to {card.end:%-d %b %Y}, which it was not trained on", style=QUIET)
    )
    console.print(_marks(shown))
    for one in shown.verdict.results if shown.verdict else ():
        colour = GOOD if one.outcome.value == "pass" else BAD
        console.print(Text.assemble("  ", ("● ", colour), (one.gate, "bold"), f" {one.reason}"))
    for line in _behind(shown.examination) if shown.examination else ():
        console.print(Text(f"  {line}"))
    cost = f"one row in {latency(card.latency_p50_ms * 1000)} (p99 {latency(card.latency_p99_ms * 1000)}), {size(card.size_bytes)}"
    console.print(Text(f"  {cost}", style=QUIET))


def _marks(shown: Shown) -> Table:
    card = shown.card
    table = Table(box=SIMPLE_HEAD, pad_edge=False, header_style=QUIET, border_style=TRACK)
    wide = console.width >= WIDE
    table.add_column("metric", no_wrap=True)
    table.add_column("candidate", justify="right", no_wrap=True)
    table.add_column("95 % interval", justify="right", no_wrap=True)
    if card.champion_metrics:
        table.add_column("champion", justify="right", no_wrap=True)
        table.add_column("difference", justify="right", no_wrap=True)
        if wide:
            table.add_column("worse │ better", no_wrap=True)
    for name, mark in card.metrics.items():
        cells = [Text(name), Text(metric(mark.value), style="bold"), Text(f"{metric(mark.low)} – {metric(mark.high)}", style=QUIET)]
        if card.champion_metrics:
            was, gain = card.champion_metrics.get(name), card.versus_champion.get(name)
            cells += [Text(metric(was.value if was else None)), Text(signed(gain.value if gain else None))]
            cells += [_against_zero(gain)] if wide else []
        table.add_row(*cells)
    return table


def _against_zero(gain: Estimate | None) -> Text:
    """An interval around zero as a line of cells."""
    if gain is None or not (gain.low == gain.low and gain.high == gain.high):
        return Text("")
    reach = max(abs(gain.low), abs(gain.high), 1e-9)
    low, at, high = (round((one / reach + 1) / 2 * (BAR - 1)) for one in (gain.low, gain.value, gain.high))
    colour = GOOD if gain.low > 0 else BAD if gain.high < 0 else WATER
    text = Text()
    for place in range(BAR):
        if place == at:
            text.append("●", colour)
        elif low <= place <= high:
            text.append("━", colour)
        else:
            text.append("│" if place == BAR // 2 else " ", TRACK)
    return text


def _behind(seen: Examination) -> list[str]:
    """The examination in a few lines."""
    lines = []
    if seen.baselines is not None and seen.baselines.marks:
        best = seen.baselines.marks[0]
        lines.append(f"against the best simple model ({best.name}): {signed(best.versus.value)} {seen.baselines.metric}, {best.claim}")
    if seen.importance is not None and seen.importance.features:
        lines.append("leans on " + ", ".join(f"{one.name} ({one.share:.0%})" for one in seen.importance.features[:WEAK_SHOWN]))
    if seen.slices is not None and seen.slices.found:
        lines.append("weak where " + "; ".join(f"{one} ({one.mark.n:,} rows)" for one in seen.slices.found[:WEAK_SHOWN]))
    if seen.backtest is not None:
        mark = seen.backtest.mark
        lines.append(
            f"on {len(seen.backtest.windows)} recent windows: {seen.backtest.metric} {metric(mark.value)} ({metric(mark.low)} to {metric(mark.high)})"
        )
    if seen.staleness is not None and seen.staleness.advice:
        lines.append(seen.staleness.advice)
    lines += [f"{name} is not known: {why}" for name, why in seen.untold.items()]
    return lines
