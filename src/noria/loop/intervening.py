"""What a person does to a rollout from outside: kill it and hold the loop, or decide on a shadow that is over."""

from __future__ import annotations

from dataclasses import dataclass, replace

from noria.core.errors import Conflict, NotAllowed
from noria.core.judging import Approval
from noria.core.state import LoopState
from noria.core.turning import Event, Rollout, RolloutPhase, Turn
from noria.loop.looks import Look, promoted, taken_out
from noria.loop.phases import tell_phase
from noria.loop.planning import CHAMPION, bring_out, open_rollout
from noria.loop.states import amend, state_of
from noria.loop.steering import told
from noria.loop.world import World
from noria.ports.records import Write
from noria.stages.registry import aliases
from noria.stages.serving import killing

_TRIES = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Killed:
    """What a kill switch did.

    Attributes:
        gone: The version that answers nobody any more; None where nothing answered, or nothing else could.
        champion: The version that answers now.
    """

    loop: str
    gone: int | None
    champion: int | None


def kill(world: World, loop: str, *, by: str, reason: str) -> Killed:
    """Take the challenger out at once, or with none go back to the champion before; and hold the loop.

    The hold is written first, so no other challenger comes in meanwhile, and one that is just being
    promoted is not crowned. What others write at the same moment is met by trying again.

    Raises:
        NotFound: no such loop.
    """
    state_of(world.documents, loop)
    running, champion = open_rollout(world.documents, loop), aliases.current(world.records, loop, CHAMPION)
    gone = champion if running is None else running.challenger
    event = world.ledger.event(
        "loop.killed",
        loop=loop,
        subject=loop if gone is None else f"{loop}@{gone}",
        by=by,
        reasons=_reasons(world, loop, running, champion, reason),
    )
    amend(
        world.documents,
        loop,
        lambda state: replace(state, paused=True, held=f"killed by {by}" + f": {reason}" * bool(reason)),
        also=[world.ledger.line(event)],
    )
    left = _taken_out(world, loop, gone, challenger=running is not None, by=by, reason=reason)
    bring_out(world)
    tell_phase(world.documents, loop)
    return Killed(loop=loop, gone=gone if left else None, champion=aliases.current(world.records, loop, CHAMPION))


def _reasons(world: World, loop: str, running: Rollout | None, champion: int | None, reason: str) -> tuple[str, ...]:
    back = aliases.previous(world.records, loop, CHAMPION)
    if running is not None:
        what = f"challenger v{running.challenger} is taken out; v{running.champion} stays champion"
    elif champion is not None and back is not None:
        what = f"champion v{champion} is taken out; v{back} answers in its place"
    else:
        what = "there is no version to go back to" if champion is not None else "nothing answers yet"
    return tuple(filter(None, (what, reason, "no challenger comes in until `noria resume`")))


def _taken_out(world: World, loop: str, gone: int | None, *, challenger: bool, by: str, reason: str) -> bool:
    """Whether the version is out; it is the champion's turn to go where a challenger was promoted meanwhile."""
    for _ in range(_TRIES):
        running = open_rollout(world.documents, loop)
        champion = aliases.current(world.records, loop, CHAMPION)
        if running is not None:
            if end(world, running, f"killed by {by}: {reason}"):
                return True
            continue
        back = aliases.previous(world.records, loop, CHAMPION)
        if champion is None or (challenger and champion != gone):
            return challenger
        if back is None:
            return False
        try:
            at = world.clock.now()
            aliases.move(world.records, loop, CHAMPION, back, expect=champion, by=by, reason=f"killed: {reason}", at=at)
        except Conflict:
            continue
        return True
    raise Conflict(f"{loop} moved {_TRIES} times while it was being killed", fix="order it again")


def end(world: World, running: Rollout, reason: str) -> bool:
    """Take a rollout's challenger out by a person's order; False when it had ended in another way by then."""
    for _ in range(_TRIES):
        found = world.documents.revision(Rollout, running.id)
        assert found is not None
        if found[0].ended_at is not None:
            return found[0].phase is RolloutPhase.ROLLED_BACK
        if _ended(world, taken_out(found[0], world.clock.now(), [reason]), found[1]):
            return True
    raise Conflict(f"{running.id} moved {_TRIES} times while it was being ended", fix="order it again")


def accept(world: World, running: Rollout, reason: str) -> None:
    """Let a rollout's challenger be promoted by a person's order.

    Raises:
        Conflict: the rollout moved meanwhile.
    """
    found = world.documents.revision(Rollout, running.id)
    assert found is not None
    if not _ended(world, promoted(found[0], world.clock.now(), [reason]), found[1]):
        raise Conflict(f"{running.id} moved while it was being promoted", fix="order it again")


def decide(world: World, turn: Turn, *, granted: bool, by: str, reason: str, only: str = "") -> Approval:
    """Decide on the challenger of a shadow that is over.

    Args:
        only: Who alone may decide; "" for anyone.

    Raises:
        NotAllowed: the rollout of this turn asks nobody, or another person decides.
    """
    running = open_rollout(world.documents, turn.loop)
    if running is None or running.turn != turn.id or not running.asks:
        raise NotAllowed(f"turn {turn.number} of {turn.loop} waits for no approval (it is in {turn.step or turn.state})")
    if only and by != only:
        raise NotAllowed(f"only {only} may decide on {turn.loop}, and {by} asks", fix=f"let {only} do it")
    found = world.documents.revision(Rollout, running.id)
    assert found is not None
    word, now = "granted" if granted else "refused", world.clock.now()
    event = world.ledger.event(f"approval.{word}", loop=turn.loop, subject=turn.id, by=by, reasons=(reason,), turn=turn.id)
    said = f"{word} by {by}: {reason}"
    seen = promoted(found[0], now, [said]) if granted else taken_out(found[0], now, [said])
    if not _ended(world, seen, found[1], event):
        raise Conflict(f"{running.id} moved meanwhile", fix="order it again")
    return Approval(turn=turn.id, granted=granted, by=by, reason=reason, at=now)


def take_up(world: World) -> list[Killed]:
    """Do what was ordered where the data plane of this home runs, and take the order there back when the plan says the same."""
    file = world.home / "dataplane" / killing.FILE
    if not file.exists():
        return []
    done = []
    for loop, order in killing.killed(file).items():
        if world.documents.get(LoopState, loop) is None:
            continue
        champion, running = aliases.current(world.records, loop, CHAMPION), open_rollout(world.documents, loop)
        at_work = {champion, running.challenger if running else None}
        if champion is not None and (at_work & set(order.versions) or not state_of(world.documents, loop).held):
            done.append(_taken_up(world, loop, order.versions, order.by, f"{order.because} (ordered at the data plane, {order.at})"))
        killing.lift(file, loop)
    return done


def _taken_up(world: World, loop: str, versions: tuple[int, ...], by: str, reason: str) -> Killed:
    champion, running = aliases.current(world.records, loop, CHAMPION), open_rollout(world.documents, loop)
    if running is not None or champion in versions:
        return kill(world, loop, by=by, reason=reason)
    event = world.ledger.event("loop.killed", loop=loop, subject=loop, by=by, reasons=(reason, "what it names answers nobody any more"))
    amend(
        world.documents,
        loop,
        lambda state: replace(state, paused=True, held=f"killed by {by}: {reason}"),
        also=[world.ledger.line(event)],
    )
    tell_phase(world.documents, loop)
    return Killed(loop=loop, gone=None, champion=champion)


def _ended(world: World, seen: Look, revision: int, event: Event | None = None) -> bool:
    writes: list[Write] = [world.documents.write(seen.rollout, expect=revision), *told(world, seen)]
    if event is not None:
        writes.append(world.ledger.line(event))
    try:
        world.records.commit(*writes)
    except Conflict:
        return False
    world.engine.wake(seen.rollout.turn)
    return True
