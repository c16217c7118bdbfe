"""Incidents and what people think of them: show, judge, take on, close, and tune."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.markup import escape

from noria.cli.console import AsJson, Because, By, Home, LoopName, answer, console, plainly
from noria.cli.opened import Opened
from noria.core.alerting import Opinion, Record, Tuning
from noria.core.errors import NotFound, RequestInvalid
from noria.core.notices import Delivery, Notice
from noria.core.turning import Event
from noria.core.watching import Incident

NEWEST = 20


@plainly
def incident(
    id: Annotated[str | None, typer.Argument(help="The incident; the newest are listed when left out.")] = None,
    useful: Annotated[bool, typer.Option("--useful", help="Say that it was worth it.")] = False,
    noise: Annotated[bool, typer.Option("--noise", help="Say that it was not worth it.")] = False,
    ack: Annotated[bool, typer.Option("--ack", help="Take it on: say that you look at it; who was paged is told.")] = False,
    close: Annotated[bool, typer.Option("--close", help="End it; its monitors begin anew.")] = False,
    home: Home = None,
    by: By = "",
    because: Because = "",
    as_json: AsJson = False,
) -> None:
    """Show an incident: its likely cause with evidence, what it joins, what happened and who was told.

    [bold]noria incident[/]

    [bold]noria incident incident_01… --noise --because "the strike was announced"[/]

    What people say tunes nothing by itself: where it speaks for another limit, one is proposed, see `noria tune-alerts`.
    """
    opened = Opened(home)
    if useful and noise:
        raise RequestInvalid("useful or noise?", fix="say one of them")
    if id is None:
        if useful or noise or ack or close:
            raise RequestInvalid("which incident?", fix="`noria incident` lists them with their ids")
        _list(opened, as_json)
        return
    proposed = opened.alerts.judge(id, useful=useful, by=by, because=because) if useful or noise else []
    if ack:
        opened.alerts.acknowledge(id, by=by, because=because)
    if close:
        opened.alerts.close(id, by=by, because=because)
    _show(opened, id, proposed, as_json)


@plainly
def tune_alerts(
    loop: LoopName = None,
    apply: Annotated[str, typer.Option("--apply", help="Put the proposal with this id in force.")] = "",
    dismiss: Annotated[str, typer.Option("--dismiss", help="Take the proposal with this id off the list.")] = "",
    end: Annotated[str, typer.Option("--end", help="Go back to the calibrated limit.")] = "",
    home: Home = None,
    by: By = "",
    because: Because = "",
    as_json: AsJson = False,
) -> None:
    """Show how often each monitor was right, as people judged it, and apply a limit that this speaks for.

    A limit is proposed where a monitor was wrong more often than right, and only one that would have lost nothing useful.
    """
    opened = Opened(home)
    for given, state in ((apply, "applied"), (dismiss, "dismissed"), (end, "ended")):
        if given:
            after = opened.alerts.tune(given, state, by=by, because=because)
            answer(after, as_json=as_json, text=f"{escape(_limit(after))} is {state}")
            return
    name = opened.loop(loop)
    records = opened.alerts.record(name)
    tunings = [one for one in opened.world.documents.find(Tuning, where={"loop": name}) if one.state in ("proposed", "applied")]
    if as_json:
        answer({"loop": name, "monitors": records, "tunings": tunings}, as_json=True)
        return
    if not records:
        console.print("nobody has judged an incident yet · `noria incident ID --useful` or `--noise`")
    for record in records:
        console.print(f"  {_precision(record)}")
    for one in tunings:
        how = f"apply it with `noria tune-alerts --apply {one.id}`" if one.state == "proposed" else f"by {escape(one.by)}, `--end {one.id}`"
        console.print(f"[bold]{one.state}[/]  {escape(_limit(one))}: {escape(one.reason)} · {how}", soft_wrap=True)


def _list(opened: Opened, as_json: bool) -> None:
    documents = opened.world.documents
    found = documents.find(Incident, where={"state": "open"}, newest_first=True)
    found = sorted(found, key=lambda one: one.rank, reverse=True) + documents.find(
        Incident, where={"state": "closed"}, newest_first=True, limit=NEWEST
    )
    if as_json:
        answer(found, as_json=True)
        return
    if not found:
        console.print("no incident yet: all calm")
    for one in found:
        state = "[dim]over[/]" if one.closed_at else "[red]page[/]" if one.severity == "page" else "[yellow]notice[/]"
        console.print(
            f"{state:14} {one.opened_at:%Y-%m-%d}  [bold]{escape(one.loop)}[/]  {escape(one.title)}  [dim]{one.id}[/]", soft_wrap=True
        )


def _show(opened: Opened, id: str, proposed: list[Tuning], as_json: bool) -> None:
    documents = opened.world.documents
    found = documents.get(Incident, id)
    if found is None:
        raise NotFound(f"there is no incident {id}", fix="`noria incident` lists them")
    opinions = documents.find(Opinion, where={"incident": id})
    notices = documents.find(Notice, where={"incident": id})
    ways = [way for notice in notices for way in documents.find(Delivery, where={"notice": notice.id})]
    events = opened.world.ledger.events(subject=id)
    if as_json:
        answer({"incident": found, "opinions": opinions, "deliveries": ways, "events": events, "proposed": proposed}, as_json=True)
        return
    state = f"over: {found.closed_because}" if found.closed_at else "open"
    console.print(f"[bold]{escape(found.title)}[/]  {found.severity} · {escape(state)}", soft_wrap=True)
    console.print(
        f"  loop      {found.loop}   since {found.opened_at:%Y-%m-%d %H:%M}{f'   from {escape(found.source)}' if found.source else ''}"
    )
    if found.acknowledged_by:
        console.print(f"  taken on  by {escape(found.acknowledged_by)}")
    console.print(f"  cause     {escape(found.cause) or 'not known'}", soft_wrap=True)
    for one in found.evidence:
        console.print(f"  evidence  {escape(one.text)}", soft_wrap=True)
    for name in found.subjects:
        hushed = " [dim](explained by the above)[/]" if name in found.hushed else ""
        console.print(f"  alert     {escape(name)} = {found.numbers.get(name, float('nan')):g}{hushed}")
    _timeline(events)
    for way in ways:
        console.print(f"  told      {escape(way.channel)}: {way.progress}, {way.tries} tries · {escape(way.said)}", soft_wrap=True)
    for opinion in opinions:
        word = "useful" if opinion.useful else "noise"
        console.print(f"  opinion   {word}, says {escape(opinion.by)}: {escape(opinion.because)}", soft_wrap=True)
    for tuning in proposed:
        console.print(
            f"  proposed  {escape(_limit(tuning))}: {escape(tuning.reason)} · `noria tune-alerts --apply {tuning.id}`", soft_wrap=True
        )


def _timeline(events: list[Event]) -> None:
    for event in events:
        said = next(iter(event.reasons), "")
        console.print(
            f"  [dim]{event.at:%Y-%m-%d %H:%M}[/]  {event.kind} {escape(said)} {'' if event.by == 'noria' else 'by ' + escape(event.by)}"
        )


def _limit(one: Tuning) -> str:
    return f"{one.monitor} of {one.subject}: limit × {one.factor:g}"


def _precision(record: Record) -> str:
    right = record.precision
    return f"[bold]{escape(record.monitor)}[/]  {record.useful} useful, {record.noise} noise: right in {right.value:.0%} ({right.low:.0%} to {right.high:.0%})"
