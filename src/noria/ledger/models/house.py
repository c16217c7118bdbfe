"""What the registry asks of the rest of the house: versions that loops and deployments made, and to move what answers in production."""

from __future__ import annotations

from typing import Protocol

CHAMPION = "champion"
"""The alias of what answers."""


class House(Protocol):
    """Noria's own side of the registry. Thread-safe."""

    def refresh(self) -> None:
        """Bring what was registered and moved since the last time into the tables; cheap where nothing happened. Idempotent."""
        ...

    def promote(self, name: str, number: int, *, by: str, reason: str) -> None:
        """Let a version of a loop or a deployment answer: its champion.

        Raises:
            NotFound: there is none of that name or number.
            NotAllowed: it may not answer now.
        """
        ...

    def place(self, name: str, number: int) -> None:
        """Make the folder of a version that a client is about to load, if it is not there yet.

        Raises:
            NotAllowed: it has no files of its own.
        """
        ...


class NullHouse:
    """No loop and no deployment stands behind the registry."""

    def refresh(self) -> None:
        """Nothing."""

    def promote(self, name: str, number: int, *, by: str, reason: str) -> None:
        """Nothing."""

    def place(self, name: str, number: int) -> None:
        """Nothing."""
