"""Where the data plane writes what it answered, so that nothing acknowledged is lost."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """Frames read from one place of the journal.

    Attributes:
        source: Names the writer's file.
        start, end: Byte offsets; reading goes on from `end`.
    """

    source: str
    start: int
    end: int
    frames: tuple[bytes, ...]


class JournalWriter(Protocol):
    """One process's end of the journal. `append` is for one thread; `sync` may run in another."""

    def append(self, frames: Sequence[bytes]) -> None:
        """Hand frames to the operating system: they survive the process from here on."""
        ...

    def sync(self) -> None:
        """Return when all that was appended before survives a power cut (one fsync for all waiters)."""
        ...

    def close(self) -> None:
        """Sync and close."""
        ...


class JournalReader(Protocol):
    """The other end: reads whole, checksummed frames; stops before a torn tail without error."""

    def read(self, since: dict[str, int], *, limit: int = 100_000) -> Iterator[Chunk]:
        """Chunks beyond the offsets in `since` (source to byte offset), at most `limit` frames each."""
        ...

    def forget(self, source: str) -> None:
        """Remove a file that was read to its end and that no writer holds."""
        ...
