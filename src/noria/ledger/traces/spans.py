"""A span: one step of a trace, as it was sent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

TRACE_PREFIX = "tr-"
"""In front of the 32 hex digits of an OpenTelemetry trace id: a trace's name among MLflow's clients."""

UNSET, OK, ERROR = "UNSET", "OK", "ERROR"


@dataclass(frozen=True, slots=True)
class SpanEvent:
    """Something that happened at one moment of a span: an exception, a first token."""

    name: str
    at_ns: int
    attributes: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class SpanLink:
    """A span of another trace that this one has to do with."""

    trace: str
    span: str
    attributes: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Span:
    """One step of a trace.

    Attributes:
        trace: `tr-` and 32 hex digits.
        id: 16 hex digits.
        parent: Id of the span that it is part of; "" for the root.
        start_ns: Nanoseconds since 1970.
        end_ns: 0 while it runs.
        status: UNSET, OK or ERROR.
        message: What went wrong; "" = nothing said.
        kind: OpenTelemetry's number of it: 0 not said, 1 internal, 2 server, 3 client, 4 producer, 5 consumer.
        attributes: Plain JSON types; bytes have become base64 text.
        source: Attributes of the process that made it (OpenTelemetry's resource).
    """

    trace: str
    id: str
    parent: str
    name: str
    start_ns: int
    end_ns: int = 0
    status: str = UNSET
    message: str = ""
    kind: int = 0
    attributes: Mapping[str, Any] = field(default_factory=dict)
    events: Sequence[SpanEvent] = ()
    links: Sequence[SpanLink] = ()
    source: Mapping[str, Any] = field(default_factory=dict)


def trace_name(id: bytes) -> str:
    """The name of an OpenTelemetry trace id.

    >>> trace_name(bytes(15) + b"\\x01")
    'tr-00000000000000000000000000000001'
    """
    return TRACE_PREFIX + id.hex()


def otel_id(trace: str) -> bytes:
    """The sixteen bytes behind a trace's name; zeros where it is no OpenTelemetry id (a trace of an older client)."""
    digits = trace.removeprefix(TRACE_PREFIX)
    try:
        found = bytes.fromhex(digits)
    except ValueError:
        return bytes(16)
    return found if len(found) == 16 else bytes(16)
