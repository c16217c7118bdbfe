"""What a turn's script sees: steps that run once, waits that cost no thread, and an end."""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import NoReturn, TypeVar

from noria.core.errors import Conflict, JobFailed, LeaseLost, NoriaError, Unavailable, bounded
from noria.core.turning import Step, StepState, Turn, TurnState
from noria.durable.journal import StepJournal, put_step
from noria.durable.lease import Lease
from noria.ports import wire
from noria.ports.clock import Clock
from noria.ports.records import Records, Write

T = TypeVar("T")

UNTIL_WOKEN = datetime.max.replace(tzinfo=UTC)
"""`Turn.wake_at` of a turn that waits for somebody, not for a moment."""

OnFailure = Callable[[Turn, Step], Sequence[Write]]
"""Given the turn as it fails and the step that it failed in: what to write in the same commit."""

_BACKOFF_MOST = timedelta(seconds=60)
_END_RETRIES = 5
_FAILURE_TRIES = 3
_NOTE_EVERY_S = 0.5
_NOTE_LIMIT = 500


class Asleep(BaseException):
    """The script stops here for now; it is run again, from its top, when the turn is due."""


class Ended(BaseException):
    """The script stops here for good: the turn has ended."""


class Trip:
    """A turn under way. Its script calls these from top to bottom each time the turn is driven.

    A step is known by its name, unique within the turn: calling it again gives the journalled result.
    An action runs at least once and its result is kept once; what must happen exactly once is
    returned as writes from `commit`. `Asleep` and `Ended` are no `Exception`, so that a script can
    catch errors of its own without catching these. For one thread, but for `note`.

    Args:
        backoff: Wall time before a failed step is tried again; doubles with each attempt, up to a minute.
        since: When this process first looked at each waiting step; outlives the trip.
        on_failure: Asked for writes when a step fails the turn.
    """

    def __init__(
        self,
        lease: Lease,
        records: Records,
        *,
        clock: Clock,
        backoff: timedelta,
        since: dict[tuple[str, str], float],
        on_failure: OnFailure | None = None,
    ) -> None:
        self.clock = clock
        self._lease = lease
        self._records = records
        self._backoff = backoff
        self._since = since
        self._on_failure = on_failure
        self._journal = StepJournal(records, lease.turn.id)
        self._noting = threading.Lock()
        self._noted_at = float("-inf")
        self._running: Step | None = None
        self._note = ""

    @property
    def turn(self) -> Turn:
        """The turn as it stands."""
        return self._lease.turn

    def step(self, name: str, action: Callable[[], T], kind: type[T], *, retries: int = 0) -> T:
        """Run `action` unless its result is in the journal; give the result as the journal keeps it.

        Args:
            kind: What the result is read back as.
            retries: How often a failing action is tried again, on later drives, before the turn fails.

        Raises:
            LeaseLost: another process drives this turn now.
        """
        return self.commit(name, lambda: (action(), ()), kind, retries=retries)

    def commit(self, name: str, action: Callable[[], tuple[T, Sequence[Write]]], kind: type[T], *, retries: int = 0) -> T:
        """As `step`, with writes that are committed together with the result: exactly once.

        A `Conflict` of those writes is a failed attempt; a retry runs the action again, on fresh reads.
        """
        done = self._journal.done(name)
        if done:
            return wire.load(done.result, kind)
        step = self._begin(name)
        started = time.perf_counter()
        try:
            value, writes = action()
            text, result = _kept(value, kind)
        except LeaseLost:
            raise
        except Exception as error:  # noqa: BLE001 - journalled
            self._fail(step, error, retries, seconds=time.perf_counter() - started)
        seconds = time.perf_counter() - started
        try:
            self._finish(step, text, seconds, writes)
        except LeaseLost:
            raise
        except Conflict as error:
            self._fail(step, error, retries, seconds=seconds)
        return result

    def poll(self, name: str, look: Callable[[], T | None], kind: type[T], *, retries: int = 0) -> T:
        """Look whether something is there; while it is None the turn waits, due again as soon as a driver comes by.

        So it does when the look's own writes meet a `Conflict`: what moved is seen by the next look.
        """
        return self._look(name, look, kind, lambda: None, retries)

    def wait(self, name: str, look: Callable[[], T | None], kind: type[T], *, every: timedelta | None, retries: int = 0) -> T:
        """As `poll`, but due again after `every` so much event time, or when `Engine.wake` is called (None: only then)."""
        return self._look(name, look, kind, lambda: UNTIL_WOKEN if every is None else self.clock.now() + every, retries)

    def begun(self, name: str) -> bool:
        """Whether a step of that name was ever begun in this turn, so that one that only some turns have is asked again."""
        return self._journal.known(name) is not None

    def end(self, state: TurnState, outcome: str, *, writes: Sequence[Write] = ()) -> NoReturn:
        """End the turn, atomically with `writes`; when these meet a `Conflict`, the script runs again, a few times."""
        known = self._journal.known("end")
        closed = [put_step(replace(known, state=StepState.DONE, ended_at=self.clock.now()))] if known else []
        try:
            self._lease.write(lambda turn: self._ended(turn, state, outcome), *closed, *writes)
        except LeaseLost:
            raise
        except Conflict as error:
            self._fail(self._journal.attempt("end", self.clock.now()), error, _END_RETRIES)
        raise Ended

    def fail(self, error: Exception) -> NoReturn:
        """End the turn because its script broke outside of any action."""
        self._fail(self._journal.attempt("script", self.clock.now()), error, 0)

    def write(self, *writes: Write) -> None:
        """Commit writes now, if this process still drives the turn: a look's progress. A crash after it repeats the look.

        Raises:
            LeaseLost: another process drives this turn now; nothing was written.
            Conflict: an `expect` does not hold; nothing was written.
        """
        self._lease.write(lambda turn: turn, *writes)

    def note(self, text: str) -> None:
        """Say how far the running step is: best effort, at most twice a second, from any thread."""
        with self._noting:
            self._note = bounded(text, _NOTE_LIMIT)
            now = time.perf_counter()
            if self._running is None or now - self._noted_at < _NOTE_EVERY_S:
                return
            self._noted_at = now
            try:
                self._lease.write(lambda turn: turn, put_step(replace(self._running, note=self._note)))
            except (Conflict, Unavailable):
                return

    def _begin(self, name: str) -> Step:
        step = self._journal.attempt(name, self.clock.now())
        self._note = ""
        self._lease.write(lambda turn: replace(turn, step=name), put_step(step))
        self._journal.keep(step)
        self._running = step
        return step

    def _look(self, name: str, look: Callable[[], T | None], kind: type[T], until: Callable[[], datetime | None], retries: int) -> T:
        known = self._journal.known(name)
        if known is not None and known.state is StepState.DONE:
            return wire.load(known.result, kind)
        waiting = known if known is not None and known.state is StepState.WAITING else self._journal.attempt(name, self.clock.now())
        since = self._since.setdefault((waiting.turn, name), time.perf_counter())
        self._note, self._lease.nudged = waiting.note, False
        try:
            value = look()
            text, result = ("", None) if value is None else _kept(value, kind)
        except LeaseLost:
            raise
        except Conflict as error:
            self._doze(replace(waiting, state=StepState.WAITING, note=bounded(f"looks again: {error.message}", _NOTE_LIMIT)), None)
        except Exception as error:  # noqa: BLE001 - journalled
            self._fail(waiting, error, retries, seconds=time.perf_counter() - since)
        if result is None:
            self._doze(replace(waiting, state=StepState.WAITING, note=self._note), until())
        self._finish(waiting, text, time.perf_counter() - since, ())
        return result

    def _doze(self, waiting: Step, until: datetime | None) -> NoReturn:
        self._lease.sleep(waiting.name, until, *([] if waiting == self._journal.known(waiting.name) else [put_step(waiting)]))
        raise Asleep

    def _finish(self, step: Step, text: str, seconds: float, writes: Sequence[Write]) -> None:
        self._stop_noting()
        done = replace(step, state=StepState.DONE, ended_at=self.clock.now(), seconds=seconds, result=text, note=self._note)
        self._lease.write(lambda turn: replace(turn, step=step.name), put_step(done), *writes)
        self._journal.keep(done)
        self._since.pop((step.turn, step.name), None)

    def _fail(self, step: Step, error: Exception, retries: int, *, seconds: float = 0.0) -> NoReturn:
        """Journal a failed attempt; the turn rests until the next one, or fails when there is none left."""
        self._stop_noting()
        self._since.pop((step.turn, step.name), None)
        failed = replace(step, state=StepState.FAILED, ended_at=self.clock.now(), seconds=seconds, error=_told(error), note=self._note)
        if step.attempt <= retries:
            self._lease.rest(step.name, min(self._backoff * 2 ** min(step.attempt - 1, 16), _BACKOFF_MOST), put_step(failed))
            raise Asleep from error
        self._give_up(failed, error)

    def _give_up(self, failed: Step, error: Exception) -> NoReturn:
        """Fail the turn, with `on_failure`'s writes; without them only if they meet a `Conflict` again and again."""
        outcome = error.message if isinstance(error, NoriaError) else bounded(f"{type(error).__name__}: {error}")

        def last(turn: Turn) -> Turn:
            return self._ended(replace(turn, step=failed.name), TurnState.FAILED, outcome)

        for _ in range(_FAILURE_TRIES):
            writes = self._on_failure(last(self.turn), failed) if self._on_failure else ()
            try:
                self._lease.write(last, put_step(failed), *writes)
            except LeaseLost:
                raise
            except Conflict:
                continue
            raise Ended from error
        self._lease.write(last, put_step(failed))
        raise Ended from error

    def _ended(self, turn: Turn, state: TurnState, outcome: str) -> Turn:
        return replace(turn, state=state, outcome=outcome, ended_at=self.clock.now(), owner="", lease_until=None, wake_at=None)

    def _stop_noting(self) -> None:
        with self._noting:
            self._running = None


def _kept(value: T, kind: type[T]) -> tuple[str, T]:
    """The value's journal text, and the value as it will be read from there: a first run and a replay see the same."""
    text = wire.dump(value).decode()
    return text, wire.load(text, kind)


def _told(error: Exception) -> str:
    if isinstance(error, JobFailed) and error.traceback:
        return error.traceback
    return bounded("".join(traceback.format_exception(error)))
