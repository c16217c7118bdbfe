"""Streams in a model's own process: each in a thread, while the process goes on to answer questions."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable

from noria.core.rows import Rows
from noria.dataplane.messages import Begin, Begun, More, Over, Piece, Stop, Told
from noria.stages.serving.model import Served
from noria.stages.serving.pieces import Pump

MOST = 64
"""Streams at a time; more are refused."""


class Streams:
    """All streams of one version.

    Args:
        send: Says something to the data plane; from any thread.
    """

    def __init__(self, served: Served, send: Callable[[Told], None]) -> None:
        self._served = served
        self._send = send
        self._pumps: dict[int, Pump] = {}
        self._one = threading.Lock()
        self.send = send

    def hear(self, about: Begin | More | Stop) -> None:
        """Begin a stream, let it go on, or stop it."""
        if isinstance(about, Begin):
            self._begin(about)
            return
        with self._one:
            pump = self._pumps.get(about.number)
        if pump is not None:
            if isinstance(about, More):
                pump.more(about.pieces)
            else:
                pump.stop()

    def _begin(self, asked: Begin) -> None:
        number = asked.number
        if not self._served.streams:
            self._send(Begun(number, streams=False))
            return
        with self._one:
            full = len(self._pumps) >= MOST
        if full:
            self._send(Begun(number, streams=True, error=f"{MOST} answers are under way in its process; ask again later"))
            return
        rows = Rows(asked.names, [asked.row])
        pump = Pump(
            lambda: self._served.pieces(rows, asked.now_ms),
            lambda body: self._send(Piece(number, body)),
            lambda error, value: self._over(number, error, value),
        )
        with self._one:
            self._pumps[number] = pump
        self._send(Begun(number, streams=True))
        pump.start()

    def _over(self, number: int, error: str, value: float | None) -> None:
        with self._one:
            self._pumps.pop(number, None)
        with contextlib.suppress(OSError):
            self._send(Over(number, error, value))
