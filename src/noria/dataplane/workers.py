"""The parent of a data plane with several workers: it starts them, starts them again, adds their numbers up, ends them together.

It answers no request and loads no model. Workers share the port (SO_REUSEPORT) and nothing else:
each has its own journal, its own breakers and limits, and its own models' processes.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
import time
from collections import Counter
from collections.abc import Callable, Sequence

from noria.dataplane.channel import Channel, Word
from noria.dataplane.numbers import Numbers, added, of_the_past

ANSWER_S = 0.5
"""A worker that does not tell its numbers within this time is counted with its last ones."""

LOOK_S = 5.0
SILENT_S = 60.0
"""A worker that has told numbers once and then none for this long hangs, and is replaced."""

GRACE_S = 25.0
"""Workers that were asked to end have this long for what is under way; then they are killed."""

RESTART_S = (0.0, 0.2, 1.0, 5.0)
"""Pauses before a worker that died is started again: at once the first time, then ever longer."""

STEADY_S = 30.0
"""A worker that lived this long starts the pauses anew."""

Command = Callable[[int, int], Sequence[str]]
"""The command of a worker: gets the descriptor of its end of the channel, and its place, counted from 0."""

_log = logging.getLogger("noria.dataplane")


def supervise(command: Command, count: int) -> None:
    """Keep `count` workers at work until SIGTERM or SIGINT; SIGHUP goes on to all of them."""
    asyncio.run(Workers(command, count).run())


class _Worker:
    """One worker's life.

    Attributes:
        numbers: The last that it told.
        heard_s: When it told them; None before the first time.
    """

    def __init__(self) -> None:
        self.process: asyncio.subprocess.Process | None = None
        self.channel: Channel | None = None
        self.numbers = Numbers()
        self.heard_s: float | None = None
        self.why_killed = ""
        self.gone = asyncio.Event()

    def signal(self, sign: int) -> None:
        """Send it a signal, if it lives."""
        if self.process is not None and self.process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self.process.send_signal(sign)


class Workers:
    """The workers of one data plane, as this process's children."""

    def __init__(self, command: Command, count: int) -> None:
        self._command = command
        self._at_work = [_Worker() for _ in range(count)]
        self._past = Numbers(workers=0)
        self._restarts: Counter[str] = Counter()
        self._told: dict[int, asyncio.Event] = {}
        self._questions = 0
        self._ending = asyncio.Event()

    async def run(self) -> None:
        """As `supervise`, in the running loop of the main thread."""
        loop = asyncio.get_running_loop()
        for sign in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(sign, self._ending.set)
        loop.add_signal_handler(signal.SIGHUP, self._pass_on, signal.SIGHUP)
        keeping = [loop.create_task(self._keep(place)) for place in range(len(self._at_work))]
        watching = loop.create_task(self._watch())
        await self._ending.wait()
        watching.cancel()
        self._pass_on(signal.SIGTERM)
        _, late = await asyncio.wait(keeping, timeout=GRACE_S)
        if late:
            self._pass_on(signal.SIGKILL)
            await asyncio.wait(late)

    async def whole(self) -> Numbers:
        """The numbers of all workers; of one that is silent or has died, the last that it told."""
        self._questions += 1
        number, told = self._questions, asyncio.Event()
        self._told[number] = told
        asked_s = time.monotonic()
        for worker in self._at_work:
            if worker.channel is not None:
                worker.channel.say(Word("tell", number))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(ANSWER_S):
                while any(worker.channel is not None and (worker.heard_s or 0.0) < asked_s for worker in self._at_work):
                    await told.wait()
                    told.clear()
        del self._told[number]
        found = added([self._past, *(worker.numbers for worker in self._at_work if worker.heard_s is not None)])
        found.worker_restarts = dict(self._restarts)
        down = sum(worker.channel is None or worker.heard_s is None for worker in self._at_work)
        if down:
            found.problems["workers"] = f"{down} of {len(self._at_work)} workers are not up"
        return found

    async def _keep(self, place: int) -> None:
        """Start a worker, and again whenever it ends, until all shall end."""
        failures = 0
        while not self._ending.is_set():
            began_s = time.monotonic()
            worker = self._at_work[place] = _Worker()
            code = await self._live(place, worker)
            self._past = added([self._past, of_the_past(worker.numbers)])
            self._at_work[place] = _Worker()
            if self._ending.is_set():
                return
            why = worker.why_killed or ("killed" if code < 0 else "exit")
            self._restarts[why] += 1
            failures = 1 if time.monotonic() - began_s > STEADY_S else failures + 1
            _log.warning("worker %d ended with %d and is started again", place, code)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._ending.wait(), RESTART_S[min(failures, len(RESTART_S)) - 1])

    async def _live(self, place: int, worker: _Worker) -> int:
        ours, theirs = socket.socketpair()
        channel = Channel(lambda word: self._heard(worker, word), lambda: self._lost(worker))
        await channel.open(ours)
        worker.channel = channel
        with theirs:
            command = self._command(theirs.fileno(), place)
            worker.process = await asyncio.create_subprocess_exec(*command, pass_fds=[theirs.fileno()])
        code = await worker.process.wait()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(worker.gone.wait(), ANSWER_S)
        return code

    def _heard(self, worker: _Worker, word: Word) -> None:
        if word.kind == "mine" and word.numbers is not None:
            worker.numbers, worker.heard_s = word.numbers, time.monotonic()
            for told in self._told.values():
                told.set()
        elif word.kind == "ask":
            asyncio.get_running_loop().create_task(self._tell(worker, word.number))

    async def _tell(self, worker: _Worker, number: int) -> None:
        whole = await self.whole()
        if worker.channel is not None:
            worker.channel.say(Word("whole", number, whole))

    def _lost(self, worker: _Worker) -> None:
        worker.channel = None
        worker.gone.set()
        for told in self._told.values():
            told.set()

    def _pass_on(self, sign: int) -> None:
        for worker in self._at_work:
            worker.signal(sign)

    async def _watch(self) -> None:
        """Replace workers that hang."""
        while True:
            await asyncio.sleep(LOOK_S)
            await self.whole()
            for worker in self._at_work:
                if worker.heard_s is not None and time.monotonic() - worker.heard_s > SILENT_S:
                    worker.why_killed = "hang"
                    worker.signal(signal.SIGKILL)
