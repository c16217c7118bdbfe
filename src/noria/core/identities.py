"""Who there is: people and programs with their roles, the tokens that speak for them, and sessions of the page.

A token and a session's secret are 256 random bits, so one round of SHA-256 keeps them safe: there is nothing to
guess. Passwords are chosen by people and go through a slow hash (`noria.ports.passwords`).
"""

from __future__ import annotations

import hmac
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from noria.core.ids import digest_of
from noria.core.rights import ANYWHERE, REACH, Principal, Role

RESERVED = frozenset({"noria", "home", "local", "nobody", "somebody", "admin-token"})
"""Names that events give to others than users."""

_PREFIX = "nt"
_ID_BYTES = 6
_NAME = re.compile(r"[a-z0-9][a-z0-9._@+-]{0,63}")


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """A person, or a program with an identity of its own.

    Attributes:
        name: Lower-case; as events tell it.
        roles: Project to role; `ANYWHERE` holds where a project has no line of its own.
        password: What the slow hash made of it; "" = none opens.
        service: A program: tokens speak for it, it has no password and no session.
        outside: Issuer and subject at an identity provider, "ISSUER SUBJECT"; "" = known here alone.
        generation: Sessions of another one are over: it rises with each new password, and when the user is removed.
    """

    name: str
    made_at: datetime
    roles: Mapping[str, Role] = field(default_factory=dict)
    password: str = ""
    service: bool = False
    outside: str = ""
    by: str = ""
    generation: int = 1
    removed_at: datetime | None = None

    @property
    def here(self) -> bool:
        """Whether it was not removed."""
        return self.removed_at is None


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessToken:
    """One token; the secret itself is kept nowhere.

    Attributes:
        id: Its public part, by which it is named and revoked.
        user: For whom it speaks.
        digest: SHA-256 of the whole token.
        project: Where it holds; `ANYWHERE` = wherever its user has a role.
        role: The most that it may, of what its user may; None = all of that.
        expires_at: Wall time from which on it opens nothing; None = never.
    """

    id: str
    user: str
    digest: str
    made_at: datetime
    project: str = ANYWHERE
    role: Role | None = None
    note: str = ""
    by: str = ""
    expires_at: datetime | None = None
    revoked_at: datetime | None = None

    def state(self, now: datetime) -> str:
        """At a moment: "valid", "expired" or "revoked"."""
        if self.revoked_at is not None:
            return "revoked"
        return "expired" if self.expires_at is not None and self.expires_at <= now else "valid"


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenUse:
    """When and from where a token was last used, to the minute."""

    token: str
    at: datetime
    address: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A person at a page.

    Attributes:
        digest: SHA-256 of the secret in the cookie; the session's key.
        csrf: What orders from its pages must repeat.
        generation: Of the user when it began.
        seen_at: Its last request, to some minutes: it ends when nothing came for long.
    """

    digest: str
    user: str
    csrf: str
    made_at: datetime
    seen_at: datetime
    expires_at: datetime
    generation: int
    address: str = ""
    agent: str = ""
    ended_at: datetime | None = None

    @property
    def id(self) -> str:
        """A short public name."""
        return "s-" + self.digest.removeprefix("sha256:")[:12]


@dataclass(frozen=True, slots=True, kw_only=True)
class Admittance:
    """Whether anybody is asked who they are; its revision rises with each change of users, tokens and sessions.

    Attributes:
        asks: Everybody is, on this machine too: from the first user on.
    """

    asks: bool = False
    changed_at: datetime | None = None
    by: str = ""


def canonical(name: str) -> str:
    """A user's name as it is kept: lower-case, without surrounding space; "" when it can be none.

    >>> canonical(" Ada@Example.org "), canonical("a b"), canonical("local")
    ('ada@example.org', '', '')
    """
    found = name.strip().lower()
    return found if _NAME.fullmatch(found) and found not in RESERVED else ""


def new_token() -> tuple[str, str]:
    """A token to show once, and its id."""
    id = secrets.token_hex(_ID_BYTES)
    return f"{_PREFIX}_{id}_{secrets.token_urlsafe(32)}", id


def token_id(shown: str) -> str:
    """The id that a token names; "" when it is none.

    >>> token_id("nt_3f9c0a17b2de_secret"), token_id("nk_3f9c0a17b2de_secret")
    ('3f9c0a17b2de', '')
    """
    prefix, _, rest = shown.partition("_")
    return rest.partition("_")[0] if prefix == _PREFIX else ""


def is_the_one(digest: str, shown: str) -> bool:
    """Whether a secret is the one whose digest is kept; takes the same time wherever it differs."""
    return hmac.compare_digest(digest_of(shown.encode("utf-8", "replace")), digest)


def cut(roles: Mapping[str, Role], project: str, role: Role | None) -> dict[str, Role]:
    """What is left of roles within a project, at most a role.

    >>> cut({"*": Role.OPERATOR, "lab": Role.VIEWER}, "*", Role.CONTRIBUTOR) == {"*": Role.CONTRIBUTOR, "lab": Role.VIEWER}
    True
    >>> cut({"*": Role.OPERATOR}, "lab", None) == {"lab": Role.OPERATOR}
    True
    """
    if project == ANYWHERE:
        held = dict(roles)
    else:
        found = roles.get(project) or roles.get(ANYWHERE)
        held = {} if found is None else {project: found}
    return {place: lower(has, role) for place, has in held.items()}


def lower(one: Role, other: Role | None) -> Role:
    """The role that may less."""
    return one if other is None or REACH[one] <= REACH[other] else other


def principal_of(user: User, token: AccessToken | None = None, *, shown: str = "") -> Principal:
    """The user as a caller, with a token's limits if it came by one.

    Args:
        shown: Id of what was shown when it was no token, such as a session's.
    """
    if token is None:
        return Principal(name=user.name, roles=user.roles, token=shown)
    return Principal(name=user.name, roles=cut(user.roles, token.project, token.role), token=token.id)
