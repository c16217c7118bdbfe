"""Delivers the registry's webhooks: signed as MLflow signs them, again and again until they arrive, and to public hosts alone.

A delivery was made in the transaction that it tells of, so none is lost; one may come twice (a process died between sending
and writing it down), under the same id.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import ipaddress
import logging
import socket
import threading
from collections.abc import Sequence
from random import Random
from urllib.parse import urlsplit

from noria.core.errors import SettingsInvalid
from noria.core.notices import Told
from noria.ledger.models.webhooks import DELIVERED, GIVEN_UP, WAITING, Due, Webhook, Webhooks
from noria.loop.outbox import CLAIM, MOST_AGE, pause
from noria.ports.clock import Clock

SIGNATURE, TIMESTAMP, ID = "X-MLflow-Signature", "X-MLflow-Timestamp", "X-MLflow-Delivery-Id"
TIMEOUT_S = 10.0
ANSWER_LIMIT = 4_096
_LATER = frozenset({408, 409, 425, 429})
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
log = logging.getLogger("noria.hooks")

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class HostUnknown(SettingsInvalid):
    """A host that cannot be found now."""


class Hooks:
    """Delivers what is due; for one thread.

    Args:
        allowed: Hosts and networks that may be told although they are not public, see `allowed_hosts`.
    """

    def __init__(self, webhooks: Webhooks, *, wall: Clock, random: Random, allowed: Sequence[str] = ()) -> None:
        self._webhooks, self._wall, self._random, self._allowed = webhooks, wall, random, tuple(allowed)
        self._stop = threading.Event()

    def run(self, every_s: float = 1.0) -> None:
        """Until `stop`; a pass that fails is told and tried again."""
        while not self._stop.is_set():
            try:
                self.once()
            except Exception:
                log.exception("a pass over the webhooks failed and is tried again")
            self._stop.wait(every_s)

    def stop(self) -> None:
        """End `run` after the pass that is under way."""
        self._stop.set()

    def once(self) -> int:
        """Try what is due; returns how many arrived. A webhook that does not answer holds its own deliveries up, no other's."""
        arrived, silent = 0, set[str]()
        for due in self._webhooks.due(self._now_ms()):
            if due.webhook.id in silent:
                continue
            if not self._webhooks.claim(due, until_ms=self._now_ms() + round(CLAIM.total_seconds() * 1000)):
                continue
            told = send(due.webhook, due.body, id=due.id, at_s=self._now_ms() // 1000, allowed=self._allowed)
            self._settle(due, told)
            arrived += told.arrived
            if not told.arrived:
                silent.add(due.webhook.id)
        return arrived

    def try_out(self, webhook: Webhook, body: str, id: str) -> tuple[Told, int | None]:
        """Send a body once, at once; what came of it, and the status."""
        return _sent(webhook, body, id=id, at_s=self._now_ms() // 1000, allowed=self._allowed)

    def check(self, url: str) -> None:
        """Refuse an address that may not be told.

        Raises:
            SettingsInvalid: it may not.
        """
        reached(url, self._allowed)

    def _settle(self, due: Due, told: Told) -> None:
        now_ms = self._now_ms()
        if told.arrived:
            self._webhooks.settle(due, DELIVERED, told.said)
        elif not told.again or now_ms - due.made_ms >= MOST_AGE.total_seconds() * 1000:
            log.warning("the webhook %s was given up: %s", due.webhook.name, told.said)
            self._webhooks.settle(due, GIVEN_UP, told.said)
        else:
            wait_ms = round(pause(due.tries + 1, self._random).total_seconds() * 1000)
            self._webhooks.settle(due, WAITING, told.said, next_ms=now_ms + wait_ms)

    def _now_ms(self) -> int:
        return int(self._wall.now().timestamp() * 1000)


def send(webhook: Webhook, body: str, *, id: str, at_s: int, allowed: Sequence[str] = ()) -> Told:
    """Send a body and say what came of it; never raises."""
    return _sent(webhook, body, id=id, at_s=at_s, allowed=allowed)[0]


def _sent(webhook: Webhook, body: str, *, id: str, at_s: int, allowed: Sequence[str]) -> tuple[Told, int | None]:
    import httpx  # only where something is sent: it takes a while to load

    content, parts = body.encode(), urlsplit(webhook.url)
    headers = {"content-type": "application/json", "user-agent": "noria", ID: id, TIMESTAMP: str(at_s), "host": parts.netloc}
    if webhook.secret:
        headers[SIGNATURE] = signature(webhook.secret, id, at_s, content)
    try:
        # The address that was looked at is the one that is called: a name that means another one by now is not asked again.
        address = reached(webhook.url, allowed)
        url = httpx.URL(webhook.url).copy_with(host=str(address))
        encrypted = parts.scheme == "https"
        with (
            httpx.Client(timeout=TIMEOUT_S, follow_redirects=False, trust_env=False, verify=encrypted) as client,
            client.stream("POST", url, content=content, headers=headers, extensions={"sni_hostname": parts.hostname}) as response,
        ):
            answer = b""
            for piece in response.iter_raw():
                answer += piece
                if len(answer) >= ANSWER_LIMIT:
                    break
            status, said = response.status_code, answer[:ANSWER_LIMIT].decode("utf-8", "replace")
    except SettingsInvalid as error:
        return Told(arrived=False, said=error.message, again=isinstance(error, HostUnknown)), None
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, OSError) as error:
        return Told(arrived=False, said=f"{type(error).__name__}: {error}"[:300]), None
    if 200 <= status < 300:
        return Told(arrived=True, said=said), status
    return Told(arrived=False, said=f"HTTP {status}: {said[:300]}", again=status >= 500 or status in _LATER), status


def signature(secret: str, id: str, at_s: int, body: bytes) -> str:
    """`v1,` and the base64 of HMAC-SHA256 over `id.timestamp.body`."""
    return "v1," + base64.b64encode(hmac.new(secret.encode(), f"{id}.{at_s}.".encode() + body, hashlib.sha256).digest()).decode()


def reached(url: str, allowed: Sequence[str] = ()) -> Address:
    """The address that a webhook's host has now.

    Args:
        allowed: Hosts, addresses and networks ("10.0.0.0/8") that may be reached although they are not public, and by plain HTTP.

    Raises:
        SettingsInvalid: it is no https URL, cannot be found, or leads into a private network.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise SettingsInvalid(f"Invalid webhook URL: {error}") from None
    if parts.scheme not in ("http", "https") or not host or parts.username or parts.password:
        raise SettingsInvalid("Invalid webhook URL: it must be https://host/path, without a password", fix="give the secret as secret")
    try:
        found = [ipaddress.ip_address(one[4][0]) for one in socket.getaddrinfo(host, port or 443, type=socket.SOCK_STREAM)]
    except (OSError, UnicodeError, ValueError) as error:
        raise HostUnknown(f"Cannot resolve the webhook's host {host[:200]!r}: {error}") from None
    known = host.lower() in allowed or all(_within(address, allowed) for address in found)
    if not known and parts.scheme != "https":
        raise SettingsInvalid(f"Invalid webhook URL scheme: {parts.scheme!r}. Allowed: https", fix="or list the host in webhook_hosts")
    if not known and not all(_plain(address).is_global for address in found):
        raise SettingsInvalid(f"the webhook's host {host[:200]!r} is not a public one", fix="list it in the setting webhook_hosts")
    return found[0]


def _within(address: Address, allowed: Sequence[str]) -> bool:
    for one in allowed:
        try:
            if address in ipaddress.ip_network(one):
                return True
        except ValueError:
            continue
    return False


def _plain(address: Address) -> Address:
    """The IPv4 address that an IPv6 one stands for, if it does."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    embedded = address.ipv4_mapped or address.sixtofour
    return embedded or (ipaddress.IPv4Address(int(address) & 0xFFFFFFFF) if address in _NAT64 else address)
