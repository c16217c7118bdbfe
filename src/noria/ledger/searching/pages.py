"""Pages of a search: how many rows, and the token of the next page.

A token says after which row the next page begins, by the values that the rows are ordered by. So rows
that come or go between two pages shift nothing, and a deep page costs what the first one does.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from noria.core.errors import RequestInvalid

TOKEN_LIMIT = 200_000
Mark = str | int | float | None
"""One value that rows are ordered by."""


def page_size(asked: int | None, *, usual: int, most: int) -> int:
    """How many rows a page has.

    Args:
        asked: None = nothing was said.

    Raises:
        RequestInvalid: it is not between 1 and `most`.
    """
    if asked is None:
        return usual
    if asked < 1:
        raise RequestInvalid(f"Invalid value {asked} for parameter 'max_results' supplied. It must be a positive integer")
    if asked > most:
        raise RequestInvalid(f"Invalid value {asked} for parameter 'max_results' supplied. It must be at most {most}")
    return asked


def query_mark(*parts: object) -> str:
    """A short name of a query: a token is for the query that it was made by alone."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode("utf-8", "surrogatepass")).hexdigest()[:16]


def query_marks(parts: Mapping[str, object]) -> str:
    """As `query_mark`, of named parts: a refused token then says which of them is another."""
    return ",".join(f"{name}={query_mark(part)}" for name, part in parts.items())


def page_token(query: str, after: Sequence[Mark]) -> str:
    """The token of the page behind the row with these values."""
    return base64.urlsafe_b64encode(json.dumps({"q": query, "after": list(after)}, separators=(",", ":")).encode()).decode()


def after_token(token: str | None, query: str, *, marks: int) -> tuple[Mark, ...] | None:
    """The values behind which a page begins; None = it is the first.

    Args:
        marks: How many values there must be.

    Raises:
        RequestInvalid: the token is none of ours, or another query's.
    """
    if not token:
        return None
    if len(token) > TOKEN_LIMIT:
        raise RequestInvalid("Invalid page token, it is too long")
    try:
        said: Any = json.loads(base64.b64decode(token.encode(), altchars=b"-_", validate=True))
    except (binascii.Error, ValueError, RecursionError) as error:
        raise RequestInvalid("Invalid page token, could not base64-decode") from error
    if not isinstance(said, dict) or not isinstance(said.get("after"), list):
        raise RequestInvalid("Invalid page token, it names no row")
    if said.get("q") != query:
        raise RequestInvalid(f"Invalid page token: {_difference(said.get('q'), query)}. Ask for the first page again")
    if len(said["after"]) != marks or not all(_is_mark(each) for each in said["after"]):
        raise RequestInvalid("Invalid page token, its values are not what rows are ordered by")
    return tuple(said["after"])


def _difference(said: object, query: str) -> str:
    """Which part of a query is not what the token was made by."""
    other = said.split(",") if isinstance(said, str) else []
    for part in query.split(","):
        name = part.partition("=")[0]
        if name != part and part not in other:
            return f"{name} in the page token {'do' if name.endswith('s') else 'does'} not match what is asked"
    return "it was made by another query"


def _is_mark(value: object) -> bool:
    if value is None:
        return True
    if isinstance(value, bool):
        return False
    if isinstance(value, int):
        return abs(value) < 2**63
    if isinstance(value, float):
        return math.isfinite(value)
    return isinstance(value, str) and "\0" not in value and _encodes(value)


def _encodes(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
