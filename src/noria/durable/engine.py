"""Drives turns: any process may, one at a time, from wherever the last one stopped or died."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta

from noria.core.errors import Conflict, LeaseLost, NotAllowed, NotFound, Unavailable
from noria.core.turning import Step, Turn, TurnState
from noria.durable.journal import Stored, put_turn, read_steps, read_turn
from noria.durable.lease import Lease
from noria.durable.trip import Asleep, Ended, OnFailure, Trip
from noria.ports import wire
from noria.ports.clock import Clock
from noria.ports.records import Records, Write

Script = Callable[[Trip], None]

_OPEN_LIMIT = 10_000
_TRIES = 100


class Engine:
    """Opens turns and drives them through their scripts. Thread-safe; a turn is driven by one thread at a time.

    A turn is a document with a lease. Driving takes the lease by compare-and-set, runs the script
    from its top (journalled steps answer from the journal) and lets go. A driver that dies loses
    its lease by the wall clock, and any other takes over; one that only seemed dead cannot write any more.

    Args:
        clock: Event time: `wake_at`, and the times of turns and steps.
        wall: Wall time, shared by all drivers to within a fraction of `lease`.
        owner: This process's name, different from every other process's that is alive.
        lease: How long after its last renewal a silent driver counts as dead.
        backoff: Wall time before a failed step is tried again; doubles with each attempt, up to a minute.
    """

    def __init__(
        self,
        records: Records,
        *,
        clock: Clock,
        wall: Clock,
        owner: str,
        lease: timedelta = timedelta(seconds=30),
        backoff: timedelta = timedelta(seconds=1),
    ) -> None:
        self._records = records
        self._clock = clock
        self._wall = wall
        self._owner = owner
        self._span = lease
        self._backoff = backoff
        self._lock = threading.Lock()
        self._driving: set[str] = set()
        self._since: dict[tuple[str, str], float] = {}

    def open(self, turn: Turn, *, also: Sequence[Write] = ()) -> Turn:
        """Store a new turn, atomically with `also`.

        Raises:
            Conflict: a turn with this id exists, or an `expect` in `also` does not hold.
        """
        self._records.commit(put_turn(turn, expect=0), *also)
        return turn

    def get(self, turn_id: str) -> Turn:
        """The turn as it is stored now.

        Raises:
            NotFound: there is no such turn.
        """
        return self._stored(turn_id).turn

    def steps(self, turn_id: str) -> list[Step]:
        """The turn's steps in the order in which they first began."""
        return read_steps(self._records, turn_id)

    def due(self) -> list[Turn]:
        """Open turns that are awake by event time and that nobody else drives, oldest id first."""
        return [turn for turn in self._awake() if self._may_take(turn) and turn.id not in self._driving]

    def elsewhere(self) -> bool:
        """Whether some turn is awake that another process drives, or drove until its lease runs out."""
        return not all(self._may_take(turn) for turn in self._awake())

    def drive(self, turn: Turn, script: Script, *, on_failure: OnFailure | None = None) -> Turn:
        """Run `script` on the turn until it ends, falls asleep or fails; returns the turn as it is stored then.

        Where another driver holds the turn, or takes it over meanwhile, nothing happens (any more).
        A script that returns has ended: DONE. One that raises outside of any step fails the turn.

        Args:
            on_failure: Given the turn as it fails and the failed step: writes for that same commit.

        Raises:
            Unavailable: the records do not answer; the turn stays open.
            NotFound: there is no such turn.
        """
        with self._alone(turn.id) as alone:
            lease = self._claim(turn.id) if alone else None
            if lease is not None:
                with lease:
                    self._run(lease, script, on_failure)
        return self.get(turn.id)

    def wake(self, turn_id: str) -> None:
        """Make the turn due now: what it waits for may be there. Nothing happens to one that has ended.

        Raises:
            NotFound: there is no such turn.
        """
        for _ in range(_TRIES):
            stored = self._stored(turn_id)
            if stored.turn.state is not TurnState.OPEN:
                return
            held_until = stored.turn.lease_until if stored.turn.owner else None
            if self._written(stored, replace(stored.turn, wake_at=None, lease_until=held_until)):
                return
        raise Conflict(f"{turn_id} moved {_TRIES} times while it was being woken")

    def cancel(self, turn_id: str, reason: str, *, also: Sequence[Write] = ()) -> Turn:
        """End the turn as CANCELLED, atomically with `also`; its driver, if any, cannot write any more.

        Raises:
            NotAllowed: it has ended.
            NotFound: there is no such turn.
        """
        for _ in range(_TRIES):
            stored = self._stored(turn_id)
            if stored.turn.state is not TurnState.OPEN:
                raise NotAllowed(f"{turn_id} has ended already: {stored.turn.state}")
            ended = replace(
                stored.turn,
                state=TurnState.CANCELLED,
                outcome=reason,
                ended_at=self._clock.now(),
                token=stored.turn.token + 1,
                owner="",
                lease_until=None,
                wake_at=None,
            )
            if self._written(stored, ended, *also):
                return ended
        raise Conflict(f"{turn_id} moved {_TRIES} times while it was being cancelled")

    def _run(self, lease: Lease, script: Script, on_failure: OnFailure | None) -> None:
        try:
            trip = Trip(lease, self._records, clock=self._clock, backoff=self._backoff, since=self._since, on_failure=on_failure)
            try:
                script(trip)
                trip.end(TurnState.DONE, "")
            except (LeaseLost, Unavailable):
                raise
            except Exception as error:  # noqa: BLE001 - journalled
                trip.fail(error)
        except (Asleep, Ended, LeaseLost):
            return
        except BaseException:
            lease.release()
            raise

    def _claim(self, turn_id: str) -> Lease | None:
        stored = self._stored(turn_id)
        turn = stored.turn
        if turn.state is not TurnState.OPEN or not self._may_take(turn):
            return None
        token = turn.token + 1 if turn.owner else turn.token
        taken = replace(turn, owner=self._owner, lease_until=self._wall.now() + self._span, token=token, wake_at=None)
        if not self._written(stored, taken):
            return None
        return Lease(self._records, Stored(taken, stored.revision + 1), wall=self._wall, span=self._span)

    def _awake(self) -> list[Turn]:
        now = self._clock.now()
        turns = [wire.load(record.body, Turn) for record in self._records.find("turn", where={"state": "open"}, limit=_OPEN_LIMIT)]
        return [turn for turn in turns if turn.wake_at is None or turn.wake_at <= now]

    def _may_take(self, turn: Turn) -> bool:
        return turn.lease_until is None or turn.lease_until <= self._wall.now() or turn.owner == self._owner

    def _written(self, stored: Stored, turn: Turn, *writes: Write) -> bool:
        try:
            self._records.commit(put_turn(turn, expect=stored.revision), *writes)
        except Conflict:
            return False
        return True

    def _stored(self, turn_id: str) -> Stored:
        stored = read_turn(self._records, turn_id)
        if stored is None:
            raise NotFound(f"there is no turn {turn_id}")
        return stored

    @contextmanager
    def _alone(self, turn_id: str) -> Iterator[bool]:
        """Whether no other thread of this process drives the turn; until the end of the block none will."""
        with self._lock:
            alone = turn_id not in self._driving
            self._driving.add(turn_id)
        try:
            yield alone
        finally:
            if alone:
                with self._lock:
                    self._driving.discard(turn_id)
