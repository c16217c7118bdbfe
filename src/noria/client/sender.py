"""The thread that sends what this process's runs have spooled; nothing that happens to it reaches the training."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from pathlib import Path

from noria.client import kept
from noria.client.connection import Connection, Refused, Unreached
from noria.client.place import Place
from noria.client.sending import Delivery
from noria.client.spool import Spool

EXIT_S = 2.0
"""How long a process that ends waits, at most, for what is not sent yet."""
PAUSE_S = 1.0
LONGEST_PAUSE_S = 30.0

log = logging.getLogger("noria.client")
_senders: dict[Place, Sender] = {}
_making = threading.Lock()


class Sender:
    """Sends the runs of one process to one place, about once a second; after failures more and more seldom.

    While the server answers, it also sends what earlier processes have left in the same spool.
    """

    def __init__(self, place: Place, *, pause_s: float = PAUSE_S) -> None:
        self._place = place
        self._pause_s = pause_s
        self._spools: list[Spool] = []
        self._over: set[Path] = set()
        self._changed = threading.Condition()
        self._wanted = self._begun = self._done = 0
        self._failures = 0
        self._stalled = False
        self._told = False
        self._left_behind = True
        self._reason = ""
        connection = Connection(place)
        self._delivery = Delivery(connection)
        self._thread = threading.Thread(target=self._work, name="noria-sender", daemon=True)

    @property
    def reason(self) -> str:
        """Why the last round ended early; "" = it did not."""
        return self._reason

    def add(self, spool: Spool) -> None:
        """Send this run too, from now on."""
        with self._changed:
            self._spools.append(spool)
            if not self._thread.is_alive() and not self._thread.ident:
                self._thread.start()

    def ended(self, spool: Spool) -> None:
        """The run's own process will write no more; it is let go of once all is sent."""
        with self._changed:
            self._over.add(spool.folder)

    def flush(self, timeout_s: float = EXIT_S) -> bool:
        """Wait until all that was spooled before is sent; False when the server does not take it, or the time is over.

        A server that once let the time run out is not waited for again until it has answered.
        """
        with self._changed:
            if self._stalled:
                return False
            self._wanted = mine = self._wanted + 1
            self._changed.notify_all()
            there = self._changed.wait_for(lambda: self._done >= mine, timeout_s)
            self._stalled = not there
            return there and not self._failures

    def _work(self) -> None:
        while True:
            with self._changed:
                pause = min(self._pause_s * 2 ** min(self._failures, 10), LONGEST_PAUSE_S)
                self._changed.wait_for(self._hurried, pause)
                self._begun = self._wanted
            well = self._attempt(self._send)
            with self._changed:
                self._done = self._begun
                self._changed.notify_all()
            if well and self._left_behind:
                self._attempt(self._send_left_behind)

    def _attempt(self, work: Callable[[], None]) -> bool:
        try:
            work()
        except (Unreached, Refused) as error:
            self._failed(str(error))
        except Exception as error:
            log.debug("sending failed", exc_info=True)
            self._failed(f"{type(error).__name__}: {error}")
        else:
            self._failures, self._reason, self._told, self._stalled = 0, "", False, False
        return not self._failures

    def _send(self) -> None:
        left = ""
        for spool in list(self._spools):
            over = spool.folder in self._over
            sent = self._delivery.send(spool.folder, spool)
            left = sent.unsent or ("another process is sending it" if sent.busy else left)
            if over and not sent.unsent and not sent.busy:
                with self._changed:
                    self._spools.remove(spool)
                    self._over.discard(spool.folder)
        if left:
            raise Unreached(left)

    def _send_left_behind(self) -> None:
        """Send what earlier processes left, but let a run of this one go first."""
        for folder in kept.runs_in(self._place.shelf):
            if self._hurried():
                return
            if all(folder != spool.folder for spool in list(self._spools)):
                self._delivery.send(folder, stop=self._hurried)
        self._left_behind = False

    def _hurried(self) -> bool:
        return self._wanted > self._done

    def _failed(self, reason: str) -> None:
        self._failures += 1
        self._reason = reason
        if not self._told:
            self._told = True
            log.info("%s; what is told stays in %s until it does", reason, self._place.shelf)


def sender_of(place: Place) -> Sender:
    """The process's one sender to a place."""
    with _making:
        if place not in _senders:
            _senders[place] = Sender(place)
        return _senders[place]


def _after_fork() -> None:
    """A child has no thread: its parent sends what it writes, and a run of its own makes a sender of its own."""
    global _making
    _senders.clear()
    _making = threading.Lock()


os.register_at_fork(after_in_child=_after_fork)
