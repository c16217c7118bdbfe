"""What a mistake in a declaration is, and the mend of a name that does not exist."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

Mistake = tuple[str, str, str]
"""The part of the declaration, what is wrong there, and how to mend it."""

_MOST = 40
"""Names that a message lists: all monitors that alarm fit, all columns of a wide table need not."""


def nearest(name: str, known: Iterable[str]) -> str:
    """The mend of a name: the nearest of the known ones, else the first of them."""
    known = sorted(known)
    near = get_close_matches(name, known, 1)
    return f"did you mean {near[0]!r}?" if near else f"there are {', '.join(known[:_MOST]) or 'none'}"
