"""Tables that are searched: a small relational database, beside the documents and events of `noria.ports.records`.

One SQL serves SQLite and PostgreSQL: `?` for arguments, no vendor's types or functions; the few things
that the two say differently are asked of `Dialect`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from noria.ports.records import Write

T = TypeVar("T")

Row = tuple[Any, ...]


class Tx(Protocol):
    """One transaction; used by one thread, and only while the work it was given to runs."""

    def run(self, query: str, args: Sequence[Any] = ()) -> list[Row]:
        """Run one statement and return its rows (of a SELECT, or of RETURNING)."""
        ...

    def many(self, query: str, rows: Iterable[Sequence[Any]]) -> None:
        """Run one statement for each row of arguments."""
        ...

    def file(self, *writes: Write) -> None:
        """Write documents and events in this transaction.

        Raises:
            Conflict: a `Put.expect` does not hold any more.
        """
        ...


Work = Callable[[Tx], T]
"""What a transaction does. It may run more than once and must change nothing but through its `Tx`."""


class Dialect(Protocol):
    """What the databases say differently."""

    @property
    def name(self) -> str:
        """Either "sqlite" or "postgres"."""
        ...

    def like(self, column: str, pattern: str, *, case: bool) -> tuple[str, str]:
        """A test of a text column against an SQL pattern (`%`, `_`; a backslash is no escape) with its one argument.

        Args:
            case: Whether upper and lower case differ.
        """
        ...

    def equal(self, column: str, text: str) -> tuple[str, list[str]]:
        """A test whether a `value` column is a text, in the words of the index of its beginnings (`{head}`), with its arguments."""
        ...

    def matches(self, column: str) -> str:
        """A test of a text column against a regular expression, its one argument; found anywhere in it."""
        ...


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one work of an `attempt`: its value, or the error that undid it alone."""

    value: Any = None
    error: BaseException | None = None


class Sql(Protocol):
    """A relational database shared by processes. Thread-safe; safe between processes and, on a server, machines."""

    @property
    def dialect(self) -> Dialect:
        """What this database says in its own way."""
        ...

    def read(self, query: str, args: Sequence[Any] = ()) -> list[Row]:
        """Rows of a SELECT, which sees all that was committed before it began."""
        ...

    def write(self, work: Work[T], *, durable: bool = True) -> T:
        """Do a work in a transaction and return its value; what it raises undoes it.

        Works of many threads share a commit where that is cheaper.

        Args:
            durable: Whether it survives a power cut once this returns. Otherwise it survives the death of every
                process at once, and a power cut after the next `flush`.
        """
        ...

    def attempt(self, works: Sequence[Work[Any]]) -> list[Outcome] | None:
        """As `write(durable=False)`, all in one commit, if that needs no waiting; else None, and nothing was done.

        For an event loop, which must not wait for a lock.
        """
        ...

    def flush(self) -> None:
        """Let all that was committed survive a power cut."""
        ...
