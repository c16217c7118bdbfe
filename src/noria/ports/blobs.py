"""Where bytes are kept by their digest: for those who read and write, for those who move much, and for whoever collects garbage."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

CHUNK_BYTES = 1 << 20
"""What is read or written at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What a store knows of a blob without reading it.

    Attributes:
        put_at: When it was last put or renewed, by the store's clock.
    """

    digest: str
    size_bytes: int
    put_at: datetime


class Blobs(Protocol):
    """Content-addressed, immutable bytes. Thread- and process-safe; putting twice is one put."""

    def put(self, content: bytes | Path) -> str:
        """Keep bytes, or the bytes of a file, and return their digest (`sha256:…`). Durable on return.

        What is there already is renewed: see `Collectable`.
        """
        ...

    def path(self, digest: str) -> Path:
        """A local, read-only file with the content; where the store is elsewhere it is a copy that may go after an hour.

        Raises:
            BlobMissing: it is not there.
        """
        ...

    def read(self, digest: str) -> bytes:
        """The content, verified against its digest.

        Raises:
            BlobMissing: it is not there, or its bytes are not what its name says.
        """
        ...

    def has(self, digest: str) -> bool:
        """Whether it is there."""
        ...

    def digests(self) -> Iterator[str]:
        """All digests, in no order."""
        ...


class Streams(Protocol):
    """The side of a store that never holds a blob in memory; `noria.ports.incoming` writes through it."""

    @property
    def room(self) -> Path:
        """A local folder for files that become blobs; it may not exist yet."""
        ...

    def adopt(self, file: Path, digest: str) -> None:
        """Keep a file of `room` whose digest the caller has counted, and let the file go. Durable on return, like a put."""
        ...

    def pieces(self, digest: str, *, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        """Bytes `start` to `stop` (without it), as they are stored, in pieces of at most `CHUNK_BYTES`.

        Raises:
            BlobMissing: it is not there; raised before the first piece.
        """
        ...

    def link(self, digest: str, lasts: timedelta) -> str:
        """An address at which anybody can fetch it for a while, past this process; "" where the store has none."""
        ...


class Collectable(Protocol):
    """The side of a store that garbage is collected from.

    Whoever files a reference to a blob puts it, or renews it, first, and files within the grace time of the collection.
    Then no collection takes it away: deletion asks for the age in one step with deleting.
    """

    def about(self, digest: str) -> Held | None:
        """What is known of a blob, or None when it is not there."""
        ...

    def held(self) -> Iterator[Held]:
        """All blobs, in no order; one that comes or goes meanwhile may be left out."""
        ...

    def renew(self, digest: str) -> bool:
        """Make a blob as young as if it were put now; False when it is not there."""
        ...

    def delete(self, digest: str, *, before: datetime) -> bool:
        """Delete a blob that was neither put nor renewed since `before`; whether it is gone now, however often it is asked."""
        ...


class BlobStore(Blobs, Streams, Collectable, Protocol):
    """A whole store."""
