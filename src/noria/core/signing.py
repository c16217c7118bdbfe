"""Signs what is sent to webhooks, and lets a receiver check it: the Standard Webhooks scheme, symmetric.

The signature is HMAC-SHA256 over `id.timestamp.body`, in base64 (https://www.standardwebhooks.com).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping

from noria.core.errors import RequestInvalid, SettingsInvalid

ID, TIMESTAMP, SIGNATURE = "webhook-id", "webhook-timestamp", "webhook-signature"
"""The headers."""

WINDOW_S = 300
"""A receiver refuses what was signed longer ago, or later, than this: recorded requests cannot be sent again."""

_PREFIX = "whsec_"


def signed(secret: str, *, id: str, at_s: int, body: bytes) -> dict[str, str]:
    """The headers that say who sent `body`, and when.

    Raises:
        SettingsInvalid: the secret is not `whsec_` and base64, nor any other text.
    """
    return {ID: id, TIMESTAMP: str(at_s), SIGNATURE: f"v1,{_signature(_key(secret), id, str(at_s), body)}"}


def verify_webhook(secret: str, headers: Mapping[str, str], body: bytes, *, now_s: float, window_s: float = WINDOW_S) -> None:
    """Check a webhook that Noria sent; returns when it is genuine and fresh.

    Args:
        headers: Of the request, in any case.
        body: Exactly as it came.
        now_s: Seconds since 1970, from the receiver's clock.

    Raises:
        RequestInvalid: it is not from somebody with the secret, was changed, or is too old (or from the future).
    """
    lower = {name.lower(): value for name, value in headers.items()}
    id, at, given = (lower.get(name, "") for name in (ID, TIMESTAMP, SIGNATURE))
    if not at.isascii() or not at.isdigit() or abs(now_s - int(at)) > window_s:
        raise RequestInvalid("the webhook's timestamp is missing, or too far from now", fix="check both clocks; refuse it otherwise")
    wanted = _signature(_key(secret), id, at, body)
    if not any(hmac.compare_digest(one.removeprefix("v1,").encode(), wanted.encode()) for one in given.split(" ")):
        raise RequestInvalid("the webhook's signature does not fit its body", fix="refuse it: it was not sent by a holder of the secret")


def _signature(key: bytes, id: str, at: str, body: bytes) -> str:
    return base64.b64encode(hmac.new(key, f"{id}.{at}.".encode() + body, hashlib.sha256).digest()).decode()


def _key(secret: str) -> bytes:
    """The bytes of `whsec_…`; any other text is its own key."""
    if not secret.startswith(_PREFIX):
        return secret.encode()
    try:
        return base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except (binascii.Error, ValueError) as error:
        raise SettingsInvalid("the webhook's secret is not base64 after `whsec_`", fix="`noria channels add` makes one") from error
