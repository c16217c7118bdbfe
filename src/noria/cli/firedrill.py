"""The fire drill of the alerts: one that is none, through the whole path, to see that it reaches people."""

from __future__ import annotations

import time
from random import Random
from typing import Annotated

import typer
from rich.markup import escape

from noria.app.processes import pid_of
from noria.cli.console import AsJson, Because, By, Home, LoopName, answer, console, plainly
from noria.cli.opened import Opened
from noria.core.notices import Delivery, Progress
from noria.loop import drilling
from noria.loop.outbox import Outbox

PAUSE_S = 0.2


@plainly
def fire_drill(
    loop: LoopName = None,
    patience_s: Annotated[float, typer.Option("--patience", help="Seconds to wait for the channels.", min=1.0, max=600.0)] = 45.0,
    home: Home = None,
    by: By = "",
    because: Because = "",
    as_json: AsJson = False,
) -> None:
    """Send an alert that is none, through the whole path, and see whether it reaches people.

    A marked reading goes through the state machine, opens an incident, and is told to every channel as a page would be. It gives no signal to retrain, costs nothing of the page budget, ends by itself and is on record. Exit code 1 when a channel did not take it.

    (`noria drill` is something else: it makes the next challenger bad, to see that the rollout catches it.)
    """
    opened = Opened(home)
    world, name = opened.world, opened.loop(loop)
    incident = opened.alerts.fire_drill(name, by=by, because=because)
    server = pid_of(opened.settings.folder, "server")
    outbox = Outbox(world.documents, world.ledger, world.channels, wall=world.wall, random=Random())
    give_up = time.monotonic() + patience_s
    ways: list[Delivery] = []
    try:
        while time.monotonic() < give_up:
            if not server:
                outbox.once()
            ways = drilling.deliveries(world, incident)
            if ways and all(way.progress is not Progress.WAITING for way in ways):
                break
            time.sleep(PAUSE_S)
    finally:
        drilling.finish(world, name)
        if not server:
            outbox.once()
    _answer(incident.id, name, ways, by_server=bool(server), as_json=as_json)


def _answer(incident: str, loop: str, ways: list[Delivery], *, by_server: bool, as_json: bool) -> None:
    arrived = bool(ways) and all(way.progress is Progress.DELIVERED for way in ways)
    if as_json:
        answer({"incident": incident, "loop": loop, "arrived": arrived, "deliveries": ways}, as_json=True)
    else:
        told = "by the control plane" if by_server else "by this command, since no control plane runs"
        console.print(f"fire drill of [bold]{loop}[/], told {told}")
        for way in ways:
            mark = "[green]✔ delivered[/]  " if way.progress is Progress.DELIVERED else "[red]✖ failed[/]     "
            latency = f"{way.latency_ms:.0f} ms" if way.progress is Progress.DELIVERED else f"{way.tries} tries"
            console.print(f"  {mark} {escape(way.channel):16} {latency:>9}  [dim]{escape(way.said)}[/]", soft_wrap=True)
        if not ways:
            console.print("  [red]nobody took it out of the outbox[/]: look into the server's log")
        if {way.channel for way in ways} == {"log"}:
            console.print("  [yellow]only the log was told[/]: add a way to people with `noria channels add`")
        console.print(f"  [dim]{incident} has ended by itself; no signal was given[/]")
    if not arrived:
        raise typer.Exit(1)
