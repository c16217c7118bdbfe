"""The record of who ordered what: one line for each call that changes something, or for many of one kind in a moment."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditLine:
    """Who called what, on what, from where, and what came of it.

    Attributes:
        by: The caller's name; "" = it was not known.
        token: Id of the token or session that was shown.
        address: Where the call came from.
        what: Method and pattern of the path, such as "POST /api/v1/loops/{name}/kill".
        on: What the path named, such as "late-arrival".
        status: HTTP status of the answer.
        calls: How many there were, of one caller with one answer, between `at` and `until`.
    """

    id: str
    at: datetime
    until: datetime
    by: str
    what: str
    on: str = ""
    project: str = "default"
    token: str = ""
    address: str = ""
    status: int = 200
    calls: int = 1


class Called(NamedTuple):
    """What makes calls alike, so that one line tells of them all; fields as of `AuditLine`."""

    by: str
    token: str
    address: str
    what: str
    on: str
    project: str
    status: int
