"""Keep the journal in files: framed, checksummed, appended with one write and synced in groups.

A segment opens with `MAGIC`; then come frames of `length | crc32(length, payload) | payload`.
One process writes a segment and holds its lock; nobody ever appends to a segment that an
earlier process left behind, so a torn tail stays a tail.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

from noria.core.frames import framed, never_whole, take_frames
from noria.ports.journal import Chunk

MAGIC = b"noria-j1"
SUFFIX = ".journal"

_READ_BYTES = 4 << 20


class FileJournalWriter:
    """One process's segments in a folder, a new one every `roll_bytes`."""

    def __init__(self, folder: Path, name: str, *, roll_bytes: int = 64 << 20) -> None:
        self._folder = folder
        self._name = name
        self._roll_bytes = roll_bytes
        self._sequence = 0
        self._appended = 0
        self._synced = 0
        self._syncing = threading.Lock()
        self._retired: list[int] = []
        folder.mkdir(parents=True, exist_ok=True)
        self._descriptor, self._size = self._open_segment()

    def append(self, frames: Sequence[bytes]) -> None:
        """Write all frames with one call; they survive the process from here on.

        Raises:
            OSError: the disk took none or not all of them; none of them will be read back.
        """
        block = b"".join(map(framed, frames))
        if self._size >= self._roll_bytes:
            self._roll()
        written = os.write(self._descriptor, block)
        if written != len(block):
            self._give_up(written)
        self._size += written
        self._appended += written

    def sync(self) -> None:
        """Return when all that was appended before is on the disk; callers that come together share one sync."""
        ticket = self._appended
        with self._syncing:
            if self._synced >= ticket:
                return
            covered, current = self._appended, self._descriptor
            retired = list(self._retired)
            for descriptor in {*retired, current}:
                os.fdatasync(descriptor)
            del self._retired[: len(retired)]
            for descriptor in retired:
                os.close(descriptor)
            self._synced = covered

    def close(self) -> None:
        """Sync and let go of the segment, or remove it if nothing was written; closing twice is closing once."""
        if self._descriptor < 0:
            return
        self.sync()
        if self._size == len(MAGIC):
            self._path.unlink(missing_ok=True)
        for descriptor in (*self._retired, self._descriptor):
            os.close(descriptor)
        self._retired, self._descriptor = [], -1

    def _open_segment(self) -> tuple[int, int]:
        self._sequence += 1
        path = self._folder / f"{self._name}-{self._sequence:06d}-{secrets.token_hex(4)}{SUFFIX}"
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.write(descriptor, MAGIC) != len(MAGIC):
                raise OSError("the journal took no new segment: is the disk full?")
            sync_folder(self._folder)
        except BaseException:
            os.close(descriptor)
            path.unlink(missing_ok=True)
            raise
        self._path = path
        return descriptor, len(MAGIC)

    def _roll(self) -> None:
        opened, size = self._open_segment()
        self._retired.append(self._descriptor)
        self._descriptor, self._size = opened, size

    def _give_up(self, written: int) -> None:
        """Take back a write that the disk cut short, and leave the segment: its tail cannot be trusted."""
        os.ftruncate(self._descriptor, self._size)
        self._size = self._roll_bytes
        raise OSError(f"the journal took only {written} bytes of a block: is the disk full?")


class FileJournalReader:
    """Reads the segments of all writers in a folder; keeps no state on the disk."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._read_to: dict[str, int] = {}

    def read(self, since: dict[str, int], *, limit: int = 100_000) -> Iterator[Chunk]:
        """Chunks beyond the offsets in `since`, source by source; a torn tail is left for the next time.

        So is what comes in while this reads, or reading would never end under load.
        """
        for path in sorted(self._folder.glob(f"*{SUFFIX}")):
            source = path.name.removesuffix(SUFFIX)
            start, present = since.get(source, 0), _size(path)
            self._read_to[source] = start
            while start < present:
                frames, end = self._whole_frames(path, start, limit)
                self._read_to[source] = end
                if not frames:
                    break
                yield Chunk(source=source, start=start, end=end, frames=tuple(frames))
                start = end

    def forget(self, source: str) -> None:
        """Remove a segment that this reader read to its end and whose writer is gone; leave any other as it is."""
        path = self._folder / f"{source}{SUFFIX}"
        if source not in self._read_to or not path.exists():
            return
        with path.open("rb") as segment:
            try:
                fcntl.flock(segment, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return
            if not self._whole_frames(path, self._read_to[source], 1)[0]:
                path.unlink()

    @staticmethod
    def _whole_frames(path: Path, start: int, limit: int) -> tuple[list[bytes], int]:
        try:
            with path.open("rb") as segment:
                if segment.read(len(MAGIC)) != MAGIC:
                    return [], start
                offset = segment.seek(max(start, len(MAGIC)))
                frames: list[bytes] = []
                rest = b""
                while len(frames) < limit and (read := segment.read(_READ_BYTES)):
                    rest += read
                    used = take_frames(rest, frames, limit)
                    offset += used
                    rest = rest[used:]
                    if never_whole(rest):
                        break
                return frames, offset if frames else start
        except FileNotFoundError:
            return [], start


def sync_folder(folder: Path) -> None:
    """Make the names in a folder survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
