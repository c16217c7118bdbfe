"""Keep-alive HTTP connections for many small requests: one in flight on each, sent again when a connection breaks."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import cast

from httptools import HttpParserError, HttpResponseParser

Take = Callable[[int, bytes, int], None]
"""Told of every request once: HTTP status (0 = nobody answered), body and latency in microseconds."""

_BUSY_STATUSES = frozenset({429, 502, 503, 504})
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.05, 1.0


class _Batch:
    """Requests that somebody waits for together."""

    __slots__ = ("done", "left", "take")

    def __init__(self, left: int, take: Take, done: asyncio.Future[None]) -> None:
        self.left, self.take, self.done = left, take, done

    def settle(self, status: int, body: bytes, latency_us: int) -> None:
        self.take(status, body, latency_us)
        self.left -= 1
        if not self.left and not self.done.done():
            self.done.set_result(None)


@dataclass(slots=True)
class _Ask:
    payload: bytes
    batch: _Batch
    tries: int = 0


class _Connection(asyncio.Protocol):
    """One connection; what it reads goes through httptools, what it answers goes to its pool."""

    __slots__ = ("_body", "_parser", "_pool", "_transport", "ask", "asked_at")

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._parser = HttpResponseParser(self)
        self._body: list[bytes] = []
        self.ask: _Ask | None = None
        self.asked_at = 0.0

    def send(self, ask: _Ask) -> None:
        self.ask, self.asked_at = ask, perf_counter()
        self._transport.write(ask.payload)

    def drop(self) -> None:
        self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.WriteTransport, transport)
        self._pool.opened(self)

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except HttpParserError:
            self.drop()

    def on_body(self, body: bytes) -> None:
        self._body.append(body)

    def on_message_complete(self) -> None:
        ask, self.ask = self.ask, None
        body = b"".join(self._body)
        self._body.clear()
        if ask is None:
            self.drop()
            return
        latency_us = int((perf_counter() - self.asked_at) * 1e6)
        keeps = self._parser.should_keep_alive()
        self._pool.answered(self, ask, self._parser.get_status_code(), body, latency_us, keeps=keeps)

    def connection_lost(self, exc: Exception | None) -> None:
        self._pool.closed(self)


class Pool:
    """Up to `connections` keep-alive connections to one server; for one event loop.

    A request that nobody acknowledged (its connection broke, its answer took too long, the server
    said that it was busy) is sent again, so callers give every request its own id.

    Args:
        retries: How often one request is sent again before it counts as unanswered.
        timeout_s: The longest wait for one answer.
        patience_s: How long a server that takes no connection is knocked at before all waiting requests fail.
    """

    def __init__(
        self, host: str, port: int, *, connections: int = 16, retries: int = 8, timeout_s: float = 15.0, patience_s: float = 30.0
    ) -> None:
        self._host, self._port = host, port
        self._most = connections
        self._retries, self._timeout_s, self._patience_s = retries, timeout_s, patience_s
        self._waiting: deque[_Ask] = deque()
        self._idle: list[_Connection] = []
        self._open: set[_Connection] = set()
        self._knocking: set[asyncio.Task[None]] = set()
        self._knocks = 0
        self._watch: asyncio.TimerHandle | None = None
        self._closed = False
        self.resent = 0

    async def exchange(self, payloads: Sequence[bytes], take: Take) -> None:
        """Send whole HTTP requests and return when `take` was told of each of them, in the order of their answers."""
        if not payloads:
            return
        batch = _Batch(len(payloads), take, asyncio.get_running_loop().create_future())
        self._waiting.extend(_Ask(payload, batch) for payload in payloads)
        self._pump()
        await batch.done

    async def close(self) -> None:
        """Close every connection; waiting requests end unanswered."""
        self._closed = True
        knocking = tuple(self._knocking)
        for task in knocking:
            task.cancel()
        await asyncio.gather(*knocking, return_exceptions=True)
        for connection in tuple(self._open):
            connection.drop()
        self._give_up()
        if self._watch:
            self._watch.cancel()
            self._watch = None
        while self._open:
            await asyncio.sleep(0)

    def opened(self, connection: _Connection) -> None:
        """Take a new connection into use."""
        self._open.add(connection)
        self._idle.append(connection)
        self._pump()

    def answered(self, connection: _Connection, ask: _Ask, status: int, body: bytes, latency_us: int, *, keeps: bool) -> None:
        """Take one answer, and give its connection the next request."""
        if keeps:
            if self._waiting:
                connection.send(self._waiting.popleft())
            else:
                self._idle.append(connection)
        else:
            connection.drop()
        if status in _BUSY_STATUSES and ask.tries < self._retries and not self._closed:
            pause_s = min(_FIRST_PAUSE_S * 2**ask.tries, _LONGEST_PAUSE_S)
            asyncio.get_running_loop().call_later(pause_s, self._again, ask)
        else:
            ask.batch.settle(status, body, latency_us)

    def closed(self, connection: _Connection) -> None:
        """Forget a connection; what it had not answered is sent again."""
        self._open.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)
        ask, connection.ask = connection.ask, None
        if ask is not None:
            self._again(ask)
        elif self._waiting:
            self._pump()

    def _again(self, ask: _Ask) -> None:
        if self._closed or ask.tries >= self._retries:
            ask.batch.settle(0, b"no answer", 0)
            return
        ask.tries += 1
        self.resent += 1
        self._waiting.appendleft(ask)
        self._pump()

    def _pump(self) -> None:
        """Give waiting requests to idle connections, and open more while there are too few."""
        while self._waiting and self._idle:
            self._idle.pop().send(self._waiting.popleft())
        wanted = min(len(self._waiting), self._most - len(self._open)) - self._knocks
        loop = asyncio.get_running_loop()
        for _ in range(0 if self._closed else wanted):
            self._knocks += 1
            task = loop.create_task(self._knock())
            self._knocking.add(task)
            task.add_done_callback(self._knocking.discard)
        if self._watch is None and not self._closed:
            self._watch = loop.call_later(min(1.0, self._timeout_s), self._look)

    async def _knock(self) -> None:
        """Open one connection; when the last one who knocks loses patience, nobody is waited for any more."""
        try:
            reached = await self._reach()
        finally:
            self._knocks -= 1
        if not (reached or self._open or self._knocks):
            self._give_up()

    async def _reach(self) -> bool:
        loop = asyncio.get_running_loop()
        until, pause_s = loop.time() + self._patience_s, _FIRST_PAUSE_S
        while loop.time() < until:
            try:
                await loop.create_connection(lambda: _Connection(self), self._host, self._port)
            except OSError:
                await asyncio.sleep(pause_s)
                pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)
            else:
                return True
        return False

    def _give_up(self) -> None:
        while self._waiting:
            self._waiting.popleft().batch.settle(0, b"nobody takes a connection", 0)

    def _look(self) -> None:
        """Drop connections whose answer takes too long: their requests are sent again on others."""
        self._watch = None
        latest = perf_counter() - self._timeout_s
        busy = [connection for connection in self._open if connection.ask is not None]
        for connection in busy:
            if connection.asked_at < latest:
                connection.drop()
        if busy or self._waiting:
            self._watch = asyncio.get_running_loop().call_later(min(1.0, self._timeout_s), self._look)
