"""Tells any program by a signed webhook (Standard Webhooks)."""

from __future__ import annotations

import json
from dataclasses import asdict

from noria.core.errors import SettingsInvalid
from noria.core.notices import Notice, Told, Words
from noria.core.signing import signed
from noria.ports.clock import Clock
from noria.ports.posting import post


class Webhook:
    """Posts the whole notice as JSON, signed where there is a secret. The header `webhook-id` is the notice's id."""

    def __init__(self, url: str, *, secret: str = "", words: Words, wall: Clock, plain: bool = False) -> None:
        self._url, self._secret, self._words, self._wall, self._plain = url, secret, words, wall, plain

    def tell(self, notice: Notice) -> Told:
        """See `noria.ports.notify.Notify`."""
        said = {**asdict(notice), "at": notice.at.isoformat(), "title": self._words.title_of(notice), "text": self._words.text_of(notice)}
        body = json.dumps({"type": f"incident.{notice.about}", "notice": _finite(said)}, ensure_ascii=False).encode()
        try:
            headers = signed(self._secret, id=notice.id, at_s=int(self._wall.now().timestamp()), body=body) if self._secret else {}
        except SettingsInvalid as error:
            return Told(arrived=False, said=error.message, again=False)
        return post(self._url, body, headers=headers, plain=self._plain)


def _finite(said: dict[str, object]) -> dict[str, object]:
    """Numbers that other languages can read: no NaN."""
    numbers = said["numbers"]
    assert isinstance(numbers, dict)
    return {**said, "numbers": {name: value if value - value == 0 else None for name, value in numbers.items()}}
