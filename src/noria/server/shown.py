"""What a request's headers show of its caller, and whether another site's page made a browser send it."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from noria.core.errors import RequestInvalid

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods that change nothing."""

ONCE = frozenset({"authorization", "x-api-key", "host", "origin", "x-csrf-token", "x-mlflow-workspace", "content-length"})
"""Headers that say who calls, what for and where to: two of one would let a proxy see another request than we do."""

FORWARDED = ("x-forwarded-for", "forwarded", "x-real-ip", "via", "x-forwarded-host")


class Way(StrEnum):
    """How a caller shows who they are."""

    NOTHING = "nothing"
    TOKEN = "token"
    PASSWORD = "password"
    SESSION = "session"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What was shown: a secret, and for a password the name that goes with it."""

    way: Way
    secret: str = ""
    name: str = ""


_NOTHING = Shown(way=Way.NOTHING)


def headers_of(raw: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """An ASGI scope's headers by lower-case name.

    Raises:
        RequestInvalid: one of `ONCE` came twice.
    """
    found: dict[str, str] = {}
    for name, value in raw:
        key = name.decode("latin-1").lower()
        if key in found:
            if key in ONCE:
                raise RequestInvalid(f"the header {key} was sent twice", fix="send it once")
            found[key] = f"{found[key]}{'; ' if key == 'cookie' else ', '}{value.decode('latin-1')}"
        else:
            found[key] = value.decode("latin-1")
    return found


def shown(headers: Mapping[str, str], cookie: str) -> Shown:
    """What the headers show: `Authorization: Bearer` or `Basic`, `X-API-Key`, or the cookie of a session.

    A token may stand in place of Basic's password, with any name.
    """
    kind, _, given = headers.get("authorization", "").partition(" ")
    given = given.strip()
    if kind.lower() == "bearer":
        return Shown(way=Way.TOKEN, secret=given)
    if kind.lower() == "basic":
        return _basic(given)
    if kind:
        return Shown(way=Way.TOKEN)  # shown, but nothing that opens: never taken for a session
    if "x-api-key" in headers:
        return Shown(way=Way.TOKEN, secret=headers["x-api-key"].strip())
    secret = cookie_of(headers, cookie) if "cookie" in headers else ""
    return Shown(way=Way.SESSION, secret=secret) if secret else _NOTHING


def cookie_of(headers: Mapping[str, str], name: str) -> str:
    """A cookie's value; "" when it was not sent, or twice."""
    pairs = (part.strip().partition("=") for part in headers.get("cookie", "").split(";"))
    found = [value for key, _, value in pairs if key == name]
    return found[0] if len(found) == 1 else ""


def sent_by_another_site(headers: Mapping[str, str], origin: str = "") -> bool:
    """Whether a browser sent this because a page of another site told it to (Fetch Metadata; else the Origin header).

    Args:
        origin: Where people reach the page, when a proxy calls it otherwise here.
    """
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site not in ("same-origin", "none")
    told = headers.get("origin")
    if told is None:
        return False
    return told != origin and told.partition("://")[2].lower() != headers.get("host", "").lower()


def _basic(given: str) -> Shown:
    try:
        name, colon, secret = base64.b64decode(given, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return Shown(way=Way.TOKEN)
    if not colon:
        return Shown(way=Way.TOKEN)
    return Shown(way=Way.PASSWORD, secret=secret, name=name)
