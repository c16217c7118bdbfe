"""One version in one process: started, asked over a socket, watched, ended."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, cast

from noria.core.errors import Unavailable, bounded
from noria.core.rows import Rows
from noria.core.traffic import Answer, ServedVersion
from noria.dataplane.framing import Unpacker
from noria.dataplane.messages import Begin, Begun, More, Over, Piece, Question, Reply, Stop, packed, told
from noria.ports import wire
from noria.stages.serving.model import Row
from noria.stages.serving.pieces import NotStreaming, Pieces
from noria.stages.serving.processes import ProcessGone


class ModelProcess:
    """A process that has loaded its version and answers. For the event loop's thread.

    Attributes:
        pid: Its process id; of its group too.
        why_killed: What it was killed for ("hang", "memory", "over"), or "" while it lives or when it ended by itself.
    """

    def __init__(self, process: asyncio.subprocess.Process, line: _Line, output: Path, version: int) -> None:
        self._process = process
        self._line = line
        self._output = output
        self._version = version
        self._asked = 0
        self.pid = process.pid
        self.why_killed = ""
        self._born_bytes = self._resident_bytes()

    @classmethod
    async def start(cls, command: Sequence[str], version: ServedVersion, output: Path, *, start_s: float) -> ModelProcess:
        """Start it and return when it has loaded the version.

        Args:
            command: Gets two arguments more: the socket's path and the version's JSON file; it ends in `run_model`.
            output: Where what it prints is kept; emptied first.

        Raises:
            Unavailable: it ended, or did not call in time; the message holds the end of its output.
        """
        called: asyncio.Future[_Line] = asyncio.get_running_loop().create_future()
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_bytes(b"")
        with tempfile.TemporaryDirectory(prefix="noria-") as folder, output.open("ab") as log:
            socket, file = Path(folder, "line"), Path(folder, "version.json")
            file.write_bytes(wire.dump(version))
            server = await asyncio.get_running_loop().create_unix_server(lambda: _Line(called), str(socket))
            try:
                process = await asyncio.create_subprocess_exec(
                    *command,
                    str(socket),
                    str(file),
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                    env={"OMP_NUM_THREADS": "1", **os.environ},
                )
                line = await _first_call(process, called, start_s, output)
            finally:
                server.close()
        return cls(process, line, output, version.number)

    @property
    def alive(self) -> bool:
        """Whether it can be asked."""
        return self._process.returncode is None and not self._line.closed

    @property
    def killed(self) -> bool:
        """Whether a signal ended it: its own fault, such as a segmentation fault, or somebody's."""
        return (self._process.returncode or 0) < 0

    @property
    def idle(self) -> bool:
        """Whether it owes no answer, also to nobody who still waits."""
        return not self._line.owed and not self._line.streams

    def overdue_s(self) -> float:
        """How long beyond its time the oldest question is unanswered; 0 when there is none."""
        deadline_s = next(iter(self._line.owed.values()), None)
        return 0.0 if deadline_s is None else max(time.monotonic() - deadline_s, 0.0)

    async def answer(
        self, rows: Sequence[Row], now_ms: int, timeout_ms: float
    ) -> tuple[Sequence[Answer | None], Mapping[str, Sequence[Any]]]:
        """Ask it.

        Raises:
            ProcessGone: it is down, or died before it answered.
            Unavailable: it says why it failed on these rows.
        """
        if not self.alive:
            raise ProcessGone("its process is down")
        self._asked += 1
        deadline_s = time.monotonic() + timeout_ms / 1000
        batch = Rows.of(rows)
        said = await self._line.ask(Question(self._asked, batch.names, batch.values, now_ms, timeout_ms, deadline_s))
        if said.error:
            raise Unavailable(said.error)
        return said.answers, said.served

    async def stream(self, rows: Rows, now_ms: int) -> Pieces:
        """Let it answer a single row in pieces.

        Raises:
            NotStreaming: it gives its answers whole.
            ProcessGone: it is down, or died before it began.
            Unavailable: it has too many answers under way.
        """
        if not self.alive:
            raise ProcessGone("its process is down")
        self._asked += 1
        begun, pieces = await self._line.begin(Begin(self._asked, rows.names, rows.values[0], now_ms))
        if not begun.streams:
            raise NotStreaming(self._version)
        if begun.error:
            raise Unavailable(begun.error)
        return pieces

    async def ended(self) -> str:
        """Wait for its end; returns how it ended, in words."""
        code = await self._process.wait()
        self._line.hang_up(f"its process {_how(code, self.why_killed)}")
        return f"{_how(code, self.why_killed)}: {tail(self._output)}"

    def kill(self, why: str) -> None:
        """End it and all that it started, now; whoever waits for an answer hears that there will be none."""
        if self._process.returncode is None:
            self.why_killed = self.why_killed or why
            _kill_group(self._process)
        self._line.hang_up(f"its process was ended ({why})")

    async def end(self) -> None:
        """Kill it and wait until it is gone."""
        self.kill("over")
        await self._process.wait()
        await asyncio.sleep(0)

    async def retire(self, patience_s: float) -> None:
        """End it once nobody waits for it, or after `patience_s`."""
        deadline_s = time.monotonic() + patience_s
        while not self.idle and self.alive and time.monotonic() < deadline_s:
            await asyncio.sleep(0.01)
        await self.end()

    def grown_bytes(self) -> int:
        """Memory that it has taken since it loaded (of its resident set); 0 where /proc does not tell."""
        return self._resident_bytes() - self._born_bytes

    def _resident_bytes(self) -> int:
        try:
            pages = Path(f"/proc/{self.pid}/statm").read_bytes().split()[1]
        except (OSError, IndexError):
            return 0
        return int(pages) * os.sysconf("SC_PAGE_SIZE")


def tail(output: Path) -> str:
    """The last line that a process printed."""
    try:
        with output.open("rb") as printed:
            printed.seek(max(printed.seek(0, os.SEEK_END) - 4_000, 0))
            lines = printed.read().decode(errors="replace").strip()
    except OSError:
        lines = ""
    return bounded(lines.rsplit("\n", 1)[-1], 300) or "it printed nothing"


def _how(code: int, why_killed: str) -> str:
    if why_killed:
        return f"was ended ({why_killed})"
    if code < 0:
        return f"died of signal {-code} ({signal.strsignal(-code) or 'unknown'})"
    return f"ended with {code}"


async def _first_call(process: asyncio.subprocess.Process, called: asyncio.Future[_Line], start_s: float, output: Path) -> _Line:
    ended = asyncio.ensure_future(process.wait())
    try:
        either: set[asyncio.Future[Any]] = {ended, called}
        await asyncio.wait(either, timeout=start_s, return_when=asyncio.FIRST_COMPLETED)
        if called.done():
            return called.result()
        how = f"its process {_how(process.returncode or 0, '')}" if ended.done() else f"it did not load within {start_s:g} s"
        raise Unavailable(f"{how}: {tail(output)}", fix=f"read {output}")
    except BaseException:
        _kill_group(process)
        await process.wait()
        if called.done():
            called.result().hang_up("over")
        raise
    finally:
        ended.cancel()


def _kill_group(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)


class _Line(asyncio.Protocol):
    """The data plane's end of the socket.

    Attributes:
        owed: Question to its deadline, oldest first, until the process has answered it.
        streams: The streams under way by their number.
    """

    def __init__(self, called: asyncio.Future[_Line]) -> None:
        self._called = called
        self._transport: asyncio.Transport | None = None
        self._unpacker = Unpacker()
        self._waiting: dict[int, asyncio.Future[Reply]] = {}
        self._beginning: dict[int, asyncio.Future[Begun]] = {}
        self.owed: dict[int, float] = {}
        self.streams: dict[int, Pieces] = {}
        self.closed = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        if not self._called.done():
            self._called.set_result(self)

    def data_received(self, data: bytes) -> None:
        for body in self._unpacker.feed(data):
            match told(body):
                case Reply() as said:
                    self.owed.pop(said.number, None)
                    _settle(self._waiting.pop(said.number, None), said)
                case Begun() as said:
                    if not said.streams or said.error:
                        self.streams.pop(said.number, None)
                    _settle(self._beginning.pop(said.number, None), said)
                case Piece() as said:
                    if (pieces := self.streams.get(said.number)) is not None:
                        pieces.feed(said.body)
                case Over() as said:
                    if (pieces := self.streams.pop(said.number, None)) is not None:
                        pieces.finish(said.error, said.value)

    def connection_lost(self, exc: Exception | None) -> None:
        self.hang_up("its process died")

    async def ask(self, asked: Question) -> Reply:
        """Send it and wait; a caller that is cancelled leaves nothing behind."""
        waiting: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._waiting[asked.number] = waiting
        self.owed[asked.number] = asked.deadline_s
        try:
            cast(asyncio.Transport, self._transport).write(packed(asked))
            return await waiting
        finally:
            self._waiting.pop(asked.number, None)

    async def begin(self, asked: Begin) -> tuple[Begun, Pieces]:
        """Begin a stream; a caller that is cancelled stops it."""
        number = asked.number
        begun: asyncio.Future[Begun] = asyncio.get_running_loop().create_future()
        pieces = Pieces(lambda taken: self._say(More(number, taken)), lambda: self._say(Stop(number)))
        self._beginning[number], self.streams[number] = begun, pieces
        try:
            self._say(asked)
            return await begun, pieces
        except BaseException:
            pieces.close()
            raise
        finally:
            self._beginning.pop(number, None)

    def _say(self, asked: Begin | More | Stop) -> None:
        if not self.closed:
            cast(asyncio.Transport, self._transport).write(packed(asked))

    def hang_up(self, why: str) -> None:
        """Close it; whoever waits for an answer hears why there will be none."""
        self.closed = True
        if self._transport is not None:
            self._transport.abort()
        asking: list[asyncio.Future[Any]] = [*self._waiting.values(), *self._beginning.values()]
        for waiting in asking:
            if not waiting.done():
                waiting.set_exception(ProcessGone(why))
        for pieces in self.streams.values():
            pieces.finish(why)
        self._waiting.clear()
        self._beginning.clear()
        self.streams.clear()
        self.owed.clear()


_Said = TypeVar("_Said", Reply, Begun)


def _settle(waiting: asyncio.Future[_Said] | None, said: _Said) -> None:
    if waiting is not None and not waiting.done():
        waiting.set_result(said)
