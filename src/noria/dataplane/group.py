"""Whose numbers `/metrics` and `/plan` tell: this process's, or those of all workers whichever is asked."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from time import process_time
from typing import Protocol

from noria.dataplane.channel import Channel, Word
from noria.dataplane.numbers import Numbers, numbers_of
from noria.stages.serving.desk import Desk

PATIENCE_S = 2.0
"""The parent answers within this time, or its worker tells its own numbers alone."""


class Group(Protocol):
    """The processes that answer on one port."""

    async def numbers(self) -> Numbers:
        """What all of them counted, those too that have ended, and how they are."""
        ...


class Staff(Protocol):
    """What the parent may ask of a worker's house; see `House`."""

    in_flight: int
    port: int

    def end(self) -> None: ...  # noqa: D102

    def retire(self) -> None: ...  # noqa: D102

    def spread(self, one_of: int) -> None: ...  # noqa: D102


class Alone:
    """A data plane of one process.

    Args:
        in_flight: How many requests are under way.
    """

    def __init__(self, desk: Desk, in_flight: Callable[[], int] = lambda: 0) -> None:
        self._desk = desk
        self._in_flight = in_flight

    async def numbers(self) -> Numbers:
        """Its own."""
        return numbers_of(self._desk, self._in_flight())


class Member:
    """A worker's end of its group: it tells the parent its numbers, and asks it for everybody's.

    Args:
        house: This worker's; it ends when the parent is gone: a worker does not outlive it.
    """

    def __init__(self, desk: Desk, house: Callable[[], Staff]) -> None:
        self._desk = desk
        self._house = house
        self._channel = Channel(self._heard, lambda: house().end())
        self._asked = 0
        self._waiting: dict[int, asyncio.Future[Numbers]] = {}

    async def join(self, descriptor: int) -> None:
        """Take the socket that the parent has handed down."""
        await self._channel.open(socket.socket(fileno=descriptor))

    async def numbers(self) -> Numbers:
        """Everybody's, as the parent adds them up; this process's own when it does not answer, with the problem named."""
        self._asked += 1
        number = self._asked
        whole: asyncio.Future[Numbers] = asyncio.get_running_loop().create_future()
        self._waiting[number] = whole
        self._channel.say(Word("ask", number))
        try:
            async with asyncio.timeout(PATIENCE_S):
                return await whole
        except TimeoutError:
            own = self._own()
            own.problems["workers"] = "the parent process does not answer: these are the numbers of one worker alone"
            return own
        finally:
            self._waiting.pop(number, None)

    def leave(self) -> None:
        """Tell the last numbers and let go of the parent."""
        self._channel.say(Word("mine", 0, self._own()))
        self._channel.close_when_said()

    def _own(self) -> Numbers:
        return numbers_of(self._desk, self._house().in_flight)

    def _heard(self, word: Word) -> None:
        if word.kind == "tell":
            self._channel.say(Word("mine", word.number, self._own()))
        elif word.kind == "feel" and self._house().port:
            self._channel.say(Word("pulse", word.number, cpu_s=process_time(), in_flight=self._house().in_flight))
        elif word.kind == "retire":
            self._house().retire()
        elif word.kind == "spread":
            self._house().spread(word.number)
        elif word.kind == "whole" and word.numbers is not None:
            waiting = self._waiting.get(word.number)
            if waiting is not None and not waiting.done():
                waiting.set_result(word.numbers)
