"""What commands read out: status, why, turns, doctor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from noria.app.plane import plane_numbers
from noria.app.processes import NAMES, pid_of
from noria.app.supervisor import addresses, alive
from noria.cli.console import AsJson, Home, LoopName, answer, console, plainly
from noria.cli.opened import Opened
from noria.core.errors import NotFound
from noria.core.notices import Delivery, Progress
from noria.core.registry import Deployment
from noria.core.state import LoopState
from noria.core.turning import Event, Rollout, Step, Turn
from noria.core.watching import Incident
from noria.ledger.why import chain, decisions, headline, to_text
from noria.loop.canaries import standing
from noria.loop.guards import said
from noria.loop.outbox import failing
from noria.loop.planning import open_rollout
from noria.stages.registry.versions import every_version

DEPLOYMENTS_SHOWN = 20
MARKS = {"done": "[green]●[/]", "running": "[yellow]◐[/]", "waiting": "[yellow]○[/]", "failed": "[red]✕[/]"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """One loop's state with what is under way."""

    loop: LoopState
    turn: Turn | None
    steps: tuple[Step, ...]
    rollout: Rollout | None
    incidents: tuple[Incident, ...]
    untold: tuple[Delivery, ...] = ()


@plainly
def status(loop: LoopName = None, home: Home = None, as_json: AsJson = False) -> None:
    """Show where every loop stands: champion, turn, rollout, incidents, and what comes next."""
    opened = Opened(home)
    states = opened.world.documents.find(LoopState)
    if loop is not None:
        states = [state for state in states if state.name == opened.loop(loop)]
    found = [_status(opened, state) for state in states]
    if as_json:
        answer(found, as_json=True)
        return
    answering = opened.world.documents.find(Deployment, where={"state": "answering"}, limit=DEPLOYMENTS_SHOWN + 1) if loop is None else []
    if not found and not answering:
        console.print("no loop yet · bring one up with `noria up FILE.py`")
    for one in found:
        _show(one)
    for deployment in answering[:DEPLOYMENTS_SHOWN]:
        running = open_rollout(opened.world.documents, deployment.name)
        canary = f" · canary: {escape(standing(running))}" if running else ""
        console.print(
            f"[bold]{deployment.name}[/]  v{deployment.version} answers · no loop · {'' if deployment.members else 'from '}{escape(deployment.origin)}{canary}"
        )
    if len(answering) > DEPLOYMENTS_SHOWN:
        console.print("[dim]and more · `noria deployments` lists them[/]")


@plainly
def why(
    loop: LoopName = None,
    event: Annotated[str | None, typer.Option("--event", help="Another decision than the newest; its id.")] = None,
    all_of_them: Annotated[bool, typer.Option("--all", help="Every decision with its chain, not only the newest.")] = False,
    limit: Annotated[int, typer.Option(help="With --all: how many decisions.", min=1, max=500)] = 20,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Say why: the whole chain of events behind a promotion, a refusal, a rollback, or a turn that did not happen."""
    opened = Opened(home)
    name = opened.loop(loop, alone=True)
    ledger = opened.world.ledger
    asked = [event] if event else [e.id for e in decisions(ledger, name, limit if all_of_them else 1)]
    if not asked:
        raise NotFound(f"nothing was decided about {name} yet", fix="`noria status` shows what is under way")
    chains = [chain(ledger, id) for id in asked]
    if event and not chains[0]:
        raise NotFound(f"there is no event {event}")
    if as_json:
        answer(chains if all_of_them else chains[0], as_json=True)
        return
    for events in reversed(chains):
        console.print(to_text(events), markup=False, soft_wrap=True)
        console.print()
    if not all_of_them:
        _other_decisions(ledger_decisions=decisions(ledger, name, 8)[1:], name=name)


@plainly
def doctor(home: Home = None, as_json: AsJson = False) -> None:
    """Check the home: processes, records, that every blob the records name is there and whole, and that notices reach people."""
    opened = Opened(home)
    blobs = opened.world.blobs
    missing: list[str] = []
    checked = 0
    for version in every_version(opened.world.records):
        for digest in filter(
            None, (version.candidate.artifact, version.code, version.family, version.reference, version.scorecard.examination)
        ):
            checked += 1
            if not blobs.has(digest):
                missing.append(f"{version.model}@{version.number}: {digest}")
    processes = {name: pid_of(opened.settings.folder, name) for name in NAMES}
    answering = {name: alive(url) for name, url in addresses(opened.settings).items()}
    plane = plane_numbers(opened.settings) if answering["dataplane"] else None
    problems = dict(plane.problems) if plane else {}
    found = {
        "home": str(opened.settings.folder),
        "records": opened.settings.records,
        "blobs": opened.settings.blobs,
        "processes": processes,
        "answering": answering,
        "blobs checked": checked,
        "missing": missing,
        "data plane": problems,
        "undelivered": (lost := failing(opened.world.documents)),
    }
    lines = [f"home      {found['home']}", f"records   {opened.settings.records}"]
    lines += [
        f"{name:9} {'pid ' + str(pid) if pid else '[dim]not running[/]'}{' · answers' if answering.get(name) else ''}"
        for name, pid in processes.items()
    ]
    lines.append(f"blobs     {opened.settings.blobs} · {checked - len(missing)} of {checked} in place")
    lines += [f"[red]missing[/]   {escape(one)}" for one in missing]
    lines += [f"[red]problem[/]   {escape(f'{what}: {why}')}" for what, why in problems.items()]
    lines += [f"[red]untold[/]    {escape(untold(one))}" for one in lost] or ["notices   all that were told have arrived"]
    answer(found, as_json=as_json, text="\n".join(lines))
    if missing:
        raise typer.Exit(1)


def _status(opened: Opened, state: LoopState) -> Status:
    documents = opened.world.documents
    turns = documents.find(Turn, where={"loop": state.name}, newest_first=True, limit=1)
    return Status(
        loop=state,
        turn=turns[0] if turns else None,
        steps=tuple(opened.world.engine.steps(turns[0].id)) if turns else (),
        rollout=open_rollout(documents, state.name),
        incidents=tuple(documents.find(Incident, where={"loop": state.name, "state": "open"})),
        untold=tuple(failing(documents, state.name)),
    )


def _halted(state: LoopState) -> str:
    if state.held:
        return f" · [red]held[/], {escape(state.held)}"
    return " · [yellow]paused[/]" if state.paused else ""


def _show(one: Status) -> None:
    state = one.loop
    champion = f"champion v{state.champion}" if state.champion else "no champion yet"
    console.print(f"[bold]{state.name}[/]  {champion} · {state.phase}{_halted(state)}")
    console.print(f"  next      {escape(state.next_action)}", soft_wrap=True)
    if state.last_decision:
        console.print(f"  decided   {escape(state.last_decision)}", soft_wrap=True)
    if one.turn is not None:
        table = Table.grid(padding=(0, 1))
        for step in (step for step in one.steps if step.name != "told"):
            table.add_row(
                "   ", MARKS.get(step.state, "·"), step.name, f"[dim]{step.seconds:.1f} s[/]" if step.seconds else "", escape(step.note)
            )
        console.print(
            f"  turn {one.turn.number}    {one.turn.state} · on a {one.turn.signal.cause} signal · {escape(one.turn.outcome)}",
            soft_wrap=True,
        )
        console.print(table)
    if one.rollout is not None:
        console.print(
            f"  rollout   v{one.rollout.challenger} against v{one.rollout.champion} · {one.rollout.place} · {escape(one.rollout.reason)}",
            soft_wrap=True,
        )
        for guard in one.rollout.looks:
            console.print(f"            {escape(said(guard))}", soft_wrap=True)
    for incident in one.incidents:
        console.print(f"  [red]incident[/]  {escape(incident.title)} [dim]since {incident.opened_at:%Y-%m-%d %H:%M}[/]", soft_wrap=True)
    for way in one.untold:
        console.print(f"  [red]untold[/]    {escape(untold(way))}", soft_wrap=True)


def untold(way: Delivery) -> str:
    """A delivery that did not arrive, in words."""
    state = "given up" if way.progress is Progress.UNDELIVERED else "tried again"
    return f"{way.notice} did not reach {way.channel}, {state} after {way.tries} tries: {way.said}"


def _other_decisions(*, ledger_decisions: list[Event], name: str) -> None:
    if not ledger_decisions:
        return
    console.print("[dim]decisions before this one:[/]")
    for event in ledger_decisions:
        console.print(f"[dim]  {event.at:%Y-%m-%d %H:%M}  {event.kind:20} {escape(headline(event))}[/]", soft_wrap=True)
    console.print(f"[dim]read them all with `noria why {name} --all`[/]")
