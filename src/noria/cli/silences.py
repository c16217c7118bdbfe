"""Silences: let monitors page nobody for a while."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from noria.cli.console import AsJson, Because, By, Home, LoopName, answer, console, plainly
from noria.cli.opened import Opened
from noria.core.alerting import Silence
from noria.core.errors import RequestInvalid
from noria.core.moments import duration, spoken


@plainly
def silence(
    loop: LoopName = None,
    length: Annotated[str, typer.Option("--for", help="How long, in event time: 2h, 1d …")] = "",
    monitor: Annotated[str, typer.Option("--monitor", help="Only this monitor: drift, quality …; all when left out.")] = "",
    subject: Annotated[str, typer.Option("--subject", help="Only this feature, metric or dataset; all when left out.")] = "",
    end: Annotated[str, typer.Option("--end", help="End the silence with this id.")] = "",
    list_them: Annotated[bool, typer.Option("--list", help="List what is silent now and will be.")] = False,
    home: Home = None,
    by: By = "",
    because: Because = "",
    as_json: AsJson = False,
) -> None:
    """Let monitors open and page nothing for a while; they still read, and are recorded.

    [bold]noria silence late-arrival --for 2h --monitor drift --because "the weather feed is being moved"[/]

    [bold]noria silence --list[/]

    A chunk of time that has any moment in common with a silence is covered by it. Trouble that comes every week belongs into the loop file: `alerts=nr.Alerts(quiet=\\[nr.Quiet("sat 22:00", "8h")])`.
    """
    opened = Opened(home)
    if end:
        over = opened.alerts.end_silence(end, by=by, because=because)
        answer(over, as_json=as_json, text=f"{over.id} has ended")
        return
    if list_them or not length:
        if not list_them and (monitor or subject):
            raise RequestInvalid("how long?", fix="noria silence LOOP --for 2h --because …")
        _list(opened, loop, as_json)
        return
    try:
        span = duration(length)
    except ValueError as error:
        raise RequestInvalid(str(error), fix="write for example --for 2h") from error
    made = opened.alerts.silence(opened.loop(loop), span, monitor=monitor, subject=subject, by=by, because=because)
    answer(
        made,
        as_json=as_json,
        text=f"[bold]{made.loop}[/]: {escape(_what(made))} silent until {made.until:%Y-%m-%d %H:%M} · end it with `noria silence --end {made.id}`",
    )


def _list(opened: Opened, loop: str | None, as_json: bool) -> None:
    now = opened.world.clock.now()
    where = {"loop": opened.loop(loop)} if loop else {}
    found = [one for one in opened.world.documents.find(Silence, where=where) if one.ended_at is None and one.until > now]
    if as_json:
        answer(found, as_json=True)
        return
    if not found:
        console.print("nothing is silent · silence with `noria silence LOOP --for 2h --because …`")
    table = Table.grid(padding=(0, 2))
    for one in found:
        left = spoken(one.until - now)
        table.add_row(
            f"[bold]{one.loop}[/]", escape(_what(one)), f"{left} left", f"by {escape(one.by)}", f"[dim]{escape(one.because)}[/]", one.id
        )
    console.print(table)


def _what(one: Silence) -> str:
    return f"{one.monitor or 'all monitors'}{f' of {one.subject}' if one.subject else ''}"
