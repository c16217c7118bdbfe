"""What traces may be called and how much they may say: MLflow's limits, and ours where it has none."""

from __future__ import annotations

import re
from collections.abc import Mapping

from noria.core.errors import RequestInvalid

KEY_LIMIT = 250
VALUE_LIMIT = 8_000
PREVIEW_LIMIT = 1_000
"""Characters of what went in and came out of a trace, as lists show them."""
NAME_LIMIT = 4_096
LINKED_AT_ONCE = 100
PAGE_LIMIT = 500
LATEST_NS = (1 << 63) - 1

STATES = ("STATE_UNSPECIFIED", "OK", "ERROR", "IN_PROGRESS")

SPANS_LOCATION, ARTIFACTS, NAME = "mlflow.trace.spansLocation", "mlflow.artifactLocation", "mlflow.traceName"
"""Tags that the server gives: where the spans are, where files of a trace go, what it is called."""
ARCHIVE, ARCHIVE_FAILURE = "mlflow.trace.archiveLocation", "mlflow.trace.archivalFailure"
IN_HERE = "TRACKING_STORE"

SOURCE_RUN, SESSION, USER = "mlflow.sourceRun", "mlflow.trace.session", "mlflow.trace.user"
TOKENS, COST, SIZES = "mlflow.trace.tokenUsage", "mlflow.trace.cost", "mlflow.trace.sizeStats"

OF_THE_SERVER = frozenset({SPANS_LOCATION, ARTIFACTS, ARCHIVE, ARCHIVE_FAILURE})

_TRACE_ID = re.compile(r"[\w.:/@=-]{1,128}", re.ASCII)
_KEY = re.compile(r"[/\w.\- :]*")
_NUL = "\x00"


def trace_id(id: object) -> str:
    """A trace's id, checked.

    Raises:
        RequestInvalid: it is none.
    """
    if isinstance(id, str) and _TRACE_ID.fullmatch(id):
        return id
    raise RequestInvalid(f"Invalid trace ID: {str(id)[:200]!r}", fix="MLflow's clients write tr- and 32 hexadecimal digits")


def key(name: object, *, what: str = "tag") -> str:
    """A tag's key, checked: letters, digits and `_ - . space : /`, no path out of itself.

    Raises:
        RequestInvalid: it is none.
    """
    text = str(name) if name is not None else ""
    if not text:
        raise RequestInvalid("Missing value for required parameter 'key'.")
    if len(text) > KEY_LIMIT:
        raise RequestInvalid(f"'key' exceeds the maximum length of {KEY_LIMIT} characters: a {what} has {len(text)}")
    if not _KEY.fullmatch(text) or text.startswith("/") or ".." in text.split("/") or text == ".":
        raise RequestInvalid(
            f"Invalid value {text[:200]!r} for parameter 'key' supplied: names may only contain alphanumerics, underscores (_), "
            "dashes (-), periods (.), spaces ( ), colon(:) and slashes (/)."
        )
    return text


def value(text: object) -> str:
    """A tag's value: text, cut to what is kept."""
    return clean("" if text is None else str(text))[:VALUE_LIMIT]


def pairs(given: Mapping[str, object], *, what: str) -> dict[str, str]:
    """Tags or metadata as they are kept.

    Raises:
        RequestInvalid: a key is none.
    """
    return {key(name, what=what): value(text) for name, text in given.items()}


def lenient(given: Mapping[str, object]) -> dict[str, str]:
    """Those of the pairs whose keys may be; for what nobody typed, such as attributes of a process."""
    kept = {}
    for name, text in given.items():
        try:
            kept[key(name)] = value(text)
        except RequestInvalid:
            continue
    return kept


def clean(text: str) -> str:
    """Text that every database takes: without NUL."""
    return text.replace(_NUL, "\ufffd") if _NUL in text else text


def state(name: object) -> str:
    """A trace's state, checked.

    Raises:
        RequestInvalid: it is none.
    """
    text = str(name or STATES[0])
    if text in STATES:
        return text
    raise RequestInvalid(f"Invalid value {text[:200]!r} for parameter 'state' supplied: it is one of {', '.join(STATES)}")
