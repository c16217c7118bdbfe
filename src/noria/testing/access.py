"""A whole book of users, tokens and sessions in memory, with a hash that is not slow: for tests of what asks who calls."""

from __future__ import annotations

from noria.ledger.access.access import Access
from noria.ledger.book import Ledger
from noria.ledger.documents import Documents
from noria.ports.clock import Clock
from noria.ports.records import Records
from noria.testing.clocks import HandClock
from noria.testing.memory import MemoryRecords


class QuickPasswords:
    """`noria.ports.passwords.Passwords` that keeps a password backwards, and counts how often it was asked.

    >>> QuickPasswords().fits(QuickPasswords().kept("correct horse"), "correct horse")
    True
    """

    def __init__(self) -> None:
        self.asked = 0

    def kept(self, password: str) -> str:
        return f"quick:{password[::-1]}"

    def fits(self, kept: str, password: str) -> bool:
        self.asked += 1
        return kept == f"quick:{password[::-1]}"

    def outdated(self, kept: str) -> bool:
        return not kept.startswith("quick:")


class MemoryAccess:
    """`noria.ledger.access.books.AccessBooks` without a disk, and the access over it.

    Attributes:
        wall: What tokens and sessions end by; turn it by hand.
    """

    def __init__(self, records: Records | None = None, *, wall: Clock | None = None) -> None:
        self.records: Records = records if records is not None else MemoryRecords()
        self.documents = Documents(self.records)
        self.wall: Clock = wall if wall is not None else HandClock()
        self.ledger = Ledger(self.records, clock=self.wall, wall=self.wall)
        self.passwords = QuickPasswords()
        self.access = Access(self, self.passwords)
