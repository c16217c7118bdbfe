"""Keeps versions alive in processes of their own: challengers, and the processes of isolated champions."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from noria.core.errors import Unavailable
from noria.core.rows import Rows
from noria.core.traffic import Answer, ServedVersion
from noria.dataplane.model_process import ModelProcess
from noria.stages.serving.model import Row
from noria.stages.serving.pieces import Pieces
from noria.stages.serving.processes import Hire, ProcessGone, Told, unheard

RESTART_S = (0.0, 0.2, 1.0, 5.0, 10.0)
"""Pauses before a process that died is started again: at once the first time, then ever longer."""

STEADY_S = 30.0
"""A process that lived this long starts the pauses anew."""

OFTEN = 3
"""Ends within `OFTEN_WITHIN_S` that make a problem, though it answers at the moment."""

OFTEN_WITHIN_S = 300.0

OUTPUT_BYTES = 16 << 20
"""What a process prints is kept up to here, then begun again: a talkative model fills no disk."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a model's process may do before another takes its place.

    Attributes:
        start_s: It must have loaded and called by then.
        silent_s: Longest time beyond a question's timeout that it may leave it unanswered.
        growth_bytes: Memory that it may take beyond what it had when it had loaded. Beyond it a fresh process takes
            over, and twice as much ends it at once. 0 = any.
        every_s: How often it is looked at.
    """

    start_s: float = 60.0
    silent_s: float = 10.0
    growth_bytes: int = 0
    every_s: float = 0.5


def hiring(command: Sequence[str], log_folder: Path, *, limits: Limits | None = None) -> Hire:
    """How the desk gets processes for versions.

    Args:
        command: Gets two arguments more: the socket's path and the version's JSON file; it ends in `run_model`.
        log_folder: Where what the processes print is kept.
    """
    places: dict[str, int] = {}

    async def hire(version: ServedVersion, told: Told = unheard) -> Hired:
        name = f"{version.loop}-v{version.number}" if version.loop else f"v{version.number}"
        places[name] = places.get(name, 0) + 1
        hired = Hired(command, version, log_folder / f"{name}.{places[name] % 16}.log", limits=limits, told=told)
        try:
            await hired.start()
        except BaseException:
            await hired.close()
            raise
        return hired

    return hire


class Hired:
    """One version in a process of its own, kept alive. For the event loop's thread.

    While the process is down every `answer` fails at once; it is started again with growing pauses.
    One that has grown too large goes on until a fresh one has loaded.
    """

    def __init__(
        self, command: Sequence[str], version: ServedVersion, output: Path, *, limits: Limits | None = None, told: Told = unheard
    ) -> None:
        self._command = list(command)
        self._version = version
        self._output = output
        self._limits = limits or Limits()
        self._told = told
        self._process: ModelProcess | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._leaving: dict[asyncio.Task[None], ModelProcess] = {}
        self._up = asyncio.Event()
        self._ends_s: deque[float] = deque(maxlen=OFTEN)
        self._last_end = ""

    @property
    def pid(self) -> int | None:
        """The process's id while it runs."""
        return self._process.pid if self._process is not None and self._process.alive else None

    @property
    def problem(self) -> str:
        """Why it does not answer now, or that it keeps dying; "" when all is well."""
        if self._process is None or not self._process.alive:
            return f"its process is down and is started again; it {self._last_end}" if self._last_end else "its process is down"
        if len(self._ends_s) == OFTEN and time.monotonic() - self._ends_s[0] < OFTEN_WITHIN_S:
            return f"its process keeps dying; the last one {self._last_end}"
        return ""

    async def start(self) -> None:
        """Start the process and return when it has loaded the version.

        Raises:
            Unavailable: it ended, or did not call in time; the message holds the end of its output.
        """
        await self._launch()
        self._keeper = asyncio.get_running_loop().create_task(self._keep())

    async def up(self) -> None:
        """Return when it can be asked."""
        while self._process is None or not self._process.alive:
            self._up.clear()
            await self._up.wait()

    async def answer(
        self, rows: Sequence[Row], now_ms: int, timeout_ms: float
    ) -> tuple[Sequence[Answer | None], Mapping[str, Sequence[Any]]]:
        """Ask the process.

        Raises:
            ProcessGone: it is down, or it died on these rows.
            Unavailable: it says why it failed on them.
        """
        if self._process is None:
            raise ProcessGone("its process is down")
        return await self._process.answer(rows, now_ms, timeout_ms)

    async def stream(self, rows: Rows, now_ms: int) -> Pieces:
        """Ask the process for an answer in pieces.

        Raises:
            NotStreaming: it gives its answers whole.
            ProcessGone: it is down, or died before it began.
            Unavailable: it has too many answers under way.
        """
        if self._process is None:
            raise ProcessGone("its process is down")
        return await self._process.stream(rows, now_ms)

    def recycle(self, why: str) -> None:
        """End the process now, and start another."""
        if self._process is not None:
            self._process.kill(why)

    async def close(self) -> None:
        """End the process."""
        leaving = dict(self._leaving)
        for task in (self._keeper, *leaving):
            if task is not None:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
        for process in (self._process, *leaving.values()):
            if process is not None:
                await process.end()

    async def _launch(self) -> None:
        self._process = await ModelProcess.start(self._command, self._version, self._output, start_s=self._limits.start_s)
        self._up.set()

    async def _keep(self) -> None:
        """Start the process again whenever it ends or has grown too large, until this task is cancelled."""
        failures = 0
        while True:
            began_s, process = time.monotonic(), self._process
            grown = process is not None and await self._watched(process)
            failures = 1 if time.monotonic() - began_s > STEADY_S else failures + 1
            await asyncio.sleep(RESTART_S[min(failures, len(RESTART_S)) - 1])
            try:
                await self._launch()
            except (Unavailable, OSError) as error:
                self._last_end = f"did not start again: {error}"
                self._ends_s.append(time.monotonic())
                self._process = process if grown else None
            else:
                if grown and process is not None:
                    self._let_go(process)

    async def _watched(self, process: ModelProcess) -> bool:
        """Wait until it ends (False), or has grown so much that another shall take over (True)."""
        ending = asyncio.ensure_future(process.ended())
        try:
            while not (await asyncio.wait({ending}, timeout=self._limits.every_s))[0]:
                if self._look(process):
                    self._note("memory", f"had grown by {process.grown_bytes() >> 20:,} MB")
                    return True
            why = process.why_killed or ("killed" if process.killed else "exit")
            self._note(why, ending.result())
            return False
        finally:
            ending.cancel()

    def _look(self, process: ModelProcess) -> bool:
        """End one that hangs or grows without a limit; whether it has grown beyond its own."""
        with contextlib.suppress(OSError):
            if self._output.stat().st_size > OUTPUT_BYTES:
                os.truncate(self._output, 0)
        if process.overdue_s() > self._limits.silent_s:
            process.kill("hang")
        grown, limit = process.grown_bytes(), self._limits.growth_bytes
        if limit and grown > 2 * limit:
            process.kill("memory")
        return bool(limit) and grown > limit and process.alive

    def _note(self, why: str, how: str) -> None:
        self._last_end = how
        if why != "memory":
            self._ends_s.append(time.monotonic())
        self._told(why)

    def _let_go(self, process: ModelProcess) -> None:
        task = asyncio.get_running_loop().create_task(process.retire(self._limits.silent_s))
        self._leaving[task] = process
        task.add_done_callback(lambda done: self._leaving.pop(done, None))
