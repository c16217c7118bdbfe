"""Tells a group of Feishu (Lark) by its custom bot."""

from __future__ import annotations

import base64
import hashlib
import hmac

from noria.core.notices import Notice, Told, Words
from noria.ports.clock import Clock
from noria.ports.posting import accepted, post

_LATER = frozenset({9499, 11232, 11233})
"""Feishu's codes for "too many requests"."""
_COLOURS = {"page": "red", "notice": "orange"}


class Feishu:
    """Posts a card. Where the bot asks for a signature, `secret` signs: the key is `timestamp\\nsecret`, over nothing."""

    def __init__(self, url: str, *, secret: str = "", words: Words, wall: Clock, plain: bool = False) -> None:
        self._url, self._secret, self._words, self._wall, self._plain = url, secret, words, wall, plain

    def tell(self, notice: Notice) -> Told:
        """See `noria.ports.notify.Notify`."""
        elements: list[dict[str, object]] = [
            {"tag": "div", "text": {"tag": "plain_text", "content": self._words.text_of(notice) or "–"}},
        ]
        if notice.link:
            button = {"tag": "button", "text": {"tag": "plain_text", "content": "Look"}, "url": notice.link, "type": "default"}
            elements.append({"tag": "action", "actions": [button]})
        header = {
            "title": {"tag": "plain_text", "content": self._words.title_of(notice)},
            "template": _COLOURS.get(notice.severity, "blue"),
        }
        body: dict[str, object] = {"msg_type": "interactive", "card": {"header": header, "elements": elements}}
        if self._secret:
            at_s = int(self._wall.now().timestamp())
            body |= {"timestamp": str(at_s), "sign": sign(self._secret, at_s)}
        return post(self._url, body, plain=self._plain, judge=accepted("code", later=_LATER))


def sign(secret: str, at_s: int) -> str:
    """Feishu's signature of a moment, good for an hour."""
    return base64.b64encode(hmac.new(f"{at_s}\n{secret}".encode(), b"", hashlib.sha256).digest()).decode()
