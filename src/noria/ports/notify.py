"""Where people are told."""

from __future__ import annotations

from typing import Protocol


class Notify(Protocol):
    """Tells people. Never raises: a channel that fails is recorded by its own adapter."""

    def tell(self, title: str, text: str, *, severity: str = "info") -> bool:
        """Send; returns whether it was delivered."""
        ...
