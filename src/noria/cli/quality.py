"""Realised quality as of any date: `noria quality`."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from math import isfinite
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from noria.cli.console import AsJson, Home, LoopName, answer, console, plainly
from noria.cli.opened import Opened
from noria.core.declaration.loop import Loop
from noria.core.errors import RequestInvalid
from noria.core.moments import duration
from noria.core.performance import QualityWindow, RealisedQuality
from noria.drawing.charts.maturity import maturity_chart, realised_chart, spell
from noria.drawing.convert import png
from noria.drawing.theme import Chart, printed
from noria.loop.enrol import in_force
from noria.loop.performance import realised_as_of
from noria.loop.states import state_of


@plainly
def quality(
    loop: LoopName = None,
    as_of: Annotated[
        str, typer.Option("--as-of", help="A date or moment, UTC: only what had been told before it counts. Now when left out.")
    ] = "",
    metric: Annotated[str, typer.Option(help="Another metric than the one that the loop's pages show.")] = "",
    window: Annotated[str, typer.Option(help="Length of a window of time, such as 1d, 7d or 30d.")] = "7d",
    since: Annotated[str, typer.Option(help="Predictions from this date on.")] = "",
    version: Annotated[int | None, typer.Option(help="Only what this version answered.")] = None,
    draw: Annotated[Path | None, typer.Option(help="A folder for quality.png and maturity.png, and their Vega-Lite beside them.")] = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Show realised quality as it was known on a date: `noria quality late-arrival --as-of 2013-06-01`.

    Outcomes come late, and those that come early are no fair sample: an early default is a
    default. So each window says how much of what will be known was known, and windows that are
    not mature are marked.
    """
    opened = Opened(home)
    name = opened.loop(loop)
    declared = in_force(opened.world, state_of(opened.world.documents, name)).loop
    found = realised_as_of(
        opened.world,
        name,
        as_of=_moment(as_of, "--as-of"),
        name=metric,
        window=_span(window),
        since=_moment(since, "--since"),
        version=version,
        delay=declared.label.delay,
    )
    if draw is not None:
        _drawn(draw, quality=realised_chart(found), maturity=maturity_chart(found.curve, delay_s=declared.label.delay.total_seconds()))
    if as_json:
        answer(found, as_json=True)
    else:
        _show(found, declared)


def _show(found: RealisedQuality, declared: Loop) -> None:
    console.print(f"[bold]{found.loop}[/]: realised {found.metric}, as it was known on {found.as_of:%Y-%m-%d %H:%M} UTC")
    table = Table("window", found.metric, "between", "outcomes", "of predictions", "mature", "version", box=None, header_style="dim")
    for one in found.windows:
        table.add_row(*_cells(one), style="" if one.mature else "dim")
    console.print(table if found.windows else "no prediction was logged by then")
    curve = found.curve
    if not curve.share:
        console.print(f"no outcome was known by then; {curve.rows:,} predictions wait · tell outcomes with `noria feedback`")
        return
    console.print(
        f"{curve.share[-1]:.0%} of predictions get an outcome; half of those within {spell(curve.median_s)}, nine of ten within {spell(curve.p90_s)}"
        f" [dim](declared: {spell(declared.label.delay.total_seconds())}; seen up to an age of {spell(curve.horizon_s)})[/]"
    )
    if any(not one.mature for one in found.windows):
        console.print("[yellow]~[/] not mature: most outcomes are still to come, and those that come early may not be like the rest")


def _cells(one: QualityWindow) -> tuple[str, ...]:
    q = one.quality
    known = isfinite(q.value)
    return (
        f"{one.start:%Y-%m-%d}",
        f"{'' if one.mature else '~'}{q.value:.4f}" if known else "not enough data",
        f"{q.low:.4f} to {q.high:.4f}" if known and isfinite(q.low) else "",
        f"{one.labelled:,}",
        f"{one.rows:,}",
        f"{one.maturity:.0%}" if isfinite(one.maturity) else "too early to tell",
        ", ".join(f"v{number}" for number in one.versions),
    )


def _drawn(folder: Path, **charts: Chart) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, drawn in charts.items():
        if drawn.spec:
            (folder / f"{name}.json").write_text(json.dumps(printed(drawn.spec), indent=1))
            (folder / f"{name}.png").write_bytes(png(printed(drawn.spec)))


def _moment(text: str, option: str) -> datetime | None:
    if not text:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise RequestInvalid(f"{option} {text!r} is no date", fix=f"write for example {option} 2013-06-01, or 2013-06-01T12:00") from error
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _span(text: str) -> timedelta:
    try:
        found = duration(text)
    except ValueError as error:
        raise RequestInvalid(f"--window: {error}", fix="write for example --window 7d") from error
    if not found:
        raise RequestInvalid("--window 0 holds nothing", fix="write for example --window 7d")
    return found
