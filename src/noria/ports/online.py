"""Where the newest feature values of each entity are kept for requests."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from noria.core.traffic import Scalar


@dataclass(frozen=True, slots=True)
class OnlineRow:
    """One entity's newest values with their event time in ms."""

    time_ms: int
    values: Mapping[str, Scalar]


class Online(Protocol):
    """Newest values by (view, entity). Many readers, one writer at a time; thread-safe.

    It is a cache of what datasets hold: losing the last writes in a power cut is allowed, since
    the watermark is lost with them and they are written again.
    """

    def write(self, view: str, rows: Iterable[tuple[str, OnlineRow]], *, watermark: str = "") -> int:
        """Keep rows that are not older than what is there, and the watermark, in one transaction; returns rows kept."""
        ...

    def read(self, view: str, entities: Sequence[str]) -> list[OnlineRow | None]:
        """Newest rows in the order of `entities`; None where there is none."""
        ...

    def watermark(self, view: str) -> str:
        """What the last `write` said, or ""."""
        ...

    def clear(self, view: str) -> None:
        """Forget a view."""
        ...
