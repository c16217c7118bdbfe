"""Somebody who sees what was computed before it is journalled, and may want rows kept that a sample would leave out."""

from __future__ import annotations

from typing import Protocol

from noria.stages.serving.frames import Predictions


class Onlooker(Protocol):
    """Called in the event loop, for every frame: it must be quick, and must not raise."""

    def wants(self, request_id: str) -> bool:
        """Whether this row must be kept, whatever the log's sample says."""
        ...

    def saw(self, frame: Predictions) -> None:
        """Look at a frame; it is not its own to change."""
        ...


class NullOnlooker:
    """Nobody looks."""

    def wants(self, request_id: str) -> bool:
        """No."""
        return False

    def saw(self, frame: Predictions) -> None:
        """Nothing."""
