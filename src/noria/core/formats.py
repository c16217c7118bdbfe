"""What format a store has, and what a newer Noria would make of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Behind:
    """A group of tables that is not of the newest format.

    Attributes:
        group: "records" for documents and events, or the name of a group of `noria.ports.relations`.
        has, newest: Formats; 0 = its tables are not there yet.
        statements: What leads from one to the other, in order.
    """

    group: str
    has: int
    newest: int
    statements: Sequence[str] = ()

    def __str__(self) -> str:
        return f"{self.group} {self.has} → {self.newest}"
