"""One connection: HTTP/1.1 read by llhttp, answered in the order asked, and nothing of it unbounded."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncGenerator
from dataclasses import replace
from typing import cast
from urllib.parse import unquote

import httptools

from noria.core.errors import NoriaError
from noria.dataplane.asked import unattended
from noria.dataplane.exchange import Call, Refused, Reply
from noria.dataplane.heads import CONTINUE, chunk, head, json_head
from noria.dataplane.house import House

SLOWLY = frozenset(
    {b"content-encoding", b"expect", b"prefer", b"upgrade", b"x-noria-version", b"x-noria-role", b"ce-id", b"ce-specversion"}
)
"""A request with one of these headers is looked at whole, by the protocols' own code."""
_DOORS = frozenset({b"authorization", b"x-api-key"})

_log = logging.getLogger("noria.dataplane")

LARGE_AT_ONCE = 8
"""Requests beyond the usual size that one process takes in at a time."""

LINGER_S = 2
"""A caller who was refused before it had sent everything has this long to read why."""


class Exchange:
    """One request under way, and its place in the line of answers."""

    __slots__ = ("_connection", "data", "keep_alive", "task", "turn")

    def __init__(self, connection: Connection, *, keep_alive: bool) -> None:
        self._connection = connection
        self.keep_alive = keep_alive
        self.data: bytes | None = None
        self.task: asyncio.Task[None] | None = None
        self.turn: asyncio.Event | None = None

    def give(self, status: int, body: bytes) -> None:
        """End it with JSON."""
        self.data = json_head(status, len(body), self._connection.house.date, close=not self.keep_alive) + body
        self._connection.flush()


class Connection(asyncio.Protocol):
    """What one caller says and hears. For the event loop's thread."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.since = house.now
        self.receiving = self.blocked = self._last = False
        self._header_bytes = house.limits.header_bytes
        self._parser = httptools.HttpRequestParser(self)
        self._pending: deque[Exchange] = deque()
        self._refused = False
        self._can_write = asyncio.Event()
        self._can_write.set()
        self._begin()

    @property
    def idle(self) -> bool:
        """Whether nothing is under way."""
        return not self._pending and not self.receiving

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin, unless the house is full."""
        self._transport = cast(asyncio.Transport, transport)
        if not self.house.take_in(self):
            self._refuse("unavailable", "too many connections are open; come back in a second")

    def data_received(self, data: bytes) -> None:
        """Read on."""
        if self._refused:
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            # The request itself was answered; what follows is HTTP/1.1 again, since no other is spoken here.
            self._parser = httptools.HttpRequestParser(self)
            rest = data[upgrade.args[0] :] if upgrade.args else b""
            if rest:
                self.data_received(rest)
        except httptools.HttpParserError as error:
            cause = error.__context__
            if isinstance(error, httptools.HttpParserCallbackError) and cause is not None:
                raise cause from None
            self._refuse("bad-request", f"this is not HTTP: {error}")

    def connection_lost(self, exc: Exception | None) -> None:
        """Let go of all that is under way."""
        self.house.let_go(self)
        self.house.large.discard(self)
        self._can_write.set()
        for exchange in self._pending:
            self.house.in_flight -= 1
            if exchange.task is not None:
                exchange.task.cancel()
        self._pending.clear()

    def pause_writing(self) -> None:
        """The caller takes nothing: hear nothing more of it either."""
        self.blocked, self.since = True, self.house.now
        self._can_write.clear()
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        """It takes again."""
        self.blocked = False
        self._can_write.set()
        self._read_on()

    def flush(self) -> None:
        """Write every answer whose turn it is."""
        pending, house = self._pending, self.house
        while pending and pending[0].data is not None:
            exchange = pending.popleft()
            house.in_flight -= 1
            if self._transport.is_closing():
                continue
            self._transport.write(cast(bytes, exchange.data))
            if not exchange.keep_alive:
                self._transport.close()
        if not pending:
            self.since = house.now
        elif pending[0].turn is not None:
            pending[0].turn.set()
        if len(pending) < house.limits.pipelined:
            self._read_on()

    def tidy(self, now: int) -> None:
        """Cut it when it has taken too long over whatever it is doing; called every second."""
        waited, limits = now - self.since, self.house.limits
        if self._refused:
            if waited >= LINGER_S:
                self._transport.abort()
        elif self.blocked:
            if waited >= limits.take_s:
                self._transport.abort()
        elif self.receiving:
            if waited >= limits.receive_s:
                self._refuse("too-slow", f"the request did not arrive within {limits.receive_s} s")
        elif not self._pending and waited >= limits.idle_s:
            self._transport.close()

    def say_goodbye(self) -> None:
        """Let its next answer be its last: so no request is lost, as one may be that meets an idle connection's end."""
        self._last = True

    def wind_up(self) -> None:
        """Take no further request: end now when idle, else after what is under way."""
        for exchange in self._pending:
            exchange.keep_alive = False
        if self.idle:
            self._transport.close()

    def abort(self) -> None:
        """End it now."""
        self._transport.abort()

    # What llhttp calls while it reads.

    def on_message_begin(self) -> None:
        """A request begins."""
        self._begin()
        self.receiving, self.since = True, self.house.now

    def on_url(self, url: bytes) -> None:
        """A piece of the target."""
        self._target += url
        self._size += len(url)
        if self._size > self._header_bytes:
            self._too_heavy()

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header."""
        self._headers.append((name, value))
        self._size += len(name) + len(value)
        if self._size > self._header_bytes:
            self._too_heavy()
        lower = name.lower()
        if lower in SLOWLY:
            self._slowly = True
        elif lower in _DOORS:
            self._doors[lower.decode()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        """Let a caller go on who asks first (RFC 9110, 10.1.1)."""
        if not self._slowly or self._refused:
            return
        expected = next((value for name, value in self._headers if name.lower() == b"expect"), b"")
        if expected.lower() == b"100-continue":
            self._transport.write(CONTINUE)

    def on_body(self, body: bytes) -> None:
        """A piece of the body."""
        if self._refused:
            return
        self._body.append(body)
        self._weight += len(body)
        if self._weight > self.house.limits.body_bytes:
            self._large()

    def _large(self) -> None:
        """Take more of a body only for an answer that nobody waits for, and of few callers at a time."""
        house, query = self.house, self._target.partition(b"?")[2].decode("latin-1")
        background = unattended(query, next((v.decode("latin-1") for n, v in self._headers if n.lower() == b"prefer"), ""))
        limit = house.limits.background_bytes if background else house.limits.body_bytes
        if self._weight > limit:
            self._refuse("too-large", f"the body is larger than {limit:,} bytes", fix="send fewer rows at a time")
            return
        house.large.add(self)
        if len(house.large) > LARGE_AT_ONCE:
            self._refuse("unavailable", f"{LARGE_AT_ONCE} other large requests are arriving", fix="try again in a second")

    def on_message_complete(self) -> None:
        """The request is whole: answer it at once, or in a task of its own."""
        if self._refused:
            return
        self.receiving = False
        house, body = self.house, self._body[0] if len(self._body) == 1 else b"".join(self._body)
        exchange = Exchange(self, keep_alive=self._parser.should_keep_alive() and not (house.closing or self._last))
        self._pending.append(exchange)
        house.in_flight += 1
        if house.in_flight > house.limits.in_flight:
            self._tell(exchange, house.router.refused(self._path(), Refused("unavailable", "the server is full; come back in a second")))
        elif not self._at_once(exchange, body):
            exchange.task = house.loop.create_task(self._answer(exchange, self._call(body)))
        if len(self._pending) >= house.limits.pipelined:
            self._transport.pause_reading()

    def _at_once(self, exchange: Exchange, body: bytes) -> bool:
        """Whether the request was taken by the house's quick way."""
        if self._slowly or self._parser.get_method() != b"POST":
            return False
        try:
            return self.house.fast(self._target, body, self._doors, exchange.give)
        except Exception:  # noqa: BLE001 - a caller's request never breaks the others of its connection; the log keeps it
            _log.exception("a request failed")
            self._tell(exchange, self.house.router.refused(self._path(), NoriaError("the server failed on this request; its log says why")))
            return True

    def _begin(self) -> None:
        self._target = b""
        self._body: list[bytes] = []
        self._headers: list[tuple[bytes, bytes]] = []
        self._doors: dict[str, str] = {}
        self._size, self._weight, self._slowly = 0, 0, False

    def _too_heavy(self) -> None:
        if not self._refused:
            self._refuse("headers-too-large", f"the headers are larger than {self.house.limits.header_bytes:,} bytes")

    def _call(self, body: bytes) -> Call:
        target = self._target.decode("latin-1")
        return Call(
            method=self._parser.get_method().decode("latin-1"),
            path=self._path(),
            query=target.partition("?")[2].partition("#")[0],
            headers={name.decode("latin-1").lower(): value.decode("latin-1") for name, value in self._headers},
            body=body,
        )

    def _path(self) -> str:
        """The path that was asked for, also where the target names the host (RFC 9112, 3.2.2)."""
        target = self._target.decode("latin-1").partition("#")[0].partition("?")[0]
        if not target.startswith("/"):
            target = "/" + target.partition("://")[2].partition("/")[2]
        return unquote(target)

    async def _answer(self, exchange: Exchange, call: Call) -> None:
        head_only = call.method == "HEAD"
        try:
            reply = await self.house.router.answer(replace(call, method="GET") if head_only else call)
        finally:
            self.house.large.discard(self)
        if reply.stream is None or head_only:
            self._tell(exchange, reply, head_only=head_only)
        else:
            await self._stream(exchange, reply)

    def _tell(self, exchange: Exchange, reply: Reply, *, head_only: bool = False) -> None:
        exchange.data = head(reply, self.house.date, close=not exchange.keep_alive) + (b"" if head_only else reply.body)
        self.flush()

    async def _stream(self, exchange: Exchange, reply: Reply) -> None:
        """Send pieces as they come, no faster than the caller takes them; earlier answers go first."""
        pieces = cast(AsyncGenerator[bytes, None], reply.stream)
        try:
            if self._pending[0] is not exchange:
                exchange.turn = asyncio.Event()
                await exchange.turn.wait()
            whole = self._parser.get_http_version() == "1.0"
            exchange.keep_alive = exchange.keep_alive and not whole
            self._transport.write(head(reply, self.house.date, close=not exchange.keep_alive, chunked=not whole))
            async for piece in pieces:
                if piece:
                    self._transport.write(piece if whole else chunk(piece))
                    self.since = self.house.now
                    await self._can_write.wait()
            exchange.data = b"" if whole else chunk(b"")
        except Exception:  # noqa: BLE001 - the head has gone out: only a broken connection can say that the answer is not whole
            _log.exception("a stream failed")
            self._transport.abort()
        finally:
            if hasattr(pieces, "aclose"):
                await pieces.aclose()
        self.flush()

    def _refuse(self, code: str, message: str, fix: str = "") -> None:
        """Say what is wrong with a request that is not whole, and hear no more of this caller."""
        self._refused, self.receiving, self.since = True, False, self.house.now
        self.house.large.discard(self)
        reply = self.house.router.refused(self._path() if self._target else "/", Refused(code, message, fix=fix))
        if not self._pending:
            self._transport.write(head(reply, self.house.date, close=True) + reply.body)
            if self._transport.can_write_eof():
                self._transport.write_eof()
        else:
            exchange = Exchange(self, keep_alive=False)
            self._pending.append(exchange)
            self.house.in_flight += 1
            self._tell(exchange, reply)

    def _read_on(self) -> None:
        if not self.blocked and not self._transport.is_closing() and not self._refused:
            self._transport.resume_reading()
