"""A champion in processes of its own: what it does there costs only the rows that it is done on.

Each process has one batch at a time, so when it dies or hangs it is known which rows it was asked;
all others wait for the next one. Rows that a process died on are asked once more, each alone: a
row that takes its process down takes no neighbour with it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import perf_counter

from noria.core.errors import Unavailable
from noria.core.rows import Rows
from noria.core.traffic import ServedVersion
from noria.stages.serving.asks import Ask
from noria.stages.serving.computed import Computed, checked, failed, picked, reason
from noria.stages.serving.ending import Books, Ending
from noria.stages.serving.pieces import Pieces
from noria.stages.serving.processes import KeptProcess, ProcessGone

_log = logging.getLogger("noria.dataplane")

ROWS_AT_ONCE = 1_000
"""Rows of one question, at most."""

LAST_WORDS_S = 10.0
"""Answers in pieces have this long to end when their version is taken out of service."""

ROWS_WAITING = 10_000
"""Rows that may wait for a process; more are refused at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Isolation:
    """How champions that are isolated run.

    Attributes:
        processes: Of each of them.
        timeout_ms: A row has this long from its arrival to its answer, and a process for a batch; then it is taken to hang.
    """

    processes: int = 1
    timeout_ms: float = 2_000.0


Finish = Callable[[Sequence[Ask], Sequence[Computed]], None]
"""Ends rows that were computed, or could not be."""


class _Sink:
    """Where rows of one layout go when they are computed."""

    __slots__ = ("_finish", "_names")

    def __init__(self, names: Sequence[str], finish: Finish) -> None:
        self._names = names
        self._finish = finish

    def rows(self, asks: Sequence[Ask]) -> Rows:
        """What a process is asked."""
        return Rows(self._names, [ask.row for ask in asks])

    def finish(self, asks: Sequence[Ask], computed: Computed) -> None:
        """End rows; a fault of ours ends their requests, and leaves the crew at work."""
        try:
            self._finish(asks, [computed])
        except Exception as error:  # noqa: BLE001 - nobody shall wait for ever; the log keeps it
            _log.exception("rows could not be ended")
            for ask in asks:
                ask.fail(error)


class _Waiting:
    """A row on its way to a process and back.

    Attributes:
        suspect: A process died on a batch that it was in.
        over: It was answered, or its time was over.
    """

    __slots__ = ("ask", "deadline_s", "over", "sink", "suspect")

    def __init__(self, ask: Ask, sink: _Sink, deadline_s: float) -> None:
        self.ask = ask
        self.sink = sink
        self.deadline_s = deadline_s
        self.suspect = self.over = False


class IsolatedLane:
    """Takes a route's rows to the crew of its champion; a new route may have a new lane to the same crew.

    Args:
        names: The fields of every row that it takes, in order.
    """

    def __init__(self, crew: Crew, books: Books, names: Sequence[str]) -> None:
        self.served = crew
        self._names = names
        ending = Ending(crew.version, books, names)
        self._users = _Sink(names, ending.finish)
        self._unseen = _Sink(names, lambda asks, computed: ending.unseen(computed))

    def take(self, ask: Ask) -> None:
        """Let it be answered."""
        self._take(ask, self._users)

    def control(self, ask: Ask) -> None:
        """Let what the challenger answers to users be answered for the record alone."""
        self._take(ask, self._unseen)

    async def computed(self, asks: Sequence[Ask]) -> list[Computed]:
        """Answers to rows in their order, in parts, for whoever settles them."""
        found: dict[int, Computed] = {}
        whole: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def finish(ended: Sequence[Ask], computed: Sequence[Computed]) -> None:
            found.update((id(ask), picked(part, [place])) for part in computed for place, ask in enumerate(part.asks))
            if len(found) == len(asks) and not whole.done():
                whole.set_result(None)

        sink = _Sink(self._names, finish)
        for ask in asks:
            self._take(ask, sink)
        await whole
        return [found[id(ask)] for ask in asks]

    def _take(self, ask: Ask, sink: _Sink) -> None:
        if not self.served.take(_Waiting(ask, sink, ask.request.arrived_s + self.served.timeout_s)):
            sink.finish([ask], failed([ask], sink.rows([ask]), f"more than {ROWS_WAITING:,} rows wait for its processes"))


class Crew:
    """The processes of one isolated version, and the rows that wait for them. For one event loop."""

    def __init__(self, version: ServedVersion, processes: Sequence[KeptProcess], *, timeout_ms: float) -> None:
        self.version = version
        self.timeout_s = timeout_ms / 1000
        self._processes = processes
        self._queue: deque[_Waiting] = deque()
        self._again: deque[_Waiting] = deque()
        self._asked: dict[int, list[_Waiting]] = {}
        self._arrived = asyncio.Event()
        self._open = 0
        self._streams: list[tuple[KeptProcess, Pieces]] = []
        loop = asyncio.get_running_loop()
        self._clock: asyncio.TimerHandle | None = None
        self._tasks = [loop.create_task(self._work(place, process)) for place, process in enumerate(processes)]

    @property
    def problem(self) -> str:
        """What is wrong with its processes, or ""."""
        troubled = [process.problem for process in self._processes if process.problem]
        if not troubled:
            return ""
        of = f"{len(troubled)} of {len(self._processes)} processes of " if len(self._processes) > 1 else ""
        return f"{of}v{self.version.number}: {troubled[0]}"

    def take(self, waiting: _Waiting) -> bool:
        """Let a row wait for a process; False when too many do."""
        if len(self._queue) >= ROWS_WAITING:
            return False
        self._queue.append(waiting)
        self._open += 1
        self._arrived.set()
        if self._clock is None:
            self._wind()
        return True

    async def stream(self, rows: Rows, now_ms: int) -> Pieces:
        """Let the process that tells the fewest answers in pieces tell this one too.

        Raises:
            NotStreaming: the version gives its answers whole.
            Unavailable: none of them can begin.
        """
        why = "its processes are down"
        for process in sorted(self._processes, key=self._telling):
            try:
                async with asyncio.timeout(self.timeout_s):
                    pieces = await process.stream(rows, now_ms)
            except TimeoutError:
                why = f"it did not begin within {self.timeout_s * 1000:g} ms"
            except ProcessGone as error:
                why = reason(error)
            else:
                self._streams.append((process, pieces))
                return pieces
        raise Unavailable(why)

    def _telling(self, process: KeptProcess) -> int:
        self._streams = [(teller, pieces) for teller, pieces in self._streams if not pieces.ended]
        return sum(teller is process for teller, _ in self._streams)

    async def drain(self) -> None:
        """Return when no row is under way; answers in pieces have `LAST_WORDS_S` to end."""
        while self._open:
            await asyncio.sleep(0.005)
        deadline_s = perf_counter() + LAST_WORDS_S
        while any(map(self._telling, self._processes)) and perf_counter() < deadline_s:
            await asyncio.sleep(0.02)

    async def close(self) -> None:
        """End the processes; rows still under way hear that nobody answers them."""
        for task in self._tasks:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        self._end([*self._queue, *self._again, *(row for batch in self._asked.values() for row in batch)], "it was taken out of service")
        if self._clock is not None:
            self._clock.cancel()
        for process in self._processes:
            await process.close()

    async def _work(self, place: int, process: KeptProcess) -> None:
        while True:
            await process.up()
            while not (batch := self._batch()):
                self._arrived.clear()
                await self._arrived.wait()
            self._asked[place] = batch
            await self._ask(process, batch)
            del self._asked[place]

    def _batch(self) -> list[_Waiting]:
        """The next rows for a process: of one layout, or a single one that must go alone."""
        while self._again:
            waiting = self._again.popleft()
            if not waiting.over:
                return [waiting]
        batch: list[_Waiting] = []
        while self._queue and len(batch) < ROWS_AT_ONCE:
            if batch and self._queue[0].sink is not batch[0].sink:
                break
            waiting = self._queue.popleft()
            if not waiting.over:
                batch.append(waiting)
        return batch

    async def _ask(self, process: KeptProcess, batch: list[_Waiting]) -> None:
        sink, asks = batch[0].sink, [waiting.ask for waiting in batch]
        rows, timeout_ms = sink.rows(asks), self.timeout_s * 1000
        try:
            async with asyncio.timeout(self.timeout_s):
                answers, served = await process.answer(rows, asks[-1].request.time_ms, timeout_ms)
        except TimeoutError:
            process.recycle("hang")
            self._once_more(batch, f"no answer within {timeout_ms:g} ms")
        except ProcessGone as error:
            self._once_more(batch, reason(error))
        except Unavailable as error:
            if len(batch) > 1:
                self._again.extend(batch)
            else:
                self._end(batch, reason(error))
        else:
            self._give(batch, checked(asks, rows, answers, served))

    def _once_more(self, batch: Sequence[_Waiting], why: str) -> None:
        """Ask rows again that a process died on, each alone; one that it died on alone is to blame."""
        now_s = perf_counter()
        self._end([waiting for waiting in batch if waiting.deadline_s <= now_s], why)
        self._end([waiting for waiting in batch if waiting.suspect], f"{why}, twice")
        for waiting in batch:
            waiting.suspect = True
        self._again.extend(batch)

    def _give(self, batch: Sequence[_Waiting], computed: Computed) -> None:
        """End rows that were answered, without those whose time was over."""
        if any(waiting.over for waiting in batch):
            left = [place for place, waiting in enumerate(batch) if not waiting.over]
            batch, computed = [batch[place] for place in left], picked(computed, left)
        for waiting in batch:
            waiting.over = True
        self._open -= len(batch)
        if batch:
            batch[0].sink.finish(computed.asks, computed)

    def _end(self, rows: Sequence[_Waiting], why: str) -> None:
        for waiting in rows:
            if not waiting.over:
                self._give([waiting], failed([waiting.ask], waiting.sink.rows([waiting.ask]), why))

    def _wind(self) -> None:
        """Look for rows whose time is over, as long as any are under way."""
        self._clock = asyncio.get_running_loop().call_later(min(self.timeout_s / 10, 0.05), self._strike)

    def _strike(self) -> None:
        now_s = perf_counter()
        held = [*self._again, *(row for batch in self._asked.values() for row in batch)]
        late = [waiting for waiting in held if waiting.deadline_s <= now_s]
        while self._queue and (self._queue[0].over or self._queue[0].deadline_s <= now_s):
            late.append(self._queue.popleft())
        why = self.problem or "its processes are busy"
        self._end(late, f"no answer within {self.timeout_s * 1000:g} ms: {why}")
        self._clock = None
        if self._open:
            self._wind()
