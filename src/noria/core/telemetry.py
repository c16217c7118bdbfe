"""What is told to other tools of what happened: spans and gauges, as OpenTelemetry has them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256

Attribute = str | bool | int | float


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """One thing that took time. Its ids are made from what it tells of, so telling it twice is telling it once.

    Attributes:
        trace: 32 hexadecimal digits, the same for all spans of one whole.
        id: 16 hexadecimal digits.
        parent: The id of the span that it is a part of; "" for the whole.
        failed: Why it failed; "" when it did not.
    """

    name: str
    trace: str
    id: str
    start: datetime
    end: datetime
    parent: str = ""
    attributes: Mapping[str, Attribute] = field(default_factory=dict)
    failed: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gauge:
    """One value at one moment."""

    name: str
    text: str
    value: float
    at: datetime
    attributes: Mapping[str, Attribute] = field(default_factory=dict)


def trace_of(whole: str) -> str:
    """The trace id of a whole thing, from its own id."""
    return sha256(whole.encode()).hexdigest()[:32]


def span_of(part: str) -> str:
    """The span id of a part, from a name that no other part has."""
    return sha256(part.encode()).hexdigest()[:16]
