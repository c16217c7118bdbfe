"""Who may call a deployment: keys, as the control plane keeps them and as the data plane checks them.

A key is 256 random bits, so one round of SHA-256 keeps it safe: there is nothing to guess, and slow hashes
such as argon2 are for secrets that people choose.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from noria.core.errors import RequestInvalid
from noria.core.ids import digest_of

LONGEST_NOTE = 200
"""Characters of what a key or token is said to be for."""

_PREFIX = "nk"
_ID_BYTES = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """One key of one deployment; the secret itself is kept nowhere.

    Attributes:
        id: Its public part, by which it is named and revoked.
        digest: SHA-256 of the whole key.
        note: Whose it is, or what for.
        by: Who made it.
        expires_at: Event time from which on it opens nothing; None = never.
        retired: The deployment was opened again after it: it no longer says that keys are asked for.
    """

    id: str
    deployment: str
    digest: str
    made_at: datetime
    note: str = ""
    by: str = ""
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    retired: bool = False

    def state(self, now: datetime) -> str:
        """At a moment: "valid", "expired" or "revoked"."""
        if self.revoked_at is not None:
            return "revoked"
        return "expired" if self.expires_at is not None and self.expires_at <= now else "valid"


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """A key as the data plane needs it.

    Attributes:
        expires_ms: Event time in milliseconds; 0 = never.
    """

    digest: str
    expires_ms: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Doors:
    """Every deployment that asks for keys, with those that open it, by id: what is published beside the routing plan.

    A deployment without one valid key is here too, with none: a key that expired or was revoked must not leave the
    door open.
    """

    deployments: Mapping[str, Mapping[str, Admission]] = field(default_factory=dict)


def check_issued(what: str, *, lasts: timedelta | None, note: str) -> None:
    """Refuse to make a key or token that would open nothing, or has a long note.

    Raises:
        RequestInvalid: it would last no time, or the note is too long.
    """
    if lasts is not None and lasts <= timedelta(0):
        raise RequestInvalid(f"a {what} that has expired already", fields={"expires": "must be a time to come, such as 90d"})
    if len(note) > LONGEST_NOTE:
        raise RequestInvalid("the note is long", fields={"note": f"must have at most {LONGEST_NOTE} characters"})


def new_key() -> tuple[str, str]:
    """A key to show once, and its id."""
    id = secrets.token_hex(_ID_BYTES)
    return f"{_PREFIX}_{id}_{secrets.token_urlsafe(32)}", id


def id_of(key: str) -> str:
    """The id that a key names; "" when it is none."""
    prefix, _, rest = key.partition("_")
    return rest.partition("_")[0] if prefix == _PREFIX else ""


def opens(admission: Admission, key: str, now_ms: int) -> bool:
    """Whether a key is the one that was admitted, and still valid; takes the same time wherever it differs."""
    same = hmac.compare_digest(digest_of(key.encode("utf-8", "replace")), admission.digest)
    return same and (not admission.expires_ms or now_ms < admission.expires_ms)


def presented(headers: Mapping[str, str]) -> str:
    """The key or token in a call's headers, or in gRPC's metadata: `authorization: Bearer …`, or `x-api-key`."""
    kind, _, given = headers.get("authorization", "").partition(" ")
    return given.strip() if kind.lower() == "bearer" else headers.get("x-api-key", "").strip()
