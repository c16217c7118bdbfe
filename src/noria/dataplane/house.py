"""The HTTP server of one data-plane process: its connections, its clock of seconds, and its end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from email.utils import formatdate
from typing import Protocol

from noria.dataplane.limits import RequestLimits
from noria.dataplane.router import Router

Fast = Callable[[bytes, bytes, Mapping[str, str], Callable[[int, bytes], None]], bool]
"""Answers a POST at once, given its target, body, what the caller shows at the door, and where the answer goes; or says no."""


class Open(Protocol):
    """A connection as the house sees it."""

    @property
    def idle(self) -> bool:
        """Whether nothing is under way."""
        ...

    def tidy(self, now: int) -> None:
        """Cut it when it has taken too long over whatever it is doing; called every second."""
        ...

    def say_goodbye(self) -> None:
        """Let its next answer be its last."""
        ...

    def wind_up(self) -> None:
        """Take no further request: end now when idle, else after what is under way."""
        ...

    def abort(self) -> None:
        """End it now."""
        ...


class House:
    """All connections of one process. For the event loop's thread.

    Args:
        router: Answers every call that `fast` does not take.

    Attributes:
        in_flight: Requests under way.
        now: Seconds, counted by a tick of one second.
        date: The line that tells the time in every answer.
        port: Where it listens, once it does.
        open: Connections.
        large: Those of them that send a body beyond the usual size.
        closing: Whether no connection is kept alive any more.
    """

    def __init__(self, router: Router, *, fast: Fast, limits: RequestLimits) -> None:
        self.router = router
        self.fast = fast
        self.limits = limits
        self.loop = asyncio.get_running_loop()
        self.in_flight = 0
        self.now = 0
        self.closing = False
        self.port = 0
        self.date = _date()
        self.open: set[Open] = set()
        self.large: set[Open] = set()
        self._end, self._leave, self._emptied = asyncio.Event(), asyncio.Event(), asyncio.Event()

    def end(self) -> None:
        """Ask for the end: listening stops, and what is under way is finished."""
        self._end.set()
        self._leave.set()
        self._emptied.set()

    def retire(self) -> None:
        """Ask for an end that no caller notices: listening stops, and each connection ends with its next answer."""
        self.closing = True
        self._leave.set()
        if not self.open:
            self._emptied.set()

    def spread(self, one_of: int) -> None:
        """Let one of so many connections end with its next answer, so that its caller comes in at another worker's."""
        for one in list(self.open)[:: max(one_of, 1)]:
            one.say_goodbye()

    async def leaving(self) -> None:
        """Return when nobody else shall be taken in."""
        await self._leave.wait()

    async def ended(self) -> None:
        """Return when `end` was called, or the last caller of a house that retires has gone."""
        while not self._end.is_set() and (self.open or not self.closing):
            self._emptied.clear()
            await self._emptied.wait()

    def take_in(self, one: Open) -> bool:
        """Whether one more connection may be open."""
        self.open.add(one)
        return len(self.open) <= self.limits.connections

    def let_go(self, one: Open) -> None:
        """It is closed."""
        self.open.discard(one)
        if self.closing and not self.open:
            self._emptied.set()

    async def drain(self, drain_s: float) -> None:
        """Let what is under way end within `drain_s`, and then end it."""
        self.closing = True
        deadline = self.loop.time() + drain_s
        for one in list(self.open):
            one.wind_up()
        while self.open and self.loop.time() < deadline:
            await asyncio.sleep(0.01)
            for one in [one for one in self.open if one.idle]:
                one.wind_up()
        for one in list(self.open):
            one.abort()

    async def keep_time(self) -> None:
        """Count seconds, and cut who takes too long; until cancelled."""
        while True:
            await asyncio.sleep(1)
            self.now += 1
            self.date = _date()
            for one in list(self.open):
                one.tidy(self.now)


def _date() -> bytes:
    return b"date: " + formatdate(usegmt=True).encode()
