"""Turns the wheel: one pass after another over all that is due, in whichever process holds the duty."""

from __future__ import annotations

import logging
import threading
from dataclasses import replace
from datetime import datetime

from noria.core.errors import NoriaError
from noria.core.state import LoopState
from noria.core.turning import Turn, TurnState
from noria.durable.trip import Trip
from noria.ledger.documents import Documents
from noria.loop import turn as turning
from noria.loop.deploying import Deployments
from noria.loop.drilling import finish_heard
from noria.loop.duty import Duty
from noria.loop.enrol import in_force
from noria.loop.ingest import ingest, tidy_log
from noria.loop.intervening import take_up
from noria.loop.keeping import Keeper
from noria.loop.monitors.span import Watched, watched_champion
from noria.loop.phases import tell_phase
from noria.loop.planning import CHAMPION, bring_out
from noria.loop.states import amend, open_turns, state_of
from noria.loop.telling import tell_digest
from noria.loop.triggers import ask_regularly, new_signals, weigh_signals
from noria.loop.watching import watch
from noria.loop.world import Declared, World
from noria.stages.registry import aliases
from noria.stages.serving.plan_shards import PlanReader

IDLE_S, BUSY_S = 0.5, 0.03
TIDY_EVERY = 28
"""Compactions between two merges of the prediction log's small files."""
logger = logging.getLogger("noria.wheel")


class Wheel:
    """Drives every loop of a home; several processes may run one each.

    Turns are shared between them by their leases. The rest (taking in the journal, feature
    upkeep, monitors, the plan) is one duty that one process at a time holds.
    """

    def __init__(self, world: World, *, duty: Duty) -> None:
        self._world = world
        self._duty = duty
        self._keeper = Keeper(world)
        self._deployments = Deployments(world)
        self._plan = PlanReader(world.plan_file)
        self._declared: dict[str, Declared] = {}
        self._champions: dict[str, Watched] = {}
        self._weighed: dict[str, set[str]] = {}
        self._compacted_at: datetime | None = None
        self._compactions = 0
        self._moved = threading.Condition()
        self._passes_begun = 0
        self._quiet_after = -1
        self._stop = threading.Event()

    def run(self) -> None:
        """Pass after pass until `stop`; a pass that fails is told and tried again."""
        while not self._stop.is_set():
            busy = quiet = False
            with self._moved:
                self._passes_begun += 1
                this = self._passes_begun
            try:
                busy = self.once()
                quiet = not busy and not self._left_to_others()
            except NoriaError as error:
                logger.warning("a pass failed and is tried again: %s", error)
            except Exception:
                logger.exception("a pass failed and is tried again")
            with self._moved:
                if quiet:
                    self._quiet_after = this
                self._moved.notify_all()
                if not self._stop.is_set():
                    self._moved.wait(BUSY_S if busy else IDLE_S)
        self._duty.give_up()

    def stop(self) -> None:
        """End `run` after the pass that is under way."""
        self._stop.set()
        self.nudge()

    def nudge(self) -> None:
        """Something is there to do: do not wait for the next regular pass."""
        with self._moved:
            self._moved.notify_all()

    def settle(self, at: datetime, timeout_s: float) -> bool:
        """Wait until a pass that began at or after event time `at` found nothing left to do, for this process or another.

        What a process that was killed had in its hands is left to do until this one has taken it over.
        """
        with self._moved:
            if self._world.clock.now() < at:
                return False
            wanted = self._passes_begun + 1
            self._moved.notify_all()
            return self._moved.wait_for(lambda: self._quiet_after >= wanted or self._stop.is_set(), timeout_s) and not self._stop.is_set()

    def once(self) -> bool:
        """One pass; returns whether work is under way that wants another pass soon."""
        now = self._world.clock.now()
        loops = self._in_force()
        if self._duty.held():
            take_up(self._world)
            self._attend(loops, now)
        busy = False
        for turn in self._world.engine.due():
            declared = loops.get(turn.loop)
            if declared is not None:
                busy |= self._drive(turn, declared)
        if self._duty.held():
            bring_out(self._world)
        return busy

    def _left_to_others(self) -> bool:
        """Whether another process, dead or alive, has something in its hands that only its own pass could finish."""
        return not self._duty.held() or self._world.engine.elsewhere()

    def _attend(self, loops: dict[str, Declared], now: datetime) -> None:
        for declared in self._in_use(loops):
            self._keeper.advance(declared, now)
        if self._compacted_at is None or now - self._compacted_at >= self._world.cadence.compact:
            ingest(self._world)
            self._deployments.look_at_canaries()
            self._compacted_at = now
            self._compactions += 1
            if self._compactions % TIDY_EVERY == 0:
                tidy_log(self._world, loops, now)
        for name, declared in loops.items():
            self._set_right(name)
            tell_digest(self._world, name, now)
            finish_heard(self._world, name, self._world.wall)
            champion = self._champion(name)
            looked = champion is not None and watch(self._world, declared, champion, now) > 0
            if champion is not None:
                ask_regularly(self._world, declared, champion.since, now)
            if looked or self._unweighed(name):
                weigh_signals(self._world, declared, now)
                self._weighed[name] = {signal.id for signal in new_signals(self._world, name)}
                tell_phase(self._world.documents, name)

    def _set_right(self, name: str) -> None:
        """Tell people what whoever moved the loop could not tell any more: it was killed right after the move."""
        documents = self._world.documents
        state, under_way = state_of(documents, name), open_turns(documents, name)
        missed_end = state.phase in UNDER_WAY and not under_way
        if missed_end and (ended := documents.get(Turn, state.turn)):
            tell_end(documents, ended)
        if missed_end or state.champion != aliases.current(documents.records, name, CHAMPION):
            tell_phase(documents, name)

    def _unweighed(self, name: str) -> bool:
        """Whether a signal came since the loop's signals were last weighed; those that stand are weighed again at each look."""
        return bool({signal.id for signal in new_signals(self._world, name)} - self._weighed.get(name, set()))

    def _in_use(self, loops: dict[str, Declared]) -> list[Declared]:
        """Every declaration whose features are asked for: those in force, and those that serving versions were made by."""
        used = {(name, declared.code): declared for name, declared in loops.items()}
        plan = self._plan.read()
        for name, route in plan.routes.items() if plan else ():
            for version in (route.champion, route.challenger):
                if version is None or not version.code:
                    continue
                loop = version.loop or name
                if loop in loops and (loop, version.code) not in used:
                    used[loop, version.code] = self._as_of(loop, version.code, loops[loop])
        return list(used.values())

    def _drive(self, turn: Turn, declared: Declared) -> bool:
        """Drive one turn by the code that it began with; returns whether it wants another pass soon."""
        if turn.code != declared.code:
            declared = self._as_of(turn.loop, turn.code, declared)
        world = self._world

        def script(trip: Trip) -> None:
            turning.turn(trip, declared, world)

        after = world.engine.drive(turn, script, on_failure=lambda last, step: turning.failed(world, last, step))
        if after.state is not TurnState.OPEN:
            tell_end(world.documents, after)
        if after != turn:
            tell_phase(world.documents, turn.loop)
        return after.state is TurnState.OPEN and (after.wake_at is None or after.wake_at <= world.clock.now())

    def _as_of(self, name: str, code: str, declared: Declared) -> Declared:
        place = f"{name}@{code}"
        if place not in self._declared:
            state = LoopState(name=name, description="", file=str(declared.file), code=code, task=None, phase="")
            self._declared[place] = in_force(self._world, state)
        return self._declared[place]

    def _in_force(self) -> dict[str, Declared]:
        found = {}
        for state in self._world.documents.find(LoopState):
            known = self._declared.get(state.name)
            if known is None or known.code != state.code or str(known.file) != state.file:
                try:
                    known = self._declared[state.name] = in_force(self._world, state)
                except NoriaError as error:
                    logger.warning("%s cannot be read: %s", state.name, error)
                    continue
            found[state.name] = known
        return found

    def _champion(self, name: str) -> Watched | None:
        number = aliases.current(self._world.records, name, CHAMPION)
        if number is None:
            return None
        known = self._champions.get(name)
        if known is None or known.version.number != number:
            since = aliases.history(self._world.records, name, CHAMPION)[-1].at
            self._champions[name] = known = watched_champion(self._world, name, number, since)
        return known


UNDER_WAY = ("turning", "waiting-for-approval", "rolling-out")
"""Phases of a loop whose turn is open."""

ENDINGS = {
    TurnState.DONE: "champion",
    TurnState.REFUSED: "refused",
    TurnState.ROLLED_BACK: "rollout-ended",
    TurnState.FAILED: "failed",
    TurnState.DECLINED: "policy",
}
"""How a turn ended, to the name of the event that tells it (see `turn.Story`)."""


def tell_end(documents: Documents, turn: Turn) -> None:
    """Write down, for people, how a turn ended."""
    said = f"turn {turn.number} ended: {turn.outcome}"
    event = f"{turn.id}:{ENDINGS.get(turn.state, 'started')}"
    amend(documents, turn.loop, lambda state: replace(state, last_decision=said, last_decision_event=event))
