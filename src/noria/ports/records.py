"""Where everything that happened is kept: documents under compare-and-set, and an append-only event log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One stored document.

    Attributes:
        revision: 1 for the first write, then one more each time.
        body: JSON text.
        index: Up to eight short text fields that `find` can select by.
    """

    kind: str
    key: str
    revision: int
    body: bytes
    index: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Put:
    """Write a document; `expect` is the revision it must have now (0 = must not exist, None = any)."""

    kind: str
    key: str
    body: bytes
    index: Mapping[str, str] = field(default_factory=dict)
    expect: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Append:
    """Append one event; an id that is there already is left as it is (idempotent)."""

    id: str
    loop: str
    kind: str
    subject: str
    turn: str
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One stored event with its place in the log."""

    position: int
    id: str
    body: bytes


Write = Put | Append


class Records(Protocol):
    """Durable records shared by processes. Thread-safe; safe between processes and, on a server, machines.

    What was committed survives a power cut. Reads see all that was committed before they began.
    """

    def get(self, kind: str, key: str) -> Record | None:
        """The document, or None."""
        ...

    def find(
        self, kind: str, *, where: Mapping[str, str] | None = None, limit: int = 1_000, newest_first: bool = False, after: str = ""
    ) -> list[Record]:
        """Documents of a kind whose index has all of `where`, ordered by key (or backwards), keys beyond `after`."""
        ...

    def commit(self, *writes: Write) -> None:
        """Do all writes or none.

        Raises:
            Conflict: a `Put.expect` does not hold any more; nothing was written.
        """
        ...

    def lines(
        self,
        *,
        after: int = 0,
        where: Mapping[str, str] | None = None,
        limit: int = 1_000,
        newest_first: bool = False,
        ids: Sequence[str] = (),
    ) -> list[Line]:
        """Events beyond position `after` (before it when `newest_first` and after > 0), selected by loop, kind, subject, turn or ids."""
        ...
