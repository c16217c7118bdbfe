"""Blobs in a folder: one file per digest, two levels of fan-out."""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from noria.core.errors import BlobMissing
from noria.core.ids import digest_of

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_CHUNK = 1 << 20


class Files:
    """`Blobs` under one folder; any number of processes may share it.

    A file appears under its digest by rename, after its bytes and before its name are synced:
    a power cut leaves it whole or not there.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = Path(folder)
        self._incoming = self._folder / "incoming"

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
        for file in self._folder.glob("[0-9a-f][0-9a-f]/[0-9a-f][0-9a-f]/*"):
            yield f"sha256:{file.name}"

    def _place(self, digest: str) -> Path:
        if _DIGEST.fullmatch(digest) is None:
            raise BlobMissing(f"{digest[:100]!r} is not a digest")
        name = digest.removeprefix("sha256:")
        return self._folder / name[:2] / name[2:4] / name

    def _keep(self, digest: str, size_bytes: int, write: Callable[[IO[bytes]], object]) -> str:
        place = self._place(digest)
        if place.is_file() and place.stat().st_size == size_bytes:
            return digest
        _make(self._incoming)
        _make(place.parent)
        with tempfile.NamedTemporaryFile(dir=self._incoming, delete=False) as file:
            incoming = Path(file.name)
            try:
                write(file)
                file.flush()
                os.fchmod(file.fileno(), 0o444)
                os.fsync(file.fileno())
                incoming.replace(place)
            except BaseException:
                incoming.unlink(missing_ok=True)
                raise
        _sync(place.parent)
        return digest


def _digest_of_file(path: Path) -> str:
    with path.open("rb") as file:
        return "sha256:" + hashlib.file_digest(file, "sha256").hexdigest()


def _copy(path: Path, file: IO[bytes]) -> None:
    with path.open("rb") as source:
        while chunk := source.read(_CHUNK):
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
