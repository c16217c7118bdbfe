"""The data plane's own copies of the blobs it serves from, so that it starts when everything else is gone."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

from noria.core.errors import ArtifactRejected, BlobMissing, NotAllowed
from noria.core.ids import digest_of
from noria.ports.blobs import Blobs

CACHE_BYTES = 4 << 30
"""The cache keeps at most this much; what was used longest ago goes first."""


MANY = 100
"""Blobs from which on room is made for more than the one that comes."""


class CachedBlobs:
    """Reads blobs from its own folder, and from the store what is not there yet. Thread- and process-safe."""

    def __init__(self, store: Blobs, folder: Path, *, limit_bytes: int = CACHE_BYTES) -> None:
        self._store = store
        self._folder = folder
        self._limit_bytes = limit_bytes
        self._sound: set[str] = set()
        self._held_bytes: int | None = None
        self._lock = threading.Lock()

    def put(self, content: bytes | Path) -> str:
        """Refuse: this end only reads.

        Raises:
            NotAllowed: always.
        """
        raise NotAllowed("the data plane's cache is read-only", fix="put it into the blob store")

    def path(self, digest: str) -> Path:
        """A local file with the content, checked once in this process.

        Raises:
            BlobMissing: neither the cache nor the store has it.
            ArtifactRejected: the store has something else in its place.
        """
        file = self._file(digest)
        if digest in self._sound and file.exists():
            os.utime(file)
            return file
        if not self._holds(digest):
            self._fetch(digest)
        self._sound.add(digest)
        return file

    def read(self, digest: str) -> bytes:
        """The content.

        Raises:
            BlobMissing: neither the cache nor the store has it.
        """
        return self.path(digest).read_bytes()

    def has(self, digest: str) -> bool:
        """Whether it can be read."""
        return self._file(digest).exists() or self._store.has(digest)

    def digests(self) -> Iterator[str]:
        """What the cache itself holds."""
        for file in self._folder.glob("*"):
            if not file.name.startswith("."):
                yield f"sha256:{file.name}"

    def _file(self, digest: str) -> Path:
        return self._folder / digest.removeprefix("sha256:")

    def _holds(self, digest: str) -> bool:
        try:
            return digest_of(self._file(digest).read_bytes()) == digest
        except FileNotFoundError:
            return False

    def _fetch(self, digest: str) -> None:
        try:
            content = self._store.read(digest)
        except OSError as error:
            raise BlobMissing(f"{digest} is not in the cache, and the blob store cannot be read: {error}") from error
        if digest_of(content) != digest:
            raise ArtifactRejected(f"the blob store's {digest} is not what its digest says", fix="`noria doctor` finds damaged blobs")
        with self._lock:
            self._make_room(len(content))
            self._held_bytes = (self._held_bytes or 0) + len(content)
        self._place(digest, content)

    def _place(self, digest: str, content: bytes) -> None:
        """Whole or not at all; not synced, for what a power cut spoils is fetched again."""
        self._folder.mkdir(parents=True, exist_ok=True)
        fresh = self._folder / f".{digest.removeprefix('sha256:')}.{os.getpid()}.{threading.get_ident()}"
        fresh.write_bytes(content)
        fresh.replace(self._file(digest))

    def _make_room(self, coming_bytes: int) -> None:
        """Remove what was not used longest; of many files a tenth of the room at once, so that the folder is seldom read through.

        What other processes put there is seen when this one finds it full.
        """
        if self._held_bytes is not None and self._held_bytes + coming_bytes <= self._limit_bytes:
            return
        held = [(file.stat().st_mtime_ns, file.stat().st_size, file) for file in self._folder.glob("[0-9a-f]*")]
        self._held_bytes = sum(size for _, size, _ in held)
        if self._held_bytes + coming_bytes <= self._limit_bytes:
            return
        free = self._limit_bytes // 10 if len(held) > MANY else 0
        for _, size, file in sorted(held):
            if self._held_bytes + coming_bytes + free <= self._limit_bytes:
                return
            file.unlink(missing_ok=True)
            self._held_bytes -= size
