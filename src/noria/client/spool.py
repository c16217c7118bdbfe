"""Keep what a run is told in files that survive the process: one write per entry, nobody waits for a disk or a network.

A run has a folder in the spool. Each process that writes to the run has files of its own in it and
holds their locks, so a file without a lock is what a dead process left. What a full disk refuses waits
in memory, up to `WAITING_LIMIT` entries; what is beyond that is counted.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import logging
import os
import threading
import time
import weakref
from collections import deque
from pathlib import Path

from noria.core.frames import framed

MAGIC = b"noria-s1"
SUFFIX = ".spool"
OWNER = ".owner"
"""Ending of a file in the run's folder, locked by a process that began or resumed the run until it has said how the run ended."""
ROLL_BYTES = 16 << 20
"""A file that is longer is followed by another, so that what was sent can be removed."""
LEFT_FREE_BYTES = 64 << 20
"""A disk with less free (or than a twentieth of it) gets no further file: checkpoints need the place."""
WAITING_LIMIT = 10_000
"""Entries that wait in memory while the disk takes none."""

log = logging.getLogger("noria.client")
_open: weakref.WeakSet[Spool] = weakref.WeakSet()


class Spool:
    """One run's entries as this process writes them. Thread-safe; a forked child goes on in a file of its own.

    Attributes:
        folder: The run's folder; made when the first entry comes.
        dropped: Entries that neither the disk nor the memory could hold.
    """

    def __init__(self, folder: Path, *, owns: bool = False, roll_bytes: int = ROLL_BYTES, waiting_limit: int = WAITING_LIMIT) -> None:
        self.folder = folder
        self.dropped = 0
        self._roll_bytes = roll_bytes
        self._waiting_limit = waiting_limit
        self._lock = threading.Lock()
        self._waiting: deque[bytes] = deque()
        self._descriptor = -1
        self._marker = folder / f"{os.getpid()}-{os.urandom(4).hex()}{OWNER}"
        self._owner = self._claim() if owns else -1
        self._size = 0
        self._prefix = ""
        self._sequence = 0
        self._refusal = ""
        _open.add(self)

    def append(self, payload: bytes) -> bool:
        """Keep one entry; False when it was dropped. Never raises: a run goes on without its tracking."""
        frame = framed(payload)
        with self._lock:
            if (self._waiting and not self._write_waiting()) or not self._write(frame):
                return self._wait_or_drop(payload)
        return True

    def waiting(self) -> list[bytes]:
        """Entries that the disk has refused so far, oldest first."""
        with self._lock:
            return list(self._waiting)

    def took(self, count: int) -> None:
        """The first `count` of `waiting` are with the server."""
        with self._lock:
            for _ in range(min(count, len(self._waiting))):
                self._waiting.popleft()

    def close(self, *, ended: bool = False) -> None:
        """Let go of the file, and when the run's end has been told of the run too; an entry that comes later opens another file."""
        with self._lock:
            if self._waiting:
                self._write_waiting()
            self._let_go()
            if self._owner >= 0 and ended:
                with contextlib.suppress(OSError):
                    self._marker.unlink(missing_ok=True)
                os.close(self._owner)
                self._owner = -1

    def _claim(self) -> int:
        """Hold a marker of the run, locked before anybody can see it; -1 where the disk takes none."""
        unseen = self._marker.with_suffix(".new")
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(unseen, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            unseen.replace(self._marker)
        except OSError as error:
            log.debug("%s cannot be marked as running: %s", self.folder, error)
            return -1
        return descriptor

    def _write_waiting(self) -> bool:
        while self._waiting and self._write(framed(self._waiting[0])):
            self._waiting.popleft()
        return not self._waiting

    def _write(self, frame: bytes) -> bool:
        try:
            if self._descriptor < 0 or self._size >= self._roll_bytes:
                self._roll()
            written = os.write(self._descriptor, frame)
            if written == len(frame):
                self._size += written
                return True
            os.ftruncate(self._descriptor, os.fstat(self._descriptor).st_size - written)
            self._refusal = "the disk is full"
        except OSError as error:
            self._refusal = error.strerror or str(error)
        return False

    def _wait_or_drop(self, payload: bytes) -> bool:
        if len(self._waiting) < self._waiting_limit:
            if not self._waiting:
                log.warning("the spool %s takes nothing (%s): entries wait in memory", self.folder, self._refusal)
            self._waiting.append(payload)
            return True
        if not self.dropped:
            log.warning("the spool %s takes nothing (%s) and the memory for it is full: entries are dropped", self.folder, self._refusal)
        self.dropped += 1
        return False

    def _roll(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._let_go()
        disk = os.statvfs(self.folder)
        if disk.f_bavail * disk.f_frsize < min(LEFT_FREE_BYTES, disk.f_blocks * disk.f_frsize // 20):
            raise OSError(errno.ENOSPC, "the disk is nearly full, and what is left belongs to the training")
        self._sequence += 1
        self._prefix = self._prefix or f"{time.time_ns():019d}-{os.getpid()}-{os.urandom(4).hex()}"
        name = f"{self._prefix}-{self._sequence:06d}{SUFFIX}"
        descriptor = os.open(self.folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.write(descriptor, MAGIC) != len(MAGIC):
                raise OSError("the disk is full")
        except BaseException:
            os.close(descriptor)
            (self.folder / name).unlink(missing_ok=True)
            raise
        self._descriptor, self._size = descriptor, len(MAGIC)

    def _let_go(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor = -1

    def _forked(self) -> None:
        """In a child: the file, its lock and what waits are the parent's."""
        self._lock = threading.Lock()
        self._waiting.clear()
        with contextlib.suppress(OSError):
            self._let_go()
            if self._owner >= 0:
                os.close(self._owner)
        self._descriptor = self._owner = -1
        self._prefix = ""


def dead_owners(folder: Path) -> list[Path]:
    """Markers of processes that are gone without having said how the run ended; none while another process has the run."""
    dead = []
    for marker in folder.glob(f"*{OWNER}"):
        try:
            with marker.open("rb") as opened:
                fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return []
        except OSError:
            continue
        dead.append(marker)
    return dead


def _after_fork() -> None:
    for spool in list(_open):
        spool._forked()


os.register_at_fork(after_in_child=_after_fork)
