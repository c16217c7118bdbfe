"""What a person may order: turn, approve, promote, roll back, pause, drill. Each is on the record with who and why."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from noria.core.errors import NotAllowed, NotFound
from noria.core.ids import new_id
from noria.core.judging import Approval
from noria.core.moments import to_ms
from noria.core.registry import Deployment
from noria.core.state import LoopState
from noria.core.turning import Cause, Event, Signal, Turn, TurnState
from noria.loop import drills, intervening
from noria.loop.deploying import Deployments
from noria.loop.enrol import enrol, in_force
from noria.loop.phases import tell_phase
from noria.loop.planning import CHAMPION, bring_out, open_rollout
from noria.loop.states import amend, open_turns, state_of
from noria.loop.world import World
from noria.stages.governance import approvals
from noria.stages.registry import aliases, versions
from noria.stages.serving import killing


class Verbs:
    """A person's side of every loop of a home. Thread-safe: each verb is one compare-and-set.

    Attributes:
        deployments: The same of deployments without a loop.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self.deployments = Deployments(world)

    def up(self, file: Path) -> list[LoopState]:
        """Put the loops of a file in force.

        Raises:
            DeclarationInvalid: with every mistake in the file.
        """
        return enrol(self._world, file)

    def turn(self, loop: str, *, by: str, reason: str) -> str:
        """Give the loop a signal that no policy refuses; returns the signal's id.

        Raises:
            NotFound: no such loop.
            NotAllowed: a turn is open already.
        """
        state_of(self._world.documents, loop)
        under_way = open_turns(self._world.documents, loop)
        if under_way:
            raise NotAllowed(f"turn {under_way[0].number} of {loop} is under way ({under_way[0].step})", fix="wait for it: `noria status`")
        now = self._world.clock.now()
        event = self._event("signal.given", loop, by, (reason,))
        self._world.ledger.write(event)
        signal = Signal(id=new_id("signal", to_ms(now)), loop=loop, cause=Cause.MANUAL, reason=reason, at=now, by=by, events=(event.id,))
        self._world.documents.put_signal(signal, "new")
        return signal.id

    def approve(self, turn: str, *, granted: bool, by: str, reason: str) -> Approval:
        """Decide on a turn that waits for a person, by its gate or by its shadow; `turn` is its id or its loop's name.

        Raises:
            NotFound: no such turn.
            NotAllowed: it waits for nobody, or was decided already.
        """
        found = self._waiting(turn)
        if found.step == "rollout":
            return intervening.decide(self._world, found, granted=granted, by=by, reason=reason, only=self._approver(found))
        now = self._world.clock.now()
        word = "granted" if granted else "refused"
        event = self._world.ledger.event(
            f"approval.{word}",
            loop=found.loop,
            subject=found.id,
            by=by,
            reasons=(reason,),
            because=(f"{found.id}:verdict",),
            turn=found.id,
            id=f"{found.id}:approval",
        )
        approval = approvals.approve(
            self._world.records,
            found.id,
            granted=granted,
            by=by,
            reason=reason,
            at=now,
            only=self._approver(found),
            also=[self._world.ledger.line(event)],
        )
        self._world.engine.wake(found.id)
        return approval

    def promote(self, loop: str, version: int, *, by: str, reason: str) -> None:
        """Make a version champion now, past all gates; a running rollout ends. A deployment without a loop will do.

        Raises:
            NotFound: no such loop or version.
            NotAllowed: it is champion already.
        """
        if self._alone(loop):
            self.deployments.promote(loop, version, by=by, reason=reason)
            return
        state_of(self._world.documents, loop)
        versions.get(self._world.records, loop, version)
        self._move(loop, version, by=by, reason=reason, word="promoted by hand")

    def rollback(self, loop: str, *, by: str, reason: str) -> int:
        """End the running rollout, or go back to the champion before this one; returns the champion's number.

        A deployment without a loop will do.

        Raises:
            NotFound: no such loop.
            NotAllowed: there is nothing to go back to.
        """
        if self._alone(loop):
            return self.deployments.rollback(loop, by=by, reason=reason).version or 0
        state_of(self._world.documents, loop)
        running = open_rollout(self._world.documents, loop)
        champion = aliases.current(self._world.records, loop, CHAMPION)
        if running is not None and champion is not None:
            intervening.end(self._world, running, f"rolled back by {by}: {reason}")
            self._show(loop)
            return champion
        before = aliases.previous(self._world.records, loop, CHAMPION)
        if before is None:
            raise NotAllowed(f"{loop} has no champion before this one", fix="`noria turn` trains another")
        self._move(loop, before, by=by, reason=reason, word="rolled back by hand")
        return before

    def pause(self, loop: str, paused: bool, *, by: str, reason: str) -> None:
        """Stop or resume automatic turns; predictions and monitors go on. Resuming also ends the hold of a kill.

        Raises:
            NotFound: no such loop.
        """
        event = self._event("loop.paused" if paused else "loop.resumed", loop, by, (reason,))
        also = [self._world.ledger.line(event)]
        amend(self._world.documents, loop, lambda state: replace(state, paused=paused, held=state.held if paused else ""), also=also)
        if not paused:
            killing.lift(self._world.home / "dataplane" / killing.FILE, loop)
            tell_phase(self._world.documents, loop)
            for turn in open_turns(self._world.documents, loop):
                self._world.engine.wake(turn.id)

    def kill(self, loop: str, *, by: str, reason: str) -> intervening.Killed:
        """Take the challenger out, or with none the champion, at once; no other comes in until the loop is resumed.

        Raises:
            NotFound: no such loop.
        """
        return intervening.kill(self._world, loop, by=by, reason=reason)

    def drill(self, loop: str, fault: str, *, by: str, reason: str) -> None:
        """Let the loop's next challenger answer wrong, slow or not at all, to see it caught.

        Raises:
            NotFound: no such loop.
            NotAllowed: there is no such fault.
        """
        state_of(self._world.documents, loop)
        event = self._event("drill.armed", loop, by, (f"the next challenger will answer {fault}", reason))
        drill = drills.Drill(loop=loop, fault=fault, by=by, at=self._world.clock.now())
        drills.arm(self._world.records, drill, also=self._world.ledger.line(event))

    def cancel(self, loop: str, *, by: str, reason: str) -> Turn:
        """End the open turn of a loop.

        Raises:
            NotFound: no such loop.
            NotAllowed: no turn is open.
        """
        state_of(self._world.documents, loop)
        under_way = open_turns(self._world.documents, loop)
        if not under_way:
            raise NotAllowed(f"no turn of {loop} is under way")
        running = open_rollout(self._world.documents, loop)
        if running is not None:
            intervening.end(self._world, running, f"turn cancelled by {by}: {reason}")
        event = self._event("turn.cancelled", loop, by, (reason,))
        return self._world.engine.cancel(under_way[0].id, f"cancelled by {by}: {reason}", also=[self._world.ledger.line(event)])

    def _alone(self, name: str) -> bool:
        """Whether the name is a deployment's without a loop."""
        return self._world.documents.get(Deployment, name) is not None

    def _move(self, loop: str, version: int, *, by: str, reason: str, word: str) -> None:
        before = aliases.current(self._world.records, loop, CHAMPION)
        if before == version:
            raise NotAllowed(f"v{version} of {loop} is champion already")
        running = open_rollout(self._world.documents, loop)
        turn = ""
        if running is not None and running.challenger == version:
            turn = running.turn
            intervening.accept(self._world, running, f"promoted by {by}: {reason}")
        elif running is not None:
            intervening.end(self._world, running, f"overruled by {by}: {reason}")
        told_from = "none" if before is None else f"v{before}"
        event = self._world.ledger.event(
            "alias.moved",
            loop=loop,
            subject=f"{loop}@{version}",
            by=by,
            reasons=(f"champion: {told_from} → v{version}", f"{word}: {reason}"),
            turn=turn,
            id=f"{turn}:champion" if turn else "",
        )
        aliases.move(
            self._world.records,
            loop,
            CHAMPION,
            version,
            expect=before,
            by=by,
            reason=reason,
            at=self._world.clock.now(),
            turn=turn,
            also=[self._world.ledger.line(event)],
        )
        self._show(loop)

    def _show(self, loop: str) -> None:
        """Bring the plan out at once: a rollback works also while no control plane runs."""
        bring_out(self._world)
        tell_phase(self._world.documents, loop)

    def _approver(self, turn: Turn) -> str:
        """Who alone may decide on the turn, by the declaration that it began with; "" for anyone."""
        state = replace(state_of(self._world.documents, turn.loop), code=turn.code)
        gates = in_force(self._world, state).loop.gates
        return next((gate.by for gate in gates if gate.check == "approval" and gate.by), "")

    def _waiting(self, turn: str) -> Turn:
        found = self._world.documents.get(Turn, turn)
        if found is None:
            state_of(self._world.documents, turn)
            found = next(iter(open_turns(self._world.documents, turn)), None)
        if found is None:
            raise NotFound(f"no open turn of {turn}")
        if found.state is not TurnState.OPEN or found.step not in ("approval", "rollout"):
            raise NotAllowed(f"turn {found.number} of {found.loop} waits for no approval (it is in {found.step or found.state})")
        return found

    def _event(self, kind: str, loop: str, by: str, reasons: tuple[str, ...]) -> Event:
        return self._world.ledger.event(kind, loop=loop, subject=loop, by=by, reasons=reasons)
