"""Writes what the desk answered and what it was told, before anybody is answered; syncs it in groups."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterable, Sequence

import msgspec

from noria.core.errors import Unavailable
from noria.ports.journal import JournalWriter
from noria.stages.serving.asks import Ask
from noria.stages.serving.frames import Explanations, Outcomes, Predictions, encode
from noria.stages.serving.onlooking import NullOnlooker, Onlooker
from noria.stages.serving.tallies import Counters

_Waiter = asyncio.Future[None]


class Scribe:
    """The journal's one writer in this process, with a thread that syncs it.

    Predictions survive the process from `settle` on and a power cut `sync_every_s` later; outcomes
    survive both before they are acknowledged. A journal that fails never fails a prediction.
    """

    def __init__(self, journal: JournalWriter, counters: Counters, *, sync_every_s: float = 0.05) -> None:
        self._journal = journal
        self._counters = counters
        self._sync_every_s = sync_every_s
        self.onlooker: Onlooker = NullOnlooker()
        self._waiters: list[_Waiter] = []
        self._dirty = False
        self._written, self._urgent = threading.Event(), threading.Event()
        self._closing = False
        self._refused = self._unsynced = ""
        self._thread = threading.Thread(target=self._sync_in_groups, name="journal-sync", daemon=True)
        self._thread.start()

    @property
    def problem(self) -> str:
        """Why the journal does not work now, or ""."""
        return self._refused or self._unsynced

    def settle(self, asks: Sequence[Ask], frames: Sequence[Predictions]) -> None:
        """Journal the frames and count where the rows of `asks` ended: logged, sampled out or dropped."""
        kept = sum(ask.kept for ask in asks)
        for frame in frames:
            self.onlooker.saw(frame)
        written = self.note(frames)
        counters = self._counters
        counters.requests += len(asks)
        counters.sampled_out += len(asks) - kept
        if written:
            counters.logged += kept
        else:
            counters.dropped += kept

    def note(self, frames: Iterable[Predictions | Explanations]) -> bool:
        """Journal frames that end no request (shadow answers, reasons); whether it worked."""
        try:
            self._append([encode(frame) for frame in frames if frame.ids])
        except (OSError, msgspec.EncodeError, NotImplementedError, OverflowError, ValueError, TypeError) as error:
            self._refused = f"the journal takes no predictions: {error}"
            return False
        return True

    async def tell(self, outcomes: Outcomes) -> None:
        """Journal outcomes and return when they are on the disk.

        Raises:
            Unavailable: they are not; tell them again.
        """
        waiter: _Waiter = asyncio.get_running_loop().create_future()
        try:
            self._append([encode(outcomes)])
        except OSError as error:
            self._refused = f"the journal takes no outcomes: {error}"
            raise Unavailable(self._refused, fix="tell the outcomes again later") from error
        self._waiters.append(waiter)
        self._written.set()
        self._urgent.set()
        await waiter
        self._counters.outcomes += len(outcomes.ids)

    def close(self) -> None:
        """Sync what is left and let go of the journal."""
        self._closing = True
        self._written.set()
        self._urgent.set()
        self._thread.join()
        self._journal.close()

    def _append(self, frames: list[bytes]) -> None:
        if not frames:
            return
        self._journal.append(frames)
        self._refused = ""
        if not self._dirty:
            self._dirty = True
            self._written.set()

    def _sync_in_groups(self) -> None:
        while not self._closing:
            self._written.wait()
            self._urgent.wait(self._sync_every_s)
            self._urgent.clear()
            self._written.clear()
            self._dirty = False
            waiters = self._waiters[:]
            del self._waiters[: len(waiters)]
            failure = self._sync()
            if waiters:
                waiters[0].get_loop().call_soon_threadsafe(_release, waiters, failure)

    def _sync(self) -> Unavailable | None:
        try:
            self._journal.sync()
        except OSError as error:
            self._unsynced = f"the journal cannot be synced: {error}"
            return Unavailable(self._unsynced, fix="tell the outcomes again later")
        self._unsynced = ""
        return None


def _release(waiters: Sequence[_Waiter], failure: Unavailable | None) -> None:
    for waiter in waiters:
        if waiter.done():
            continue
        if failure is None:
            waiter.set_result(None)
        else:
            waiter.set_exception(failure)
