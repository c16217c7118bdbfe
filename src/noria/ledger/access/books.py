"""Where users, tokens and sessions are kept, and how a change of them is told to every process."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from noria.core.errors import Conflict
from noria.core.identities import Admittance, User
from noria.ledger.book import Ledger
from noria.ledger.documents import Documents
from noria.ports.clock import Clock
from noria.ports.records import Records, Write

LIMIT = 10_000
TRIES = 5


class AccessBooks(Protocol):
    """What access needs of the world. Times are wall times: who may call does not follow a replay's clock."""

    @property
    def records(self) -> Records: ...  # noqa: D102

    @property
    def documents(self) -> Documents: ...  # noqa: D102

    @property
    def ledger(self) -> Ledger: ...  # noqa: D102

    @property
    def wall(self) -> Clock: ...  # noqa: D102


def admittance(books: AccessBooks) -> tuple[Admittance, int]:
    """Whether everybody is asked who they are, and the revision of all that is known of them."""
    return books.documents.revision(Admittance, "door") or (Admittance(), 0)


def change(
    books: AccessBooks,
    writes: Sequence[Write],
    kind: str,
    subject: str,
    *,
    by: str,
    reasons: Sequence[str] = (),
    asks: bool | None = None,
) -> None:
    """Commit a change of users, tokens or sessions with its event; every process sees it within a second.

    Args:
        asks: Whether everybody is asked from now on; None leaves it.

    Raises:
        Conflict: somebody else changed the same first.
    """
    event = books.ledger.event(kind, loop="", subject=subject, by=by, reasons=[one for one in reasons if one])
    for left in reversed(range(TRIES)):
        door, revision = admittance(books)
        told = replace(door, asks=door.asks if asks is None else asks, changed_at=books.wall.now(), by=by)
        try:
            books.records.commit(*writes, books.documents.write(told, expect=revision), books.ledger.line(event))
            return
        except Conflict:  # of the door, which any change moves; or of the writes, and then it stays one
            if not left:
                raise


def user_of(books: AccessBooks, name: str) -> tuple[User, int] | None:
    """A user who is here, with the revision to expect; None = there is none of that name."""
    found = books.documents.revision(User, name)
    return found if found is not None and found[0].here else None
