"""What may be ordered about tokens: make, list, revoke; and whom one speaks for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from noria.core.access import check_issued
from noria.core.errors import Conflict, Forbidden, NotAllowed, NotFound, Unauthorised
from noria.core.identities import AccessToken, TokenUse, is_the_one, new_token, principal_of, token_id
from noria.core.ids import digest_of
from noria.core.moments import spoken
from noria.core.rights import ANYWHERE, Principal, Role
from noria.ledger.access.books import LIMIT, AccessBooks, change, user_of
from noria.ledger.access.users import place

LASTS = timedelta(days=365)
"""How long a token lasts when nothing else is said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenShown:
    """A token as it is listed."""

    id: str
    user: str
    state: str
    project: str
    role: Role | None
    note: str
    by: str
    made_at: datetime
    expires_at: datetime | None
    used_at: datetime | None
    used_from: str


class Tokens:
    """Tokens of every user. Thread-safe: each verb is one commit."""

    def __init__(self, books: AccessBooks) -> None:
        self._books = books

    def add(
        self, user: str, *, project: str = ANYWHERE, role: Role | None = None, lasts: timedelta | None = LASTS, note: str = "", by: str
    ) -> tuple[str, AccessToken]:
        """Make a token; returns the secret, which is shown this once, and what is kept.

        Args:
            project, role: Where it holds, and the most that it may there; never more than its user may.
            lasts: None = without end.

        Raises:
            NotFound: there is no such user.
            RequestInvalid: it would last no time, or the note is too long.
        """
        held = user_of(self._books, user)
        if held is None:
            raise NotFound(f"there is no user {user[:80]!r}", fix="make one first: `noria users add NAME`, with --service for a program")
        check_issued("token", lasts=lasts, note=note)
        secret, id = new_token()
        now = self._books.wall.now()
        made = AccessToken(
            id=id,
            user=user,
            digest=digest_of(secret.encode()),
            made_at=now,
            project=project,
            role=role,
            note=note,
            by=by,
            expires_at=None if lasts is None else now + lasts,
        )
        documents = self._books.documents
        # The user goes along unchanged, so that one who is being removed gets no token.
        writes = [documents.write(made, expect=0), documents.write(held[0], expect=held[1])]
        said = (f"{role or 'all that its user may'} in {place(project)}", "without end" if lasts is None else f"for {spoken(lasts)}", note)
        change(self._books, writes, "token.made", f"{user}/{id}", by=by, reasons=said)
        return secret, made

    def all(self, user: str = "") -> list[TokenShown]:
        """Tokens of a user, or of all; the oldest first."""
        found = self._books.documents.find(AccessToken, where={"user": user} if user else {}, limit=LIMIT)
        now = self._books.wall.now()
        return [self._shown(one, now) for one in sorted(found, key=lambda one: (one.user, one.made_at, one.id))]

    def revoke(self, id: str, *, by: str, because: str = "", of: str = "") -> TokenShown:
        """End a token now.

        Args:
            of: Whose it must be; "" = anybody's.

        Raises:
            NotFound: there is no such token, or it is another's.
            NotAllowed: it was revoked already.
        """
        found = self._books.documents.revision(AccessToken, id)
        if found is None or (of and found[0].user != of):
            raise NotFound(f"there is no token {id[:100]!r}", fix="`noria tokens list` names them by their id")
        token, revision = found
        if token.revoked_at is not None:
            raise NotAllowed(f"token {id} was revoked already")
        over = replace(token, revoked_at=self._books.wall.now())
        write = self._books.documents.write(over, expect=revision)
        change(self._books, [write], "token.revoked", f"{token.user}/{id}", by=by, reasons=(token.note, because))
        return self._shown(over, self._books.wall.now())

    def speaks_for(self, shown: str) -> tuple[Principal, datetime | None]:
        """The caller that a token makes, and until when it holds.

        Raises:
            Unauthorised: it is none, or opens nothing any more. Which of these is not said.
        """
        id = token_id(shown)
        token = self._books.documents.get(AccessToken, id) if id else None
        if token is None or not is_the_one(token.digest, shown) or token.state(self._books.wall.now()) != "valid":
            raise Unauthorised("this token opens nothing", fix="make another one: `noria tokens add NAME`")
        held = user_of(self._books, token.user)
        if held is None:
            raise Unauthorised("this token opens nothing", fix="make another one: `noria tokens add NAME`")
        return principal_of(held[0], token), token.expires_at

    def used(self, uses: Iterable[TokenUse]) -> None:
        """Keep when tokens were last used; a later time that is kept already stays."""
        for use in uses:
            before = self._books.documents.revision(TokenUse, use.token)
            if before is None or before[0].at < use.at:
                try:
                    self._books.documents.put(use, expect=before[1] if before else 0)
                except Conflict:  # another process was quicker, with a use as new
                    continue

    def _shown(self, token: AccessToken, now: datetime) -> TokenShown:
        use = self._books.documents.get(TokenUse, token.id)
        return TokenShown(
            id=token.id,
            user=token.user,
            state=token.state(now),
            project=token.project,
            role=token.role,
            note=token.note,
            by=token.by,
            made_at=token.made_at,
            expires_at=token.expires_at,
            used_at=use.at if use else None,
            used_from=use.address if use else "",
        )


def may_give(giver: Principal, role: Role, project: str) -> None:
    """Return when a caller may let somebody be something in a project: admins of the place alone, so never beyond themselves.

    Raises:
        Forbidden: they may not.
    """
    from noria.core.rights import Right

    reached = (ANYWHERE, *giver.roles) if project == ANYWHERE else (project,)  # everywhere is also where the giver is less
    if not all(giver.may(Right.ADMIN, one) for one in reached):
        raise Forbidden(f"{giver.name} may not make anybody {role} in {place(project)}", fix="ask an admin of that project")
