"""One process's right to drive one turn: kept alive by a thread, checked at every write."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

from noria.core.errors import Conflict, LeaseLost, Unavailable
from noria.core.turning import Turn, TurnState
from noria.durable.journal import Stored, put_turn, read_turn
from noria.ports.clock import Clock
from noria.ports.records import Records, Write


class Lease:
    """The turn as its driver holds it; all its writes go through here, so none is made after a take-over.

    Thread-safe. As a context it renews itself every third of its span.

    Attributes:
        nudged: Somebody else wrote to the turn without taking it (a wake-up): it must not fall asleep
            on a look that may have come before. Whoever looks sets it back first.
    """

    def __init__(self, records: Records, stored: Stored, *, wall: Clock, span: timedelta) -> None:
        self.nudged = False
        self._records = records
        self._turn = stored.turn
        self._revision = stored.revision
        self._wall = wall
        self._span = span
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._keeper = threading.Thread(target=self._keep, name=f"lease of {stored.turn.id}", daemon=True)

    @property
    def turn(self) -> Turn:
        """The turn as this process last wrote or read it."""
        return self._turn

    def write(self, change: Callable[[Turn], Turn], *writes: Write) -> None:
        """Commit the changed turn and `writes` together if the lease is still ours.

        Raises:
            LeaseLost: another process took the turn over, or it has ended; nothing was written.
            Conflict: an `expect` among `writes` does not hold; nothing was written.
        """
        with self._lock:
            while True:
                changed = change(self._turn)
                try:
                    self._records.commit(put_turn(changed, expect=self._revision), *writes)
                except Conflict:
                    if not self._caught_up():
                        raise
                else:
                    self._turn, self._revision = changed, self._revision + 1
                    return

    def sleep(self, step: str, until: datetime | None, *writes: Write) -> None:
        """Let go of the turn until event time `until` (None = it is due at once, as it is when it was nudged)."""
        self.write(lambda turn: replace(turn, step=step, owner="", lease_until=None, wake_at=None if self.nudged else until), *writes)

    def rest(self, step: str, span: timedelta, *writes: Write) -> None:
        """Let go of the turn for a span of wall time: for so long nobody may take it."""
        self.write(lambda turn: replace(turn, step=step, owner="", lease_until=self._wall.now() + span, wake_at=None), *writes)

    def release(self) -> None:
        """Let go of the turn if the records answer; else the lease runs out by itself."""
        try:
            self.sleep(self._turn.step, None)
        except (Conflict, Unavailable):
            return

    def __enter__(self) -> Lease:
        self._keeper.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._keeper.join()

    def _caught_up(self) -> bool:
        """After a conflict: adopt what somebody else wrote to the turn; False if it had not moved at all."""
        stored = read_turn(self._records, self._turn.id)
        if stored is None or (stored.turn.owner, stored.turn.token, stored.turn.state) != (
            self._turn.owner,
            self._turn.token,
            TurnState.OPEN,
        ):
            raise LeaseLost(f"{self._turn.id} is not driven by {self._turn.owner} any more")
        if stored.revision == self._revision:
            return False
        self._turn, self._revision, self.nudged = stored.turn, stored.revision, True
        return True

    def _keep(self) -> None:
        while not self._over.wait(self._span.total_seconds() / 3):
            try:
                self.write(lambda turn: replace(turn, lease_until=self._wall.now() + self._span))
            except LeaseLost:
                return
            except Unavailable:
                continue
