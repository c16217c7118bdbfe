"""Local copies of blobs that are kept elsewhere: what was asked for longest ago goes first."""

from __future__ import annotations

import hashlib
import os
import tempfile
import threading
import time
from collections.abc import Iterable
from pathlib import Path

from noria.core.errors import BlobMissing

IN_USE_S = 3_600.0
"""A copy that was asked for within this time stays, though the cache be over its limit: its path was handed out."""

_ROOM_AT_ONCE = 0.1
"""The share of the limit that is made free at once, so that the folder is seldom read through."""


class Cache:
    """A folder of verified copies, shared by the processes of a home. Thread- and process-safe.

    Args:
        limit_bytes: What it keeps, but for copies in use.
    """

    def __init__(self, folder: Path, *, limit_bytes: int) -> None:
        self._folder = folder
        self._limit_bytes = limit_bytes
        self._lock = threading.Lock()
        self._held_bytes: int | None = None

    @property
    def room(self) -> Path:
        """Files in the making."""
        return self._folder / "incoming"

    def find(self, name: str) -> Path | None:
        """The copy, if there is one; it counts as asked for."""
        file = self._folder / name
        try:
            os.utime(file)
        except FileNotFoundError:
            return None
        return file

    def fill(self, name: str, pieces: Iterable[bytes]) -> Path:
        """Make a copy of what comes.

        Raises:
            BlobMissing: its SHA-256 is not `name`.
        """
        self.room.mkdir(parents=True, exist_ok=True)
        counted = hashlib.sha256()
        handle, fresh = tempfile.mkstemp(dir=self.room, prefix="copy-")
        try:
            with os.fdopen(handle, "wb") as file:
                for piece in pieces:
                    counted.update(piece)
                    file.write(piece)
            if counted.hexdigest() != name:
                raise BlobMissing(f"blob sha256:{name} does not hold what its name says", fix="restore it from a copy")
            return self.take(name, Path(fresh))
        finally:
            Path(fresh).unlink(missing_ok=True)

    def take(self, name: str, file: Path) -> Path:
        """Keep a file of `room` as the copy."""
        place = self._folder / name
        size = file.stat().st_size
        file.chmod(0o444)
        os.utime(file)
        file.replace(place)
        with self._lock:
            self._make_room(size, keep=place)
        return place

    def forget(self, name: str) -> None:
        """Let a copy go."""
        (self._folder / name).unlink(missing_ok=True)

    def _make_room(self, came_bytes: int, *, keep: Path) -> None:
        """What other processes put there is seen when this one finds the folder full."""
        if self._held_bytes is not None and self._held_bytes + came_bytes <= self._limit_bytes:
            self._held_bytes += came_bytes
            return
        held = sorted((found.st_mtime, found.st_size, place) for place, found in _files(self._folder))
        self._held_bytes = sum(size for _, size, _ in held)
        if self._held_bytes <= self._limit_bytes:
            return
        wanted = self._limit_bytes * (1 - _ROOM_AT_ONCE)
        for asked_at, size, place in held:
            if self._held_bytes <= wanted or asked_at > time.time() - IN_USE_S:
                return
            if place != keep:
                place.unlink(missing_ok=True)
                self._held_bytes -= size


def _files(folder: Path) -> Iterable[tuple[Path, os.stat_result]]:
    for place in folder.glob("[0-9a-f]*"):
        if place.name != "incoming":
            try:
                yield place, place.stat()
            except FileNotFoundError:
                continue
