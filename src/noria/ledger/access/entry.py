"""How a person comes in: by a password, in at most so many tries; and the sessions that follow from it."""

from __future__ import annotations

import secrets
from dataclasses import replace
from datetime import datetime, timedelta

from noria.core.errors import Conflict, NotFound, Unauthorised
from noria.core.identities import Session, User, canonical, principal_of
from noria.core.ids import digest_of
from noria.core.rights import Principal
from noria.ledger.access.books import LIMIT, AccessBooks, change, user_of
from noria.ledger.access.pace import Pace
from noria.ledger.access.users import LONGEST
from noria.ports.passwords import Passwords
from noria.ports.sql import Sql

LASTS = timedelta(days=7)
IDLE = timedelta(hours=12)
"""A session ends after so long, or when nothing came of it for so long."""

SEEN_EVERY = timedelta(minutes=5)
WRONG = "the name or the password is wrong"


class Entry:
    """Passwords and sessions. Thread-safe.

    Args:
        sql: Where wrong passwords are counted by all processes together; None = this one counts for itself.
        lasts, idle: When a session ends by itself, at the latest, and when nothing comes of it.
    """

    def __init__(
        self, books: AccessBooks, passwords: Passwords, sql: Sql | None = None, *, lasts: timedelta = LASTS, idle: timedelta = IDLE
    ) -> None:
        self._books = books
        self._passwords = passwords
        self._pace = Pace(books.wall, sql)
        self._lasts, self._idle = lasts, idle

    def by_password(self, name: str, password: str, *, address: str) -> User:
        """The user whose password it is. Takes as long for a name that nobody has.

        Raises:
            TooManyTries: the password was not looked at.
            Unauthorised: the name or the password is wrong; which, is not said.
        """
        named = canonical(name)
        self._pace.take(named, address)
        held = user_of(self._books, named) if named else None
        kept = held[0].password if held else ""
        right = self._passwords.fits(kept, password[: LONGEST + 1])
        if held is None or not right:
            raise Unauthorised(WRONG)
        self._pace.was_right(named, address)
        return self._renewed(*held, password)

    def begin(self, user: User, *, address: str = "", agent: str = "", instead_of: str = "") -> tuple[str, Session]:
        """Begin a session; returns the cookie's secret, always a new one.

        Args:
            instead_of: The secret of a session that this one takes the place of.
        """
        secret, now = secrets.token_urlsafe(32), self._books.wall.now()
        session = Session(
            digest=digest_of(secret.encode()),
            user=user.name,
            csrf=secrets.token_urlsafe(24),
            made_at=now,
            seen_at=now,
            expires_at=now + self._lasts,
            generation=user.generation,
            address=address[:64],
            agent=agent[:200],
        )
        event = self._books.ledger.event("session.began", loop="", subject=user.name, by=user.name, reasons=(session.id, f"from {address}"))
        self._books.records.commit(self._books.documents.write(session, expect=0), self._books.ledger.line(event))
        if instead_of:
            self.end(instead_of)
        return secret, session

    def session(self, secret: str) -> tuple[Principal, Session, datetime]:
        """The caller that a session makes, the session, and until when that holds if nothing more comes.

        Raises:
            Unauthorised: it is over, or never was.
        """
        found = self._books.documents.revision(Session, digest_of(secret.encode("utf-8", "replace")))
        held = user_of(self._books, found[0].user) if found else None
        if found is None or held is None or not self._open(found[0], held[0]):
            raise Unauthorised("this session is over", fix="log in again")
        session, revision = found
        now = self._books.wall.now()
        if now - session.seen_at >= SEEN_EVERY:
            session = replace(session, seen_at=now)
            try:
                self._books.documents.put(session, expect=revision)
            except Conflict:  # seen by another process in this moment, or ended: the next look will tell
                return self.session(secret)
        return principal_of(held[0], shown=session.id), session, min(session.expires_at, session.seen_at + SEEN_EVERY)

    def sessions(self, user: str = "") -> list[Session]:
        """Sessions that are open, of a user or of all, the newest first."""
        found = self._books.documents.find(Session, where={"user": user} if user else {}, limit=LIMIT)
        users = {name: held[0] for name in {one.user for one in found} if (held := user_of(self._books, name))}
        return sorted(
            (one for one in found if one.user in users and self._open(one, users[one.user])), key=lambda one: one.made_at, reverse=True
        )

    def end(self, secret: str) -> None:
        """End a session by its secret; one that is over already, or never was, is left as it is."""
        found = self._books.documents.revision(Session, digest_of(secret.encode("utf-8", "replace")))
        if found is not None and found[0].ended_at is None:
            self._end(*found, by=found[0].user)

    def end_one(self, id: str, *, by: str, of: str = "") -> Session:
        """End a session by its public name.

        Args:
            of: Whose it must be; "" = anybody's.

        Raises:
            NotFound: no open session has the name.
        """
        found = next((one for one in self.sessions(of) if one.id == id), None)
        held = self._books.documents.revision(Session, found.digest) if found else None
        if held is None:
            raise NotFound(f"there is no open session {id[:40]!r}")
        return self._end(*held, by=by)

    def _end(self, session: Session, revision: int, *, by: str) -> Session:
        over = replace(session, ended_at=self._books.wall.now())
        change(
            self._books, [self._books.documents.write(over, expect=revision)], "session.ended", session.user, by=by, reasons=(session.id,)
        )
        return over

    def _open(self, session: Session, user: User) -> bool:
        now = self._books.wall.now()
        fresh = now < session.expires_at and now - session.seen_at < self._idle
        return fresh and session.ended_at is None and session.generation == user.generation

    def _renewed(self, user: User, revision: int, password: str) -> User:
        """The user, with the password kept by today's parameters."""
        if not self._passwords.outdated(user.password):
            return user
        new = replace(user, password=self._passwords.kept(password))
        try:
            self._books.documents.put(new, expect=revision)
        except Conflict:
            return user
        return new
