"""Single requests that are far from all that a version was trained on: list, open, decide."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from noria.cli.console import AsJson, Because, By, Home, LoopName, answer, console, plainly
from noria.cli.opened import Opened
from noria.core.anomalies import AnomalousRequest, AnomalyState
from noria.core.errors import RequestInvalid
from noria.core.state import LoopState
from noria.loop.anomalies import decide, listed, opened

STATES = {AnomalyState.OPEN: "[yellow]open[/]", AnomalyState.SEEN: "[dim]seen[/]", AnomalyState.DISMISSED: "[dim]dismissed[/]"}


@plainly
def anomalies(
    loop: LoopName = None,
    open: Annotated[str, typer.Option("--open", help="Open the one with this id: inputs, reasons, nearest rows.")] = "",
    seen: Annotated[str, typer.Option("--seen", help="Say that you have looked at the one with this id.")] = "",
    dismiss: Annotated[str, typer.Option("--dismiss", help="Say that the one with this id is nothing.")] = "",
    all_of_them: Annotated[bool, typer.Option("--all", help="Those that were decided on, too.")] = False,
    limit: Annotated[int, typer.Option(help="At most so many.", min=1, max=1_000)] = 30,
    home: Home = None,
    by: By = "",
    because: Because = "",
    as_json: AsJson = False,
) -> None:
    """Show single requests that are far from all that the champion was trained on, newest first.

    [bold]noria anomalies late-arrival[/]

    [bold]noria anomalies --open late-arrival-17[/]

    [bold]noria anomalies --dismiss late-arrival-17 --because "a charter flight"[/]

    They are queued where the loop file says `watch=\\[nr.anomalies()]`; the queue keeps the newest 1,000 of a loop.
    """
    home_ = Opened(home)
    documents, ledger = home_.world.documents, home_.world.ledger
    orders = [(given, state) for given, state in ((seen, AnomalyState.SEEN), (dismiss, AnomalyState.DISMISSED)) if given]
    if len(orders) + bool(open) > 1:
        raise RequestInvalid("one thing at a time", fix="give one of --open, --seen and --dismiss")
    if orders:
        id, state = orders[0]
        after = decide(documents, ledger, id, state, by=by, reason=because, at=home_.world.clock.now())
        answer(after, as_json=as_json, text=f"{escape(after.id)} is {after.state}")
        return
    if open:
        found = opened(documents, open)
        if as_json:
            answer(found, as_json=True)
        else:
            _show(found)
        return
    several = loop is None and len(documents.find(LoopState)) > 1
    name = "" if several else home_.loop(loop)
    many = listed(documents, name, "" if all_of_them else AnomalyState.OPEN, limit)
    if as_json:
        answer(many, as_json=True)
    else:
        _list(many)


def _list(many: list[AnomalousRequest]) -> None:
    if not many:
        console.print("no anomalous request waits · they are queued where the loop file says `watch=\\[nr.anomalies()]`")
        return
    table = Table(box=None, padding=(0, 2, 0, 0))
    for head in ("state", "when", "id", "distance", "far in"):
        table.add_column(head, justify="right" if head == "distance" else "left", style="dim" if head == "when" else "")
    for one in many:
        far = ", ".join(f"{reason.name} = {reason.value}" for reason in one.far) or "many features a little"
        table.add_row(STATES[one.state], f"{one.time:%Y-%m-%d %H:%M}", one.id, f"{one.score / one.threshold:.1f} ×", escape(far))
    console.print(table)
    console.print(f"[dim]distance in units of the limit · open one with `noria anomalies --open {many[0].id}`[/]")


def _show(one: AnomalousRequest) -> None:
    console.print(f"[bold]{one.id}[/]  request {escape(one.request_id)} · {one.time:%Y-%m-%d %H:%M} · answered by v{one.version}")
    console.print(f"  distance  {one.score:.3g}, limit {one.threshold:.3g}")
    if one.by:
        console.print(f"  {one.state.value:9} by {escape(one.by)}: {escape(one.reason) or 'no reason given'}")
    table = Table(box=None, padding=(0, 2, 0, 2))
    for head in ("far in", "asked", "nearest rows", "reference", "share"):
        table.add_column(head, justify="right" if head == "share" else "left")
    for reason in one.far:
        table.add_row(*(escape(text) for text in (reason.name, reason.value, reason.nearby, reason.usual)), f"{reason.share:.0%}")
    console.print(table)
    for neighbour in one.neighbours:
        held = ", ".join(
            f"{name}={value:.4g}" if isinstance(value, float) else f"{name}={value}" for name, value in neighbour.features.items()
        )
        console.print(f"  [dim]at {neighbour.distance:.3g}[/]  {escape(held)}", soft_wrap=True)
    asked = ", ".join(f"{name}={value}" for name, value in one.inputs.items())
    console.print(f"  inputs    {escape(asked)}", soft_wrap=True)
    console.print(f"  answer    {one.answer}")
