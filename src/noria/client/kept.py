"""What lies in a spool: which runs, which of their entries are with the server, which still wait."""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from noria.client.spool import MAGIC, OWNER, SUFFIX
from noria.core.frames import never_whole, take_frames

SENT = ".sent"
LOCK = "lock"
FILES = "files"
BATCH_BYTES = 512 << 10
BATCH_ENTRIES = 5_000

log = logging.getLogger("noria.client")


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Entries of one file that follow each other.

    Attributes:
        file: Where they lie.
        entries: JSON texts, see `noria.client.entries`.
        end: The offset behind them; `acknowledge` keeps it.
        broken: Whether what follows can never be read (a torn tail of a process that is dead, or a rotten disk).
    """

    file: Path
    entries: tuple[bytes, ...]
    end: int
    broken: bool


def runs_in(spool: Path) -> list[Path]:
    """Folders of the runs that have something in a spool, oldest first."""
    try:
        folders = [Path(one.path) for one in os.scandir(spool) if one.is_dir(follow_symlinks=False)]
        return sorted(folders, key=lambda folder: (_modified(folder), folder.name))
    except OSError:
        return []


def files_of(folder: Path) -> list[Path]:
    """The run's files in the order in which they were begun."""
    return sorted(folder.glob(f"*{SUFFIX}"))


def next_batch(file: Path, *, after: int = 0, most_bytes: int = BATCH_BYTES, most_entries: int = BATCH_ENTRIES) -> Batch:
    """What follows the last acknowledged entry of a file, and the offset `after`; no entries when there is nothing whole.

    An entry longer than `most_bytes` comes alone.

    Raises:
        OSError: the file cannot be read.
    """
    start = max(acknowledged(file), after, len(MAGIC))
    with file.open("rb") as opened:
        if opened.read(len(MAGIC)) != MAGIC:
            return Batch(file=file, entries=(), end=start, broken=True)
        opened.seek(start)
        rest, wanted = opened.read(most_bytes), most_bytes
        frames: list[bytes] = []
        used = take_frames(rest, frames, most_entries)
        while not frames and len(rest) == wanted and not never_whole(rest):
            wanted *= 4
            rest += opened.read(wanted - len(rest))
            used = take_frames(rest, frames, 1)
        return Batch(file=file, entries=tuple(frames), end=start + used, broken=not frames and never_whole(rest))


def acknowledged(file: Path) -> int:
    """The offset up to which the server has a file's entries."""
    try:
        return int((file.parent / (file.name + SENT)).read_text())
    except (OSError, ValueError):
        return 0


def acknowledge(file: Path, end: int) -> None:
    """Remember that the server has all before `end`. Forgetting it costs time, nothing else: entries may be sent twice.

    Raises:
        OSError: the disk takes no note.
    """
    note = file.parent / (file.name + SENT)
    unfinished = note.with_suffix(".new")
    unfinished.write_text(str(end))
    unfinished.replace(note)


def written_by_nobody(file: Path) -> bool:
    """Whether no living process writes to the file."""
    try:
        with file.open("rb") as opened:
            fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
    except BlockingIOError:
        return False
    except OSError:
        return True


def forget(file: Path) -> None:
    """Remove a file whose entries are all with the server."""
    file.unlink(missing_ok=True)
    (file.parent / (file.name + SENT)).unlink(missing_ok=True)


def forget_folder(folder: Path) -> None:
    """Remove a run's folder if nothing is left in it."""
    if files_of(folder) or any(folder.glob(f"*{OWNER}")) or any((folder / FILES).glob("*")):
        return
    with contextlib.suppress(OSError):
        (folder / FILES).rmdir()
    with contextlib.suppress(OSError):
        (folder / LOCK).unlink(missing_ok=True)
        folder.rmdir()


@contextmanager
def alone(folder: Path) -> Iterator[bool]:
    """Hold a run's folder for sending; False when another process does so now.

    Raises:
        OSError: the folder cannot be written.
    """
    descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(descriptor)


def _modified(folder: Path) -> float:
    try:
        return folder.stat().st_mtime
    except OSError:
        return 0.0
