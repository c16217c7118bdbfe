"""The parent of a data plane with several workers: it starts them, starts them again, adds their numbers up, ends them together.

It answers no request and loads no model. Workers share the port and nothing else: each has its own
journal, its own breakers and limits, and its own models' processes. Where their number is fixed, each
listens by itself (SO_REUSEPORT: the kernel deals callers out evenly); where it follows the load, all
accept from one socket, so that a worker that leaves takes nobody along who has not been let in yet.
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
from noria.dataplane.sizing import Bounds, Pulse, Sizing

ANSWER_S = 0.5
"""A worker that does not tell its numbers within this time is counted with its last ones."""

FEEL_S = 1.0
"""How often it is asked how busy they are, where their number follows the load."""

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


def supervise(command: Command, bounds: Bounds, listening: socket.socket | None = None) -> None:
    """Keep workers at work until SIGTERM or SIGINT, as many as the load wants; SIGHUP goes on to all of them.

    Args:
        listening: What all of them accept from, where their number changes: whoever leaves takes no caller along who waits there.
    """
    asyncio.run(Workers(command, bounds, listening).run())


class _Worker:
    """One worker's life.

    Attributes:
        numbers: The last that it told.
        heard_s: When it told them; None before the first time.
        felt: CPU seconds that it had used and when, by its last pulse but one and its last; requests under way then.
        leaving: Whether it was asked to end when its callers have gone.
    """

    def __init__(self) -> None:
        self.process: asyncio.subprocess.Process | None = None
        self.channel: Channel | None = None
        self.numbers = Numbers()
        self.heard_s: float | None = None
        self.why_killed = ""
        self.leaving = False
        self.felt: list[tuple[float, float]] = []
        self.in_flight = 0
        self.gone = asyncio.Event()

    def signal(self, sign: int) -> None:
        """Send it a signal, if it lives."""
        if self.process is not None and self.process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self.process.send_signal(sign)


class Workers:
    """The workers of one data plane, as this process's children."""

    def __init__(self, command: Command, bounds: Bounds, listening: socket.socket | None = None) -> None:
        self._command = command
        self._bounds = bounds
        self._listening = listening
        self._sizing = Sizing(bounds)
        self._at_work: dict[int, _Worker] = {}
        self._keeping: set[asyncio.Task[None]] = set()
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
        for _ in range(self._bounds.low):
            self._hire()
        watching = [loop.create_task(self._watch()), *([loop.create_task(self._size())] if self._bounds.elastic else [])]
        await self._ending.wait()
        for one in watching:
            one.cancel()
        self._pass_on(signal.SIGTERM)
        _, late = await asyncio.wait(self._keeping, timeout=GRACE_S)
        if late:
            self._pass_on(signal.SIGKILL)
            await asyncio.wait(late)

    async def whole(self) -> Numbers:
        """The numbers of all workers; of one that is silent or has died, the last that it told."""
        self._questions += 1
        number, told = self._questions, asyncio.Event()
        self._told[number] = told
        asked_s = time.monotonic()
        for worker in self._at_work.values():
            if worker.channel is not None:
                worker.channel.say(Word("tell", number))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(ANSWER_S):
                while any(worker.channel is not None and (worker.heard_s or 0.0) < asked_s for worker in self._at_work.values()):
                    await told.wait()
                    told.clear()
        del self._told[number]
        found = added([self._past, *(worker.numbers for worker in self._at_work.values() if worker.heard_s is not None)])
        found.worker_restarts = dict(self._restarts)
        wanted = [worker for worker in self._at_work.values() if not worker.leaving]
        found.workers = sum(worker.heard_s is not None for worker in wanted)
        down = sum(worker.channel is None or worker.heard_s is None for worker in wanted)
        if down:
            found.problems["workers"] = f"{down} of {len(wanted)} workers are not up"
        return found

    def _hire(self) -> None:
        """One worker more, at the first place that is free."""
        place = next(place for place in range(len(self._at_work) + 1) if place not in self._at_work)
        self._at_work[place] = _Worker()
        task = asyncio.get_running_loop().create_task(self._keep(place))
        self._keeping.add(task)
        task.add_done_callback(self._keeping.discard)

    async def _size(self) -> None:
        """Feel how busy the workers are, and let their number follow."""
        while True:
            await asyncio.sleep(FEEL_S)
            here = [worker for worker in self._at_work.values() if not worker.leaving]
            for worker in here:
                if worker.channel is not None:
                    worker.channel.say(Word("feel"))
            if any(len(worker.felt) < 2 for worker in here):
                continue
            cores = sum((after - before) / max(then - when, 1e-3) for (before, when), (after, then) in (worker.felt for worker in here))
            pulse = Pulse(cores=cores, in_flight=sum(worker.in_flight for worker in here))
            wanted = self._sizing.wanted(len(here), pulse, time.monotonic())
            if wanted > len(here):
                _log.info("%d workers use %.2f cores: one more is started", len(here), cores)
                self._hire()
            elif wanted < len(here):
                _log.info("%d workers use %.2f cores: one leaves when its callers have gone", len(here), cores)
                self._retire(max(place for place, worker in self._at_work.items() if worker in here))

    def _retire(self, place: int) -> None:
        worker = self._at_work[place]
        if worker.channel is not None:
            worker.leaving = True
            worker.channel.say(Word("retire"))

    async def _keep(self, place: int) -> None:
        """Start a worker, and again whenever it ends, until it or all shall end."""
        failures = 0
        while not self._ending.is_set():
            began_s = time.monotonic()
            worker = self._at_work[place] = _Worker()
            code = await self._live(place, worker)
            self._past = added([self._past, of_the_past(worker.numbers)])
            if worker.leaving or self._ending.is_set():
                del self._at_work[place]
                return
            self._at_work[place] = _Worker()
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
            shared = [] if self._listening is None else [self._listening.fileno()]
            worker.process = await asyncio.create_subprocess_exec(*command, pass_fds=[theirs.fileno(), *shared])
        code = await worker.process.wait()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(worker.gone.wait(), ANSWER_S)
        return code

    def _heard(self, worker: _Worker, word: Word) -> None:
        if word.kind == "mine" and word.numbers is not None:
            worker.numbers, worker.heard_s = word.numbers, time.monotonic()
            for told in self._told.values():
                told.set()
        elif word.kind == "pulse":
            self._feel(worker, word)
        elif word.kind == "ask":
            asyncio.get_running_loop().create_task(self._tell(worker, word.number))

    def _feel(self, worker: _Worker, word: Word) -> None:
        """Note a pulse; a worker's first means that it answers, so the others let it have its share of the callers."""
        worker.felt = [*worker.felt[-1:], (word.cpu_s, time.monotonic())]
        worker.in_flight = word.in_flight
        if len(worker.felt) == 1:
            others = [one for one in self._at_work.values() if one is not worker and one.felt and not one.leaving]
            for one in others:
                if one.channel is not None:
                    one.channel.say(Word("spread", len(others) + 1))

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
        for worker in list(self._at_work.values()):
            worker.signal(sign)

    async def _watch(self) -> None:
        """Replace workers that hang."""
        while True:
            await asyncio.sleep(LOOK_S)
            await self.whole()
            for worker in list(self._at_work.values()):
                if worker.heard_s is not None and time.monotonic() - worker.heard_s > SILENT_S:
                    worker.why_killed = "hang"
                    worker.signal(signal.SIGKILL)
