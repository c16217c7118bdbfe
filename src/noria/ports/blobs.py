"""Where bytes are kept by their digest."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol


class Blobs(Protocol):
    """Content-addressed, immutable bytes. Thread- and process-safe; putting twice is one put."""

    def put(self, content: bytes | Path) -> str:
        """Keep bytes, or the bytes of a file, and return their digest (`sha256:…`). Durable on return."""
        ...

    def path(self, digest: str) -> Path:
        """A local, read-only file with the content.

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
