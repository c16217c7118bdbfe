"""Sends one JSON body to an address that a person configured, with bounds on everything that a stranger could stretch.

HTTPS only, unless the address is this machine or plain HTTP was allowed; no redirects; time and
answer are bounded. Used by every channel that speaks HTTP.
"""

from __future__ import annotations

import ipaddress
import json
import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from noria.core.errors import SettingsInvalid
from noria.core.notices import Told

TIMEOUT_S = 10.0
"""The longest that one try may take."""
READ_S = 5.0
"""The longest silence within it."""
ANSWER_LIMIT = 16_384
"""Bytes of an answer that are read."""
_SAID_LIMIT = 300
_AGAIN = frozenset({408, 409, 425, 429})

Judge = Callable[[int, bytes], Told | None]
"""Reads an answer whose status is 2xx; None = it is fine."""


def checked(url: str, *, plain: bool = False) -> str:
    """The address, if it is one that may be sent to.

    Args:
        plain: Allow HTTP beyond this machine.

    Raises:
        SettingsInvalid: it is not; the message does not repeat it, for it may be a secret.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme not in ("http", "https") or not host:
        raise SettingsInvalid("the address is not an http(s) URL", fix="write https://host/path")
    if parts.username or parts.password:
        raise SettingsInvalid("the address carries a password", fix="give it as the channel's secret")
    if parts.scheme == "http" and not plain and not on_loopback(host):
        raise SettingsInvalid(f"plain HTTP to {host} would show its secrets to the network", fix="use https, or allow it with --plain-http")
    if _is_link_local(host):
        raise SettingsInvalid(f"{host} is a link-local address, where clouds keep their credentials", fix="name another host")
    return url


def on_loopback(host: str) -> bool:
    """Whether a host name means this machine, by its letters alone."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def post(
    url: str,
    body: Mapping[str, Any] | bytes,
    *,
    headers: Mapping[str, str] | None = None,
    plain: bool = False,
    judge: Judge = lambda status, answer: None,
) -> Told:
    """Send `body` as JSON and say what became of it; never raises.

    Any 2xx answer that `judge` finds fine has arrived. A redirect, and any other 4xx than "later", is
    refused for good.
    """
    import httpx  # only where something is sent: it takes a while to load

    content = body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode()
    try:
        checked(url, plain=plain)
        status, answer = _exchange(
            url, content, {"content-type": "application/json", "user-agent": "noria", "accept-encoding": "identity", **(headers or {})}
        )
    except SettingsInvalid as error:
        return Told(arrived=False, said=error.message, again=False)
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, OSError) as error:
        return Told(arrived=False, said=f"{type(error).__name__}: {_without(str(error), url)}"[:_SAID_LIMIT])
    if 200 <= status < 300:
        return judge(status, answer) or Told(arrived=True, said=f"HTTP {status}")
    if 300 <= status < 400:
        return Told(arrived=False, said=f"HTTP {status}: it leads elsewhere, and redirects are not followed", again=False)
    return Told(arrived=False, said=f"HTTP {status}: {_text(answer)}".rstrip(": "), again=status >= 500 or status in _AGAIN)


def accepted(code: str, good: object = 0, later: frozenset[int] = frozenset()) -> Judge:
    """Make a judge of answers such as `{"errcode": 0}`, which say "refused" with a status of 200.

    Args:
        later: Codes that mean "too many, try again".
    """

    def judge(status: int, answer: bytes) -> Told | None:
        try:
            said = json.loads(answer)
            found = said.get(code, said.get("StatusCode"))
        except (ValueError, AttributeError):
            return Told(arrived=False, said=f"HTTP {status}, but no JSON: {_text(answer)}")
        if found == good:
            return None
        return Told(arrived=False, said=f"refused: {_text(answer)}", again=found in later)

    return judge


def _exchange(url: str, content: bytes, headers: Mapping[str, str]) -> tuple[int, bytes]:
    import httpx

    give_up = time.monotonic() + TIMEOUT_S
    parts = urlsplit(url)
    here, encrypted = on_loopback(parts.hostname or ""), parts.scheme == "https"  # certificates take a while to load
    with (
        httpx.Client(timeout=httpx.Timeout(READ_S), follow_redirects=False, trust_env=not here, verify=encrypted) as client,
        client.stream("POST", url, content=content, headers=dict(headers)) as response,
    ):
        answer = b""
        for piece in response.iter_bytes():
            answer += piece
            if len(answer) >= ANSWER_LIMIT:
                break
            if time.monotonic() > give_up:
                raise httpx.ReadTimeout(f"its answer was not whole after {TIMEOUT_S:.0f} s")
        return response.status_code, answer[:ANSWER_LIMIT]


def _is_link_local(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_link_local
    except ValueError:
        return False


def _text(answer: bytes) -> str:
    return " ".join(answer.decode("utf-8", "replace").split())[:_SAID_LIMIT]


def _without(said: str, url: str) -> str:
    """An error's text without the address: many channels' addresses are their secrets."""
    return said.replace(url, "its address").replace(urlsplit(url).path or "\0", "/…")
