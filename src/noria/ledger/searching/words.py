"""Splits the text of a filter into words: names with their keys, numbers, quoted texts, operators."""

from __future__ import annotations

import re
from dataclasses import dataclass

from noria.core.errors import RequestInvalid

TEXT_LIMIT = 200_000
"""Characters of a filter that are read."""

_TICKED = r"`[^`]*(?:``[^`]*)*`"
_DOUBLE = r'"[^"]*(?:""[^"]*)*"'
_SINGLE = r"'[^']*(?:''[^']*)*'"
_QUOTES = f"{_TICKED}|{_DOUBLE}|{_SINGLE}"
_BARE = r"[\w./:$@#-]"
_END = r"(?![`\"'.\w])"
_PATTERN = re.compile(
    "|".join(
        (
            r"(?P<space>\s+)",
            r"(?P<number>[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?(?![\w.]))",
            rf"(?P<name>(?:(?>[^\W\d]\w*)|{_TICKED})(?:\.(?:(?:{_BARE}*\.)?(?:{_QUOTES})|(?>{_BARE}+)))?{_END})",
            rf"(?P<text>(?:{_DOUBLE}|{_SINGLE}){_END})",
            r"(?P<sign>[=<>!~]+)",
            r"(?P<mark>[(),;])",
            r"(?P<broken>.+)",
        )
    ),
    re.DOTALL,
)
_QUOTED = re.compile(rf"(?P<before>{_BARE}*\.)?(?P<quoted>{_QUOTES})", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Word:
    """One word.

    Attributes:
        kind: name, number, text, sign, mark, or broken: all that follows cannot be read.
        said: The word as it was written, from character `at` on.
    """

    kind: str
    said: str
    at: int

    def means(self, *keywords: str) -> bool:
        """Whether it is one of these keywords, in capitals or not."""
        return self.kind == "name" and self.said.upper() in keywords


def words_of(text: str) -> list[Word]:
    """The words of a filter or an order.

    Raises:
        RequestInvalid: it is too long, or holds what no database keeps (a NUL, half of a surrogate pair).
    """
    if len(text) > TEXT_LIMIT:
        raise RequestInvalid(f"Invalid filter string: it has {len(text)} characters; {TEXT_LIMIT} are read")
    if "\0" in text or not _is_unicode(text):
        raise RequestInvalid("Invalid clause(s) in filter string: it holds a character that is no text")
    return [Word(found.lastgroup or "", found.group(), found.start()) for found in _PATTERN.finditer(text) if found.lastgroup != "space"]


def unquoted(said: str) -> str:
    """A quoted text, or a key whose last part is quoted, without its quotes; a doubled quote is one.

    >>> unquoted("'it''s'"), unquoted("`a key`"), unquoted("plain")
    ("it's", 'a key', 'plain')
    """
    found = _QUOTED.fullmatch(said)
    if found is None:
        return said
    quote = found["quoted"][0]
    return (found["before"] or "") + found["quoted"][1:-1].replace(quote * 2, quote)


def quoted(value: str, quote: str = "'") -> str:
    """A text in quotes, so that `unquoted` gives it back."""
    return quote + value.replace(quote, quote * 2) + quote


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
