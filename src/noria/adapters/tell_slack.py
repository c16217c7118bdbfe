"""Tells a channel of Slack, or of what takes Slack's incoming webhooks (Mattermost, Rocket.Chat, Discord's `/slack`)."""

from __future__ import annotations

from noria.core.notices import Notice, Told, Words
from noria.ports.posting import post

_HEADER_LIMIT, _TEXT_LIMIT = 150, 2_900


class Slack:
    """Posts a header, the text, and a button to the incident; the address is the secret."""

    def __init__(self, url: str, *, words: Words, plain: bool = False) -> None:
        self._url, self._words, self._plain = url, words, plain

    def tell(self, notice: Notice) -> Told:
        """See `noria.ports.notify.Notify`."""
        title, text = self._words.title_of(notice), _escaped(self._words.text_of(notice))
        blocks: list[dict[str, object]] = [
            {"type": "header", "text": {"type": "plain_text", "text": title[:_HEADER_LIMIT]}},
            {"type": "section", "text": {"type": "mrkdwn", "text": text[:_TEXT_LIMIT] or "–"}},
        ]
        if notice.link:
            button = {"type": "button", "text": {"type": "plain_text", "text": "Look"}, "url": notice.link}
            blocks.append({"type": "actions", "elements": [button]})
        return post(self._url, {"text": _escaped(title), "blocks": blocks}, plain=self._plain)


def _escaped(text: str) -> str:
    """Slack reads &, < and > as its own."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
