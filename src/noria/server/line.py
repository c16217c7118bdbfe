"""The line between the first process of a control plane and each of those beside it: lines of text over a pair of sockets.

`nudge` asks the first to look at once; `settle NUMBER AT_MS TIMEOUT_S` asks it to wait, which it answers with
`settled NUMBER 1` (or 0). That the line is cut tells either end that the other is gone.
"""

from __future__ import annotations

import os
import signal
import socket
import threading
from concurrent.futures import Future
from concurrent.futures import TimeoutError as Late
from contextlib import suppress
from datetime import datetime

from noria.app.services import Turning
from noria.core.moments import from_ms, to_ms

GRACE_S = 2.0
"""What the first needs beyond the time that it was given."""


class FarWheel:
    """The first process's wheel, as another one sees it: `noria.app.services.Turning`. Thread-safe.

    This process is asked to end when the first is gone, however it went.
    """

    def __init__(self, line: socket.socket) -> None:
        self._line = line
        self._lock = threading.Lock()
        self._asked = 0
        self._waiting: dict[int, Future[bool]] = {}
        threading.Thread(target=self._listen, name="line", daemon=True).start()

    def nudge(self) -> None:
        """Have the first look at once."""
        self._say("nudge")

    def settle(self, at: datetime, timeout_s: float) -> bool:
        """See `Wheel.settle`."""
        settled: Future[bool] = Future()
        with self._lock:
            self._asked += 1
            number = self._asked
            self._waiting[number] = settled
        self._say(f"settle {number} {to_ms(at)} {timeout_s:.3f}")
        try:
            return settled.result(timeout_s + GRACE_S)
        except Late:
            return False
        finally:
            self._waiting.pop(number, None)

    def _say(self, words: str) -> None:
        with self._lock, suppress(OSError):
            self._line.sendall(f"{words}\n".encode())

    def _listen(self) -> None:
        with suppress(OSError), self._line.makefile("r") as heard:
            for words in heard:
                _, number, settled = words.split()
                waiting = self._waiting.get(int(number))
                if waiting is not None:
                    waiting.set_result(settled == "1")
        os.kill(os.getpid(), signal.SIGTERM)


class NearWheel:
    """The first process's end: does what the other asks of its wheel, in threads of its own, until the line is cut."""

    def __init__(self, line: socket.socket, wheel: Turning) -> None:
        self._line = line
        self._wheel = wheel
        self._lock = threading.Lock()
        threading.Thread(target=self._listen, name="line", daemon=True).start()

    def cut(self) -> None:
        """Let the other end."""
        with suppress(OSError):
            self._line.shutdown(socket.SHUT_RDWR)

    def _listen(self) -> None:
        with self._line, suppress(OSError), self._line.makefile("r") as heard:
            for words in heard:
                if words == "nudge\n":
                    self._wheel.nudge()
                else:
                    _, number, at_ms, timeout_s = words.split()
                    threading.Thread(target=self._settle, args=(number, int(at_ms), float(timeout_s)), daemon=True).start()

    def _settle(self, number: str, at_ms: int, timeout_s: float) -> None:
        settled = self._wheel.settle(from_ms(at_ms), timeout_s)
        with self._lock, suppress(OSError):
            self._line.sendall(f"settled {number} {settled:d}\n".encode())
