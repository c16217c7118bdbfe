"""Event time that somebody turns, shared by all processes of a home through one small file."""

from __future__ import annotations

import fcntl
import mmap
import os
import struct
from datetime import datetime
from pathlib import Path

from noria.core.errors import NotFound
from noria.core.moments import from_ms, to_ms

_CELL = struct.Struct("=q")
"""The whole file: milliseconds since 1970 as one signed integer of the machine's own byte order."""


class TurnedClock:
    """A clock that moves only when it is turned: a year of traffic can flow in minutes.

    The moment lives in an 8-byte file that every process maps into its memory, so reading it is
    one aligned load and needs no lock; turning takes a file lock, so it never goes backwards
    whoever turns it. Thread- and process-safe on one machine. The moment outlives its processes.

    Args:
        file: Where the moment is kept.
        start: The first moment, used only when the file is not there yet.

    Raises:
        NotFound: the file is not there and no `start` was given.
    """

    def __init__(self, file: Path, *, start: datetime | None = None) -> None:
        self._file = file
        if not file.exists():
            _begin(file, start)
        with file.open("r+b") as opened:
            self._memory = mmap.mmap(opened.fileno(), _CELL.size)
        self._cell = memoryview(self._memory).cast("q")
        self._told = (self._cell[0], from_ms(self._cell[0]))

    def now(self) -> datetime:
        """The current moment, aware, UTC."""
        told_ms, told = self._told
        ms = self._cell[0]
        if ms == told_ms:
            return told
        told = from_ms(ms)
        self._told = (ms, told)
        return told

    def now_ms(self) -> int:
        """The current moment in milliseconds since 1970."""
        return self._cell[0]

    def turn(self, to: datetime) -> None:
        """Move the clock to `to` for every process at once; turning to the present moment does nothing.

        Raises:
            ValueError: `to` lies before the current moment.
        """
        ms = to_ms(to)
        with self._file.open("rb") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            if ms < self._cell[0]:
                raise ValueError(f"a clock is never turned back: it shows {from_ms(self._cell[0])}, asked for {to}")
            self._cell[0] = ms

    def close(self) -> None:
        """Let go of the file; the clock cannot be read afterwards."""
        self._cell.release()
        self._memory.close()


def _begin(file: Path, start: datetime | None) -> None:
    """Make the file with its first moment, whole or not at all; the first of several processes wins."""
    if start is None:
        raise NotFound(f"no clock at {file}", fix="start it once with its first moment: TurnedClock(file, start=…)")
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_name(f"{file.name}.{os.urandom(4).hex()}.draft")
    draft.write_bytes(_CELL.pack(to_ms(start)))
    try:
        os.link(draft, file)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
