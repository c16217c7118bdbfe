"""How much the data plane takes on: limits, and the calls under way that they are held against."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, replace
from types import TracebackType

from noria.dataplane.exchange import Refused, Reply

SWEEP_S = 0.25
"""How often it is looked for calls that take too long; so they may last this much longer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestLimits:
    """What one process takes.

    Attributes:
        body_bytes: Of a request, packed or unpacked.
        background_bytes: Of a request whose answer nobody waits for.
        header_bytes: Of a request's line and headers.
        rows: Of one request that somebody waits for.
        seconds: From when a request is whole until its answer; streams may last.
        in_flight: Requests under way; more are refused with 503.
        in_flight_per_deployment: Of one deployment; more are refused with 429, so that the others still answer.
        connections: Open at a time.
        pipelined: Requests that one connection may have under way before no more is read from it.
        idle_s: A connection with nothing under way is kept this long: longer than load balancers keep theirs.
        receive_s: A request must have arrived whole within this time of its first byte.
        take_s: A caller who takes nothing of an answer for this long is cut.
    """

    body_bytes: int = 1 << 20
    background_bytes: int = 32 << 20
    header_bytes: int = 32 << 10
    rows: int = 1_000
    seconds: float = 60.0
    in_flight: int = 4_096
    in_flight_per_deployment: int = 3_072
    connections: int = 4_096
    pipelined: int = 32
    idle_s: int = 75
    receive_s: int = 30
    take_s: int = 30


class Load:
    """Counts calls under way and ends those that take too long. For one event loop.

    Attributes:
        limits: What they are held against.
    """

    def __init__(self, limits: RequestLimits) -> None:
        self.limits = limits
        self._all = 0
        self._by: dict[str, int] = {}
        self._until_s: dict[asyncio.Task[object], float] = {}
        self._late: set[asyncio.Task[object]] = set()
        self._sweeping = False

    @property
    def in_flight(self) -> int:
        """Calls under way."""
        return self._all

    def under_way(self, deployment: str) -> UnderWay:
        """A call of a deployment ("" for nobody's) that counts while the block runs.

        Raises:
            Refused: the process is full ("unavailable"), the deployment is over its share ("too-many-requests"), or,
                at the end of the block, the call took too long ("too-late").
        """
        return UnderWay(self, deployment)

    def enter(self, deployment: str) -> None:
        """Count a call until `leave`.

        Raises:
            Refused: see `under_way`.
        """
        if self._all >= self.limits.in_flight:
            raise Refused("unavailable", f"{self._all:,} requests are under way, which is all that this process takes", fix="try again")
        if deployment:
            now = self._by.get(deployment, 0)
            if now >= self.limits.in_flight_per_deployment:
                said = f"{now:,} requests of {deployment[:100]!r} are under way, which is its share of this process"
                raise Refused("too-many-requests", said, fix="try again, with fewer at a time")
            self._by[deployment] = now + 1
        self._all += 1

    def leave(self, deployment: str) -> None:
        """Count it no more."""
        self._all -= 1
        if deployment:
            left = self._by[deployment] - 1
            if left:
                self._by[deployment] = left
            else:
                del self._by[deployment]

    def begin(self, task: asyncio.Task[object]) -> None:
        """End the task's call when its time is up."""
        loop = asyncio.get_running_loop()
        self._until_s[task] = loop.time() + self.limits.seconds
        if not self._sweeping:
            self._sweeping = True
            loop.call_later(SWEEP_S, self._sweep)

    def end(self, task: asyncio.Task[object]) -> bool:
        """Let go of the task; returns whether its time was up."""
        self._until_s.pop(task, None)
        if task not in self._late:
            return False
        self._late.discard(task)
        task.uncancel()
        return True

    def too_late(self) -> Refused:
        """What a call whose time was up is told."""
        return Refused("too-late", f"there was no answer within {self.limits.seconds:g} s", fix="send fewer rows at a time, or try again")

    def _sweep(self) -> None:
        loop = asyncio.get_running_loop()
        now_s = loop.time()
        for task in [task for task, until_s in self._until_s.items() if until_s <= now_s]:
            del self._until_s[task]
            self._late.add(task)
            task.cancel()
        self._sweeping = bool(self._until_s)
        if self._sweeping:
            loop.call_later(SWEEP_S, self._sweep)


class UnderWay:
    """One call that counts; see `Load.under_way`."""

    __slots__ = ("_deployment", "_load", "_task")

    def __init__(self, load: Load, deployment: str) -> None:
        self._load = load
        self._deployment = deployment
        self._task: asyncio.Task[object] | None = None

    def __enter__(self) -> UnderWay:
        self._load.enter(self._deployment)
        self._task = asyncio.current_task()
        if self._task is not None:
            self._load.begin(self._task)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._load.leave(self._deployment)
        if self._task is not None and self._load.end(self._task) and kind is not None and issubclass(kind, asyncio.CancelledError):
            raise self._load.too_late() from None

    def streaming(self, reply: Reply) -> Reply:
        """The reply, which counts until its stream has ended."""
        if reply.stream is None:
            return reply
        return replace(reply, stream=self._counted(reply.stream))

    async def _counted(self, stream: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
        self._load.enter(self._deployment)
        try:
            async with aclosing(stream):
                async for piece in stream:
                    yield piece
        finally:
            self._load.leave(self._deployment)
