"""Tells a group of WeCom by its robot."""

from __future__ import annotations

from noria.core.notices import Notice, Told, Words
from noria.ports.posting import accepted, post

_LIMIT_BYTES = 4_000
_LATER = frozenset({-1, 45009})
"""WeCom's codes for "busy" and "too many requests"."""


class WeCom:
    """Posts Markdown; the key in the address is the secret, WeCom knows no signature."""

    def __init__(self, url: str, *, words: Words, plain: bool = False) -> None:
        self._url, self._words, self._plain = url, words, plain

    def tell(self, notice: Notice) -> Told:
        """See `noria.ports.notify.Notify`."""
        link = f"\n[Look]({notice.link})" if notice.link else ""
        colour = "warning" if notice.severity == "page" else "comment"
        head = f'**<font color="{colour}">{self._words.title_of(notice)}</font>**\n'
        content = _cut(head + self._words.text_of(notice), _LIMIT_BYTES - len(link.encode())) + link
        return post(
            self._url,
            {"msgtype": "markdown", "markdown": {"content": content}},
            plain=self._plain,
            judge=accepted("errcode", later=_LATER),
        )


def _cut(text: str, limit_bytes: int) -> str:
    """The text's beginning: WeCom counts bytes, and a Chinese character has three."""
    return text.encode()[:limit_bytes].decode("utf-8", "ignore")
