"""Writes down, for people, where a loop is and what comes next."""

from __future__ import annotations

from dataclasses import replace

from noria.core.turning import Rollout, RolloutPhase, Turn, TurnState
from noria.ledger.documents import Documents
from noria.loop.planning import CHAMPION, open_rollout
from noria.loop.states import amend, state_of
from noria.stages.registry import aliases


def tell_phase(documents: Documents, name: str) -> None:
    """Write down, for people, where the loop is now and what comes next."""
    newest = next(iter(documents.find(Turn, where={"loop": name}, newest_first=True, limit=1)), None)
    rollout = open_rollout(documents, name)
    champion = aliases.current(documents.records, name, CHAMPION)
    phase, following = _phase(newest, rollout, champion, state_of(documents, name).held)
    amend(
        documents,
        name,
        lambda state: replace(
            state,
            phase=phase,
            next_action=following or state.next_action,
            turn=newest.id if newest else "",
            champion=champion,
            challenger=rollout.challenger if rollout else None,
        ),
    )


def _phase(newest: Turn | None, rollout: Rollout | None, champion: int | None, held: str) -> tuple[str, str]:
    turn = newest if newest is not None and newest.state is TurnState.OPEN else None
    if turn is not None and turn.step == "approval":
        return "waiting-for-approval", f"waits for `noria approve {turn.loop}`"
    if rollout is not None and rollout.asks:
        return "waiting-for-approval", f"v{rollout.challenger}: {rollout.reason}"
    if held and rollout is None:
        return ("turning" if turn else "serving"), f"held, {held}: no challenger comes in until `noria resume`"
    if rollout is not None:
        place = "shadow" if rollout.phase is RolloutPhase.SHADOW else f"{rollout.share:.0%} of traffic"
        if rollout.kind in ("bluegreen", "interleave"):
            place = rollout.place
        return "rolling-out", f"v{rollout.challenger} in {place}; {rollout.reason or 'first look soon'}"
    if turn is not None:
        return "turning", f"turn {turn.number} is in {turn.step or 'its first step'}"
    if champion is not None:
        return "serving", "watches"
    if newest is None:
        return "newborn", "waits for its first turn"
    return "newborn", f"turn {newest.number} gave it no champion: mend the loop file and run `noria up` again, or `noria turn`"
