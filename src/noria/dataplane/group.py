"""Whose numbers `/metrics` and `/plan` tell: this process's, or those of all workers whichever is asked."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
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


class Alone:
    """A data plane of one process."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def numbers(self) -> Numbers:
        """Its own."""
        return numbers_of(self._desk)


class Member:
    """A worker's end of its group: it tells the parent its numbers, and asks it for everybody's.

    Args:
        over: Called when the parent is gone: a worker does not outlive it.
    """

    def __init__(self, desk: Desk, over: Callable[[], object]) -> None:
        self._desk = desk
        self._channel = Channel(self._heard, over)
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
            own = numbers_of(self._desk)
            own.problems["workers"] = "the parent process does not answer: these are the numbers of one worker alone"
            return own
        finally:
            self._waiting.pop(number, None)

    def leave(self) -> None:
        """Tell the last numbers and let go of the parent."""
        self._channel.say(Word("mine", 0, numbers_of(self._desk)))
        self._channel.close_when_said()

    def _heard(self, word: Word) -> None:
        if word.kind == "tell":
            self._channel.say(Word("mine", word.number, numbers_of(self._desk)))
        elif word.kind == "whole" and word.numbers is not None:
            waiting = self._waiting.get(word.number)
            if waiting is not None and not waiting.done():
                waiting.set_result(word.numbers)
