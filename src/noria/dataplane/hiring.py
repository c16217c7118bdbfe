"""Starts challengers in processes of their own, starts them again when they die, and carries questions to them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from noria.core.errors import Unavailable, bounded
from noria.core.rows import Rows
from noria.core.traffic import Answer, ServedVersion
from noria.dataplane.messages import Question, Reply, Unpacker, packed, reply
from noria.ports import wire
from noria.stages.serving.model import Row

START_S = 60.0
"""A challenger must have loaded and called by then."""

_RESTART_S = (0.2, 1.0, 5.0, 10.0)


def hiring(command: Sequence[str], log_folder: Path, *, start_s: float = START_S) -> Callable[[ServedVersion], Awaitable[HiredChallenger]]:
    """How the desk gets its challengers.

    Args:
        command: Gets two arguments more: the socket's path and the version's JSON file; it ends in `run_challenger`.
        log_folder: Where what the processes print is kept.
    """

    async def hire(version: ServedVersion) -> HiredChallenger:
        challenger = HiredChallenger(command, version, log_folder, start_s=start_s)
        try:
            await challenger.start()
        except BaseException:
            await challenger.close()
            raise
        return challenger

    return hire


class HiredChallenger:
    """One version in a process of its own. For the event loop's thread.

    While the process is down every `answer` fails at once; it is started again with growing pauses.
    """

    def __init__(self, command: Sequence[str], version: ServedVersion, log_folder: Path, *, start_s: float = START_S) -> None:
        self._command = list(command)
        self._version = version
        self._log = log_folder / f"v{version.number}.log"
        self._start_s = start_s
        self._process: asyncio.subprocess.Process | None = None
        self._line: _Line | None = None
        self._called = asyncio.Event()
        self._keeper: asyncio.Task[None] | None = None
        self._asked = 0

    @property
    def pid(self) -> int | None:
        """The process's id while it runs."""
        return self._process.pid if self._process and self._process.returncode is None else None

    async def start(self) -> None:
        """Start the process and return when it has loaded the version.

        Raises:
            Unavailable: it ended, or did not call in time; the message holds the end of its output.
        """
        self._log.parent.mkdir(parents=True, exist_ok=True)
        await self._spawn()
        self._keeper = asyncio.get_running_loop().create_task(self._keep())

    async def answer(
        self, rows: Sequence[Row], now_ms: int, timeout_ms: float
    ) -> tuple[Sequence[Answer | None], Mapping[str, Sequence[Any]]]:
        """Ask the process.

        Raises:
            Unavailable: it is down, it died on these rows, or it says why it failed.
        """
        line = self._line
        if line is None or line.closed:
            raise Unavailable("its process is down")
        self._asked += 1
        deadline_s = time.monotonic() + timeout_ms / 1000
        batch = Rows.of(rows)
        said = await line.ask(Question(self._asked, batch.names, batch.values, now_ms, timeout_ms, deadline_s))
        if said.error:
            raise Unavailable(said.error)
        return said.answers, said.served

    async def close(self) -> None:
        """End the process."""
        if self._keeper is not None:
            self._keeper.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._keeper
        await self._end()

    def _connected(self, line: _Line) -> None:
        self._line = line
        self._called.set()

    async def _spawn(self) -> None:
        """Start the process; its socket's file is there only until it has called."""
        self._called.clear()
        with tempfile.TemporaryDirectory(prefix="noria-") as folder:
            line, version = Path(folder, "line"), Path(folder, "version.json")
            version.write_bytes(wire.dump(self._version))
            server = await asyncio.get_running_loop().create_unix_server(lambda: _Line(self._connected), str(line))
            try:
                await self._launch(line, version)
            finally:
                server.close()

    async def _launch(self, line: Path, version: Path) -> None:
        with self._log.open("wb") as log:
            self._process = await asyncio.create_subprocess_exec(
                *self._command,
                str(line),
                str(version),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env={"OMP_NUM_THREADS": "1", **os.environ},
            )
        ended = asyncio.ensure_future(self._process.wait())
        called = asyncio.ensure_future(self._called.wait())
        done, waiting = await asyncio.wait({ended, called}, timeout=self._start_s, return_when=asyncio.FIRST_COMPLETED)
        for left in waiting:
            left.cancel()
        if called not in done:
            how = f"its process ended with {self._process.returncode}" if ended in done else f"it did not load within {self._start_s:g} s"
            await self._end()
            raise Unavailable(f"{how}: {self._tail()}", fix=f"read {self._log}")

    async def _keep(self) -> None:
        """Start the process again whenever it ends, until this task is cancelled."""
        failures = 0
        while True:
            began_s = time.monotonic()
            if self._process is not None:
                await self._process.wait()
            if self._line is not None:
                self._line.hang_up()
            failures = 0 if time.monotonic() - began_s > _RESTART_S[-1] else failures + 1
            await asyncio.sleep(_RESTART_S[min(failures, len(_RESTART_S)) - 1])
            with contextlib.suppress(Unavailable, OSError):
                await self._spawn()

    async def _end(self) -> None:
        if self._line is not None:
            self._line.hang_up()
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()

    def _tail(self) -> str:
        printed = self._log.read_text(errors="replace").strip() if self._log.exists() else ""
        return bounded(printed.rsplit("\n", 1)[-1], 300) or "it printed nothing"


class _Line(asyncio.Protocol):
    """The data plane's end of the socket."""

    def __init__(self, connected: Callable[[_Line], None]) -> None:
        self._connected = connected
        self._transport: asyncio.Transport | None = None
        self._unpacker = Unpacker()
        self._open: dict[int, asyncio.Future[Reply]] = {}
        self.closed = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._connected(self)

    def data_received(self, data: bytes) -> None:
        for body in self._unpacker.feed(data):
            said = reply(body)
            waiting = self._open.pop(said.number, None)
            if waiting is not None and not waiting.done():
                waiting.set_result(said)

    def connection_lost(self, exc: Exception | None) -> None:
        self.hang_up()

    async def ask(self, asked: Question) -> Reply:
        """Send it and wait; a caller that is cancelled leaves nothing behind."""
        waiting: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._open[asked.number] = waiting
        try:
            cast(asyncio.Transport, self._transport).write(packed(asked))
            return await waiting
        finally:
            self._open.pop(asked.number, None)

    def hang_up(self) -> None:
        """Close it; whoever waits for an answer hears that there will be none."""
        self.closed = True
        if self._transport is not None:
            self._transport.abort()
        for waiting in self._open.values():
            if not waiting.done():
                waiting.set_exception(Unavailable("its process died"))
        self._open.clear()
