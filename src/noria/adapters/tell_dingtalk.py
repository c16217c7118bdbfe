"""Tells a group of DingTalk by its custom robot."""

from __future__ import annotations

import base64
import hashlib
import hmac
from urllib.parse import urlencode

from noria.core.notices import Notice, Told, Words
from noria.ports.clock import Clock
from noria.ports.posting import accepted, post

_LATER = frozenset({130101, 410100})
"""DingTalk's codes for "too many requests"."""


class DingTalk:
    """Posts Markdown. Where the robot asks for a signature, `secret` signs `timestamp\\nsecret`, in the address."""

    def __init__(self, url: str, *, secret: str = "", words: Words, wall: Clock, plain: bool = False) -> None:
        self._url, self._secret, self._words, self._wall, self._plain = url, secret, words, wall, plain

    def tell(self, notice: Notice) -> Told:
        """See `noria.ports.notify.Notify`."""
        title = self._words.title_of(notice)
        link = f"\n\n[Look]({notice.link})" if notice.link else ""
        text = self._words.text_of(notice).replace("\n", "\n\n")
        body = {"msgtype": "markdown", "markdown": {"title": title, "text": f"### {title}\n\n{text}{link}"}}
        return post(self._address(), body, plain=self._plain, judge=accepted("errcode", later=_LATER))

    def _address(self) -> str:
        if not self._secret:
            return self._url
        at_ms = int(self._wall.now().timestamp() * 1000)
        more = urlencode({"timestamp": at_ms, "sign": sign(self._secret, at_ms)})
        return f"{self._url}{'&' if '?' in self._url else '?'}{more}"


def sign(secret: str, at_ms: int) -> str:
    """DingTalk's signature of a moment, good for an hour; not yet quoted for an address."""
    return base64.b64encode(hmac.new(secret.encode(), f"{at_ms}\n{secret}".encode(), hashlib.sha256).digest()).decode()
