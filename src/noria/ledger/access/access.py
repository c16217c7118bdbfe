"""All that is known of who may do what, in one hand."""

from __future__ import annotations

from noria.ledger.access.audit import Audit
from noria.ledger.access.books import AccessBooks, admittance
from noria.ledger.access.entry import Entry
from noria.ledger.access.tokens import Tokens
from noria.ledger.access.users import Users
from noria.ports.clock import Clock
from noria.ports.passwords import Passwords
from noria.ports.sql import Sql


class Access:
    """Users, tokens and sessions of one installation. Thread-safe.

    Args:
        sql: As for `Entry`.

    Attributes:
        wall: The clock that tokens and sessions end by.
    """

    def __init__(self, books: AccessBooks, passwords: Passwords, sql: Sql | None = None) -> None:
        self._books = books
        self.wall: Clock = books.wall
        self.users = Users(books, passwords)
        self.tokens = Tokens(books)
        self.entry = Entry(books, passwords, sql)
        self.audit = Audit(books)

    def asked(self) -> tuple[bool, int]:
        """Whether everybody is asked who they are, and a number that is another one after every change."""
        door, revision = admittance(self._books)
        return door.asks, revision
