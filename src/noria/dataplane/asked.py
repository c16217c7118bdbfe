"""Reads from a call's headers which version the caller wants: the same two headers in every protocol."""

from __future__ import annotations

from urllib.parse import parse_qs

from noria.core.errors import RequestInvalid
from noria.core.traffic import Role
from noria.dataplane.exchange import Call
from noria.stages.serving.asks import PLAIN, Asking

VERSION, ROLE = "x-noria-version", "x-noria-role"
ROLES = {"champion": Role.CHAMPION, "challenger": Role.CHALLENGER}


def asking(call: Call, *, version: int | None = None) -> Asking:
    """How the call wants to be answered: `X-Noria-Version: 3`, or `X-Noria-Role: challenger`.

    What is answered so was the caller's own choice: it is logged, but no rollout, watch or training
    takes it for traffic.

    Args:
        version: Named in the protocol's own way; a header must not name another.

    Raises:
        RequestInvalid: a header names no version or role, or they name different ones.
    """
    named, role = call.headers.get(VERSION), call.headers.get(ROLE)
    if named is None and role is None:
        return PLAIN if version is None else Asking(version=version)
    if role is not None and role not in ROLES:
        raise RequestInvalid(f"there is no role {role[:100]!r}", fields={ROLE: f"must be {' or '.join(ROLES)}"})
    if named is not None and not (named.isascii() and named.isdigit() and len(named) < 10):
        raise RequestInvalid(f"{named[:100]!r} is no version", fields={VERSION: "must be the number of a version"})
    wanted = version if named is None else int(named)
    if version is not None and wanted != version:
        raise RequestInvalid(
            f"version {version} and version {wanted} are asked for", fields={VERSION: "must be the version of the request"}
        )
    if wanted is not None and role is not None:
        raise RequestInvalid("a version and a role are asked for", fields={ROLE: "must be left out where a version is named"})
    return Asking(version=wanted, role=None if role is None else ROLES[role])


def unattended(query: str, prefer: str) -> bool:
    """Whether the caller wants the answer later: `?wait=no`, or `Prefer: respond-async` (RFC 7240)."""
    if query and parse_qs(query).get("wait") == ["no"]:
        return True
    return "respond-async" in (one.strip().lower() for one in prefer.split(","))
