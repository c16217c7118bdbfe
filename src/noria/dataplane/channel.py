"""What a group's parent and its workers say to each other: MessagePack behind a four-byte length, over a pair of sockets."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Literal, cast

import msgspec

from noria.dataplane.framing import Unpacker, framed
from noria.dataplane.numbers import Numbers


class Word(msgspec.Struct, array_like=True):
    """One message.

    "tell" asks a worker for its numbers, which it says with "mine"; "ask" asks the parent for the
    whole group's, which it says with "whole". An answer has its question's number. "feel" asks a worker
    how busy it is, which it says with "pulse". "retire" asks it to end when its callers have gone; "spread"
    to let one of so many (`number`) go on to another worker.
    """

    kind: Literal["tell", "mine", "ask", "whole", "feel", "pulse", "retire", "spread"]
    number: int = 0
    numbers: Numbers | None = None
    cpu_s: float = 0.0
    in_flight: int = 0


class Channel:
    """One end of it.

    Args:
        heard: Takes each word.
        over: Told once when the other end is gone.
    """

    def __init__(self, heard: Callable[[Word], object], over: Callable[[], object]) -> None:
        self._heard = heard
        self._over = over
        self._transport: asyncio.Transport | None = None

    def say(self, word: Word) -> None:
        """Send it; to an end that is gone it is lost."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(framed(_encoder.encode(word)))

    def close(self) -> None:
        """Let go of it."""
        if self._transport is not None:
            self._transport.abort()

    def close_when_said(self) -> None:
        """Let go of it when all that was said is sent."""
        if self._transport is not None:
            self._transport.close()

    async def open(self, end: socket.socket) -> None:
        """Take an end of a pair of sockets."""
        await asyncio.get_running_loop().create_connection(lambda: _Reading(self), sock=end)

    def opened(self, transport: asyncio.Transport) -> None:
        """Write there from now on."""
        self._transport = transport

    def hear(self, body: bytes) -> None:
        """Pass a word on."""
        self._heard(_decoder.decode(body))

    def lost(self) -> None:
        """The other end is gone."""
        self._over()


class _Reading(asyncio.Protocol):
    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._unpacker = Unpacker()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._channel.opened(cast(asyncio.Transport, transport))

    def data_received(self, data: bytes) -> None:
        for body in self._unpacker.feed(data):
            self._channel.hear(body)

    def connection_lost(self, exc: Exception | None) -> None:
        self._channel.lost()


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Word)
