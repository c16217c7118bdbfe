"""Weighs waiting signals and opens turns: the place where monitoring meets training again."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from datetime import datetime

from noria.core.errors import Conflict
from noria.core.ids import new_id
from noria.core.moments import spoken, to_ms
from noria.core.turning import Cause, Signal, Turn, TurnState
from noria.core.watching import Incident
from noria.durable.journal import put_turn
from noria.loop.policy import ORDERED, Decision, Facts, weigh
from noria.loop.probing import newest_judgement
from noria.loop.states import amend, open_turns, state_of
from noria.loop.world import Declared, World
from noria.ports.records import Write
from noria.stages.registry import aliases, versions
from noria.stages.serving import log


def weigh_signals(world: World, declared: Declared, now: datetime) -> Turn | None:
    """Weigh every new signal of the loop; opens at most one turn and returns it."""
    name = declared.loop.name
    signals = new_signals(world, name)
    if not signals:
        return None
    gone = [signal for signal in signals if not _stands(world, signal)]
    for signal in gone:
        world.documents.put_signal(signal, "declined")
    standing = [signal for signal in signals if signal not in gone]
    if not standing:
        return None
    facts = gather_facts(world, declared, now)
    for signal in sorted(standing, key=lambda s: s.cause not in ORDERED):
        decision = weigh(declared.loop.retrain, signal, facts)
        if decision.turn:
            return _open(world, declared, signal, decision, now)
        _decline(world, signal, decision, facts)
    return None


def ask_regularly(world: World, declared: Declared, since: datetime, now: datetime) -> None:
    """Give a signal when the judge of expected gain was not asked for as long as the policy says; one at a time.

    Args:
        since: When the champion began to reign.
    """
    name, every = declared.loop.name, declared.loop.retrain.ask
    if every is None or now - since < every or open_turns(world.documents, name):
        return
    asked = newest_judgement(world.documents, name)
    last = since if asked is None else max(since, asked.at)
    periods = (now - last) // every
    prefix = f"signal_look_{name}_"
    if periods < 1 or any(one.id.startswith(prefix) for one in world.documents.find(Signal, where={"loop": name, "state": "new"})):
        return
    reason = f"nothing was asked for {spoken(periods * every)}: is there something to gain?"
    signal = Signal(id=f"{prefix}{to_ms(last)}_{periods}", loop=name, cause=Cause.SCHEDULE, reason=reason, at=now)
    with contextlib.suppress(Conflict):
        world.documents.put_signal(signal, "new", expect=0)


def new_signals(world: World, loop: str) -> list[Signal]:
    """Signals that wait for an answer: new ones, and those whose turn ended while their incident stayed open.

    A promotion closes every incident, so one that is open was not answered: its turn was refused,
    rolled back or failed, and the policy weighs it again.
    """
    used = world.documents.find(Signal, where={"loop": loop, "state": "used"}, newest_first=True)
    return world.documents.find(Signal, where={"loop": loop, "state": "new"}) + [s for s in used if _incidents(world, s, still_open=True)]


def gather_facts(world: World, declared: Declared, now: datetime) -> Facts:
    """What the retrain policy may look at, from the records."""
    name, retrain = declared.loop.name, declared.loop.retrain
    state = state_of(world.documents, name)
    turns = world.documents.find(Turn, where={"loop": name}, newest_first=True, limit=1_000)
    turned = [turn for turn in turns if turn.state is not TurnState.DECLINED]
    automatic = [turn for turn in turned if turn.signal.cause not in ORDERED and now - turn.created_at < retrain.per]
    last_turn_at = max((turn.created_at for turn in turned), default=None)
    probed = newest_judgement(world.documents, name) if retrain.probe else None
    return Facts(
        now=now,
        turn_open=any(turn.state is TurnState.OPEN for turn in turns),
        paused=state.paused,
        last_turn_at=last_turn_at,
        turns_in_period=len(automatic),
        new_labels=_new_labels(world, name),
        probed=probed if probed is not None and (last_turn_at is None or probed.at >= last_turn_at) else None,
    )


def _new_labels(world: World, name: str) -> int:
    number = aliases.current(world.records, name, "champion")
    if number is None:
        return 0
    learnt_until = versions.get(world.records, name, number).scorecard.end
    return log.labelled(world.log_folder, name, since=learnt_until).height


def _stands(world: World, signal: Signal) -> bool:
    """A signal that an incident gave lapses with it."""
    return not _incidents(world, signal) or bool(_incidents(world, signal, still_open=True))


def _incidents(world: World, signal: Signal, *, still_open: bool = False) -> list[Incident]:
    """The incidents behind a signal."""
    opened = [event.removesuffix(":opened") for event in signal.events if event.endswith(":opened")]
    found = [world.documents.get(Incident, id) for id in opened]
    return [incident for incident in found if incident is not None and not (still_open and incident.closed_at)]


def _open(world: World, declared: Declared, signal: Signal, decision: Decision, now: datetime) -> Turn | None:
    name = declared.loop.name
    number = 1 + max((turn.number for turn in world.documents.find(Turn, where={"loop": name}, newest_first=True, limit=1_000)), default=0)
    turn = Turn(
        id=new_id("turn", to_ms(now) + number),  # ids sort by number even when a turned clock stands still between two turns
        loop=name,
        number=number,
        state=TurnState.OPEN,
        signal=signal,
        code=declared.code,
        created_at=now,
    )
    started = world.ledger.event(
        "turn.started",
        loop=name,
        subject=name,
        by=signal.by,
        reasons=(f"turn {number}, on a {signal.cause} signal", *decision.reasons),
        because=signal.events,
        turn=turn.id,
        id=f"{turn.id}:started",
    )
    writes: list[Write] = [
        put_turn(turn, expect=0),
        world.ledger.line(started),
        world.documents.write(signal, index={"state": "used"}),
    ]
    said = f"turn {number} started: {signal.reason}"
    try:
        amend(
            world.documents,
            name,
            lambda s: replace(
                s,
                phase="turning",
                turn=turn.id,
                last_turn_at=now,
                last_decision=said,
                last_decision_event=started.id,
                next_action="trains a challenger",
            ),
            also=writes,
        )
    except Conflict:
        if open_turns(world.documents, name):
            return None
        raise
    return turn


def _decline(world: World, signal: Signal, decision: Decision, facts: Facts) -> None:
    """Say no, once for each new set of reasons since the last turn."""
    kinds = "+".join(decision.kinds)
    if "turn-open" in decision.kinds:
        return
    event = world.ledger.event(
        "policy.declined",
        loop=signal.loop,
        subject=signal.loop,
        reasons=(f"not retrained on “{signal.reason}”, because", *decision.reasons),
        because=signal.events,
        id=f"{signal.id}:declined:{kinds}:{to_ms(facts.last_turn_at) if facts.last_turn_at else 0}",
    )
    if world.ledger.get([event.id]):
        return
    said = f"not retrained: {'; '.join(decision.reasons)}"
    amend(
        world.documents,
        signal.loop,
        lambda s: replace(s, last_decision=said, last_decision_event=event.id, next_action=f"weighs again: {signal.reason}"),
        also=[world.ledger.line(event)],
    )
