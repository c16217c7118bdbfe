"""Blobs in a folder: one file per digest, two levels of fan-out."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO

from noria.core.errors import BlobMissing
from noria.core.ids import digest_of
from noria.ports.blobs import CHUNK_BYTES, Held

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


class Files:
    """`BlobStore` under one folder; any number of processes may share it.

    A file appears under its digest by rename, after its bytes and before its name are synced: a power cut leaves it
    whole or not there. Its time of modification is the time of its last put. Those who renew what is there hold a lock
    together, whoever deletes holds it alone: between the look at the age and the end of a file nobody can renew it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = Path(folder)
        self._lock_file = self._folder / "lock"

    @property
    def room(self) -> Path:
        """Within the folder, so that adopting is renaming."""
        return self._folder / "incoming"

    def put(self, content: bytes | Path) -> str:
        """Keep bytes, or the bytes of a file, and return their digest. Durable on return."""
        if isinstance(content, Path):
            return self._keep(_digest_of_file(content), content.stat().st_size, lambda file: _copy(content, file))
        return self._keep(digest_of(content), len(content), lambda file: file.write(content))

    def path(self, digest: str) -> Path:
        """A local, read-only file with the content."""
        place = self._place(digest)
        if not place.is_file():
            raise BlobMissing(f"blob {digest} is not in {self._folder}")
        return place

    def read(self, digest: str) -> bytes:
        """The content, verified against its digest."""
        content = self.path(digest).read_bytes()
        if digest_of(content) != digest:
            raise BlobMissing(f"blob {digest} in {self._folder} does not hold what its name says", fix="restore it from a copy")
        return content

    def has(self, digest: str) -> bool:
        """Whether it is there."""
        return _DIGEST.fullmatch(digest) is not None and self._place(digest).is_file()

    def lend(self, digest: str, file: Path) -> None:
        """Make a file of another place readable here under its digest, without a copy.

        Raises:
            BlobMissing: its bytes are not what the digest says.
        """
        if _digest_of_file(file) != digest:
            raise BlobMissing(f"blob {digest} in {file} does not hold what its name says", fix="restore it from a copy")
        place = self._place(digest)
        place.parent.mkdir(parents=True, exist_ok=True)
        if not place.exists():
            place.symlink_to(file.resolve())

    def digests(self) -> Iterator[str]:
        """All digests, in no order."""
        for file in self._files():
            yield f"sha256:{file.name}"

    def adopt(self, file: Path, digest: str) -> None:
        """Keep a file of `room` by renaming it."""
        place = self._place(digest)
        if self._renewed(place, file.stat().st_size):
            file.unlink()
            return
        _make(place.parent)
        with file.open("rb") as handle:
            os.fchmod(handle.fileno(), 0o444)
            os.utime(handle.fileno())
            os.fsync(handle.fileno())
        file.replace(place)
        _sync(place.parent)

    def pieces(self, digest: str, *, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        """Bytes `start` to `stop`, read as they are asked for; a blob that is deleted meanwhile is read to its end."""
        try:
            file = self._place(digest).open("rb", buffering=0)
        except FileNotFoundError as error:
            raise BlobMissing(f"blob {digest} is not in {self._folder}") from error
        return _read(file, start, stop)

    def link(self, digest: str, lasts: timedelta) -> str:
        """There is none: a folder has no address."""
        return ""

    def about(self, digest: str) -> Held | None:
        """What is known of a blob."""
        return _held(self._place(digest)) if _DIGEST.fullmatch(digest) else None

    def held(self) -> Iterator[Held]:
        """All blobs, in no order."""
        for file in self._files():
            held = _held(file)
            if held is not None:
                yield held

    def renew(self, digest: str) -> bool:
        """Make it as young as if it were put now."""
        return _DIGEST.fullmatch(digest) is not None and self._renewed(self._place(digest))

    def delete(self, digest: str, *, before: datetime) -> bool:
        """Delete a blob that was neither put nor renewed since `before`."""
        place = self._place(digest)
        with self._locked(fcntl.LOCK_EX):
            held = _held(place)
            if held is not None and held.put_at >= before:
                return False
            place.unlink(missing_ok=True)
        return True

    def _files(self) -> Iterator[Path]:
        return self._folder.glob("[0-9a-f][0-9a-f]/[0-9a-f][0-9a-f]/*")

    def _place(self, digest: str) -> Path:
        if _DIGEST.fullmatch(digest) is None:
            raise BlobMissing(f"{digest[:100]!r} is not a digest")
        name = digest.removeprefix("sha256:")
        return self._folder / name[:2] / name[2:4] / name

    def _renewed(self, place: Path, size_bytes: int | None = None) -> bool:
        """Whether it is there, of that size; then it is as young as if it were put now."""
        if not place.is_file():
            return False
        with self._locked(fcntl.LOCK_SH):
            try:
                if size_bytes is not None and place.stat().st_size != size_bytes:
                    return False
                os.utime(place)
            except FileNotFoundError:
                return False
        return True

    @contextmanager
    def _locked(self, how: int) -> Iterator[None]:
        _make(self._folder)
        handle = os.open(self._lock_file, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(handle, how)
            yield
        finally:
            os.close(handle)

    def _keep(self, digest: str, size_bytes: int, write: Callable[[IO[bytes]], object]) -> str:
        if self._renewed(self._place(digest), size_bytes):
            return digest
        _make(self.room)
        with tempfile.NamedTemporaryFile(dir=self.room, delete=False) as file:
            incoming = Path(file.name)
            try:
                write(file)
                file.flush()
                self.adopt(incoming, digest)
            except BaseException:
                incoming.unlink(missing_ok=True)
                raise
        return digest


def _held(place: Path) -> Held | None:
    try:
        found = place.stat()
    except FileNotFoundError:
        return None
    return Held(digest=f"sha256:{place.name}", size_bytes=found.st_size, put_at=datetime.fromtimestamp(found.st_mtime, UTC))


def _read(file: IO[bytes], start: int, stop: int | None) -> Iterator[bytes]:
    with file:
        file.seek(start)
        left = None if stop is None else stop - start
        while left is None or left > 0:
            piece = file.read(CHUNK_BYTES if left is None else min(CHUNK_BYTES, left))
            if not piece:
                return
            left = None if left is None else left - len(piece)
            yield piece


def _digest_of_file(path: Path) -> str:
    with path.open("rb") as file:
        return "sha256:" + hashlib.file_digest(file, "sha256").hexdigest()


def _copy(path: Path, file: IO[bytes]) -> None:
    with path.open("rb") as source:
        while chunk := source.read(CHUNK_BYTES):
            file.write(chunk)


def _make(folder: Path) -> None:
    """Make a folder whose name survives a power cut."""
    if folder.is_dir():
        return
    _make(folder.parent)
    folder.mkdir(exist_ok=True)
    _sync(folder.parent)


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
