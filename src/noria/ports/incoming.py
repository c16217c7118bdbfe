"""Content that comes in pieces: hashed while it is written, kept when it is whole."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Self

from noria.core.errors import RequestInvalid
from noria.ports.blobs import Streams


class Incoming:
    """One blob in the making, of any length, in constant memory; used by one thread at a time.

    As a context it lets go of what was not kept, so that a broken upload leaves nothing.

    Args:
        store: Where it is going to be kept.
    """

    def __init__(self, store: Streams) -> None:
        self._store = store
        self._hash = hashlib.sha256()
        store.room.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=store.room, prefix="piece-")
        self._file = os.fdopen(handle, "wb", buffering=0)
        self._path = Path(name)
        self.size_bytes = 0

    def write(self, piece: bytes) -> None:
        """Add a piece."""
        self._hash.update(piece)
        self.size_bytes += len(piece)
        rest = memoryview(piece)
        while rest:
            rest = rest[self._file.write(rest) :]

    def keep(self, *, expect: str = "") -> tuple[str, int]:
        """Keep what was written; its digest and its size in bytes. Durable on return.

        Args:
            expect: The digest that whoever sent it says it has; "" = nothing is said.

        Raises:
            RequestInvalid: it has another.
        """
        digest = f"sha256:{self._hash.hexdigest()}"
        if expect and expect != digest:
            raise RequestInvalid(f"{self.size_bytes:,} bytes came with the digest {digest}, not {expect[:100]}", fix="send it again")
        self._file.close()
        self._store.adopt(self._path, digest)
        return digest, self.size_bytes

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self._path.unlink(missing_ok=True)


def take(store: Streams, pieces: Iterable[bytes], *, expect: str = "") -> tuple[str, int]:
    """Keep content that comes in pieces; its digest and its size in bytes. As `Incoming.keep`."""
    with Incoming(store) as incoming:
        for piece in pieces:
            incoming.write(piece)
        return incoming.keep(expect=expect)
