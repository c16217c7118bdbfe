"""The data plane's own copies of the blobs it serves from, so that it starts when everything else is gone."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from noria.core.errors import ArtifactRejected, BlobMissing, NotAllowed
from noria.core.ids import digest_of
from noria.ports.blobs import Blobs
from noria.stages.serving.whole_files import write_whole

CACHE_BYTES = 4 << 30
"""The cache keeps at most this much; what was used longest ago goes first."""


class CachedBlobs:
    """Reads blobs from its own folder, and from the store what is not there yet. Thread- and process-safe."""

    def __init__(self, store: Blobs, folder: Path, *, limit_bytes: int = CACHE_BYTES) -> None:
        self._store = store
        self._folder = folder
        self._limit_bytes = limit_bytes
        self._sound: set[str] = set()

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
        self._make_room(len(content))
        write_whole(self._file(digest), content)

    def _make_room(self, coming_bytes: int) -> None:
        held = [(file.stat().st_mtime_ns, file.stat().st_size, file) for file in self._folder.glob("[0-9a-f]*")]
        spare = self._limit_bytes - coming_bytes - sum(size for _, size, _ in held)
        for _, size, file in sorted(held):
            if spare >= 0:
                return
            file.unlink(missing_ok=True)
            spare += size
