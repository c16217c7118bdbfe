"""What the serving station asks of processes that versions answer from; the data plane fills it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from noria.core.errors import Unavailable
from noria.core.rows import Rows
from noria.core.traffic import Answer, ServedVersion
from noria.stages.serving.model import Row
from noria.stages.serving.pieces import Pieces


class ProcessGone(Unavailable):
    """The process died on a question, or was down before it was asked: its rows may be to blame, or may not."""


class KeptProcess(Protocol):
    """A version in a process of its own that is started again whenever it ends. For the event loop's thread."""

    @property
    def problem(self) -> str:
        """Why it does not answer now, or that it keeps dying; "" when all is well."""
        ...

    async def up(self) -> None:
        """Return when it can be asked."""
        ...

    async def answer(
        self, rows: Sequence[Row], now_ms: int, timeout_ms: float
    ) -> tuple[Sequence[Answer | None], Mapping[str, Sequence[Any]]]:
        """As `Served.answer`. May be cancelled.

        Raises:
            ProcessGone: it is down, or died before it answered.
            Unavailable: it says why it failed on these rows.
        """
        ...

    async def stream(self, rows: Rows, now_ms: int) -> Pieces:
        """Begin the answer to a single row, in pieces.

        Raises:
            NotStreaming: it gives its answers whole.
            ProcessGone: it is down, or died before it began.
            Unavailable: it has too many such answers under way.
        """
        ...

    def recycle(self, why: str) -> None:
        """End it now; another is started."""
        ...

    async def close(self) -> None:
        """End it."""
        ...


Told = Callable[[str], object]
"""Hears why a process has to be started again: "exit", "killed" (by a signal: its own fault, or somebody's), "hang" or "memory"."""


def unheard(why: str) -> None:
    """Nobody asks how often."""


class Hire(Protocol):
    """Starts a process for a version and returns when it has loaded it."""

    async def __call__(self, version: ServedVersion, told: Told = ..., /) -> KeptProcess:
        """The process.

        Raises:
            Unavailable: it ended, or did not load in time.
        """
        ...


class Absent:
    """A challenger that could not be started: every row goes to the champion, and the record says why."""

    def __init__(self, why: str) -> None:
        self._why = why

    async def answer(self, rows: Rows, now_ms: int, timeout_ms: float) -> tuple[Sequence[Answer | None], Mapping[str, Sequence[Any]]]:
        """Fail.

        Raises:
            Unavailable: always.
        """
        raise Unavailable(self._why)

    async def close(self) -> None:
        """There is nothing to end."""
