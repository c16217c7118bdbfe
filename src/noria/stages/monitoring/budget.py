"""How much a loop tells people: a few pages a week at once, all else together in one digest.

The budget is about people alone. What is held back is an incident like any other, gives its signal
to the retrain policy, and stands first in the next digest: nothing is dropped.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from noria.core.alerting import AlertBook

WEEK = timedelta(days=7)


def page(book: AlertBook, incident: str, at: datetime, *, pages_per_week: int, digest: timedelta) -> tuple[AlertBook, bool]:
    """Decide whether a page is told at once; when the week's are spent it is held for the digest.

    At most `pages_per_week` pages are told at once within any seven days.
    """
    recent = tuple(moment for moment in book.paged if at - moment < WEEK)
    if len(recent) < pages_per_week:
        waiting = tuple(one for one in book.waiting if one != incident)
        told = replace(book, paged=(*recent, at), waiting=waiting, digest_at=book.digest_at if waiting else None)
        return told, True
    held = replace(book, paged=recent, held=book.held if incident in book.held else (*book.held, incident))
    return hold(held, incident, at, digest=digest), False


def hold(book: AlertBook, incident: str, at: datetime, *, digest: timedelta) -> AlertBook:
    """Let the next digest tell of the incident, at most `digest` from the first that waits."""
    if incident in book.waiting:
        return book
    return replace(book, waiting=(*book.waiting, incident), digest_at=book.digest_at or at + digest)


def due(book: AlertBook, now: datetime) -> bool:
    """Whether the digest is to be told."""
    return bool(book.waiting) and book.digest_at is not None and book.digest_at <= now


def told(book: AlertBook, now: datetime) -> AlertBook:
    """The book after its digest."""
    return replace(book, waiting=(), held=(), digest_at=None, told_until=now)


def left(book: AlertBook, now: datetime, *, pages_per_week: int) -> int:
    """Pages that may still be told at once."""
    return max(0, pages_per_week - sum(now - moment < WEEK for moment in book.paged))
