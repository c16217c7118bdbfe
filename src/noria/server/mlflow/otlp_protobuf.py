"""Reads OTLP's trace requests from protobuf, and writes its answer, without a protobuf library.

Eight small messages, whose field numbers are fixed by the OpenTelemetry protocol (opentelemetry-proto 1.x,
`collector/trace/v1`, `trace/v1`, `common/v1`, `resource/v1`); the wire is protobuf's: each field a key
(number << 3 | wire type), then a varint, eight bytes, a length with so many bytes, or four bytes. Unknown
fields are passed over, as protobuf asks. Decision 034 has the reasons.
"""

from __future__ import annotations

import math
from base64 import b64encode
from collections.abc import Iterator
from struct import Struct
from typing import Any

from noria.ledger.traces.spans import ERROR, OK, UNSET, Span, SpanEvent, SpanLink, trace_name

DEPTH_LIMIT = 64
"""Lists and maps within each other; more is refused."""

STATUS = (UNSET, OK, ERROR)

_VARINT, _EIGHT, _LENGTH, _FOUR = 0, 1, 2, 5
_FIXED64 = Struct("<Q").unpack_from
_DOUBLE = Struct("<d").unpack_from
_LOW, _MORE = 0x7F, 0x80


class Malformed(ValueError):
    """These bytes, or this JSON, are no OTLP trace request."""


def read_request(data: bytes) -> tuple[list[Span], list[str]]:
    """All spans of an ExportTraceServiceRequest, and for each that is none what is wrong with it.

    Raises:
        Malformed: the bytes are no such message.
    """
    spans: list[Span] = []
    refused: list[str] = []
    try:
        for key, start, end in _fields(data, 0, len(data)):
            if key == _key(1, _LENGTH):
                _resource_spans(data, start, end, spans, refused)
    except (IndexError, UnicodeDecodeError) as error:
        raise Malformed(f"the body ends in the middle of a field, or holds text that is not UTF-8: {error}") from None
    return spans, refused


def write_answer(refused: int, message: str) -> bytes:
    """An ExportTraceServiceResponse: empty when all was taken, else how many spans were not, and why."""
    if not refused:
        return b""
    text = message.encode()
    inner = bytes([_key(1, _VARINT)]) + _varint(refused) + bytes([_key(2, _LENGTH)]) + _varint(len(text)) + text
    return bytes([_key(1, _LENGTH)]) + _varint(len(inner)) + inner


def checked(trace: bytes, span: bytes) -> str:
    """What is wrong with the ids of a span; "" when nothing is (W3C Trace Context: 16 and 8 bytes, not all zero)."""
    if len(trace) != 16 or not any(trace):
        return "a trace id is sixteen bytes that are not all zero"
    if len(span) != 8 or not any(span):
        return "a span id is eight bytes that are not all zero"
    return ""


def _key(number: int, wire: int) -> int:
    return number << 3 | wire


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > _LOW:
        out.append(number & _LOW | _MORE)
        number >>= 7
    out.append(number)
    return bytes(out)


def _fields(data: bytes, at: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Each field's key, with its value for a varint, else where its bytes start and end."""
    while at < end:
        key, at = _read_varint(data, at, end)
        wire = key & 7
        if wire == _LENGTH:
            length, at = _read_varint(data, at, end)
            stop = at + length
            if stop > end:
                raise Malformed("a field is longer than the message that it is in")
            yield key, at, stop
            at = stop
        elif wire == _VARINT:
            value, at = _read_varint(data, at, end)
            yield key, value, 0
        elif wire in (_EIGHT, _FOUR):
            stop = at + (8 if wire == _EIGHT else 4)
            if stop > end:
                raise Malformed("a number ends in the middle")
            yield key, at, stop
            at = stop
        else:
            raise Malformed(f"wire type {wire} is not part of OTLP")


def _read_varint(data: bytes, at: int, end: int) -> tuple[int, int]:
    byte = data[at]
    if byte < _MORE and at < end:
        return byte, at + 1
    value = shift = 0
    while at < end:
        byte = data[at]
        at += 1
        value |= (byte & _LOW) << shift
        if byte < _MORE:
            return value & 0xFFFF_FFFF_FFFF_FFFF, at
        shift += 7
        if shift > 63:
            break
    raise Malformed("a number has no end")


def _text(data: bytes, start: int, end: int) -> str:
    return data[start:end].decode()


def _resource_spans(data: bytes, at: int, end: int, spans: list[Span], refused: list[str]) -> None:
    source: dict[str, Any] = {}
    scopes: list[tuple[int, int]] = []
    for key, start, stop in _fields(data, at, end):
        if key == _key(1, _LENGTH):
            source = _attributes(data, start, stop, number=1)
        elif key == _key(2, _LENGTH):
            scopes.append((start, stop))
    for start, stop in scopes:
        for key, one, last in _fields(data, start, stop):
            if key == _key(2, _LENGTH):
                read = _span(data, one, last, source)
                if isinstance(read, Span):
                    spans.append(read)
                else:
                    refused.append(read)


def _span(data: bytes, at: int, end: int, source: dict[str, Any]) -> Span | str:
    trace = id = parent = b""
    name = message = ""
    kind = start_ns = end_ns = code = 0
    attributes: dict[str, Any] = {}
    events: list[SpanEvent] = []
    links: list[SpanLink] = []
    for key, start, stop in _fields(data, at, end):
        if key == _key(9, _LENGTH):
            _put(attributes, data, start, stop, 0)
        elif key == _key(1, _LENGTH):
            trace = data[start:stop]
        elif key == _key(2, _LENGTH):
            id = data[start:stop]
        elif key == _key(4, _LENGTH):
            parent = data[start:stop]
        elif key == _key(5, _LENGTH):
            name = _text(data, start, stop)
        elif key == _key(6, _VARINT):
            kind = start
        elif key == _key(7, _EIGHT):
            (start_ns,) = _FIXED64(data, start)
        elif key == _key(8, _EIGHT):
            (end_ns,) = _FIXED64(data, start)
        elif key == _key(11, _LENGTH):
            events.append(_event(data, start, stop))
        elif key == _key(13, _LENGTH):
            links.append(_link(data, start, stop))
        elif key == _key(15, _LENGTH):
            message, code = _status(data, start, stop)
    wrong = checked(trace, id)
    if wrong:
        return wrong
    status = STATUS[code] if code < len(STATUS) else UNSET
    over = parent.hex() if any(parent) else ""
    return Span(trace_name(trace), id.hex(), over, name, start_ns, end_ns, status, message, kind, attributes, events, links, source)


def _event(data: bytes, at: int, end: int) -> SpanEvent:
    name, at_ns = "", 0
    attributes: dict[str, Any] = {}
    for key, start, stop in _fields(data, at, end):
        if key == _key(1, _EIGHT):
            (at_ns,) = _FIXED64(data, start)
        elif key == _key(2, _LENGTH):
            name = _text(data, start, stop)
        elif key == _key(3, _LENGTH):
            _put(attributes, data, start, stop, 0)
    return SpanEvent(name, at_ns, attributes)


def _link(data: bytes, at: int, end: int) -> SpanLink:
    trace = span = b""
    attributes: dict[str, Any] = {}
    for key, start, stop in _fields(data, at, end):
        if key == _key(1, _LENGTH):
            trace = data[start:stop]
        elif key == _key(2, _LENGTH):
            span = data[start:stop]
        elif key == _key(4, _LENGTH):
            _put(attributes, data, start, stop, 0)
    return SpanLink(trace_name(trace), span.hex(), attributes)


def _status(data: bytes, at: int, end: int) -> tuple[str, int]:
    message, code = "", 0
    for key, start, stop in _fields(data, at, end):
        if key == _key(2, _LENGTH):
            message = _text(data, start, stop)
        elif key == _key(3, _VARINT):
            code = start
    return message, code


def _attributes(data: bytes, at: int, end: int, *, number: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, start, stop in _fields(data, at, end):
        if key == _key(number, _LENGTH):
            _put(found, data, start, stop, 0)
    return found


def _put(into: dict[str, Any], data: bytes, at: int, end: int, depth: int) -> None:
    """Read one KeyValue into a mapping."""
    name, value = "", None
    for key, start, stop in _fields(data, at, end):
        if key == _key(1, _LENGTH):
            name = _text(data, start, stop)
        elif key == _key(2, _LENGTH):
            value = _value(data, start, stop, depth)
    into[name] = value


def _value(data: bytes, at: int, end: int, depth: int) -> Any:
    """An AnyValue as a plain JSON type."""
    if depth > DEPTH_LIMIT:
        raise Malformed(f"an attribute has more than {DEPTH_LIMIT} lists and maps within each other")
    value: Any = None
    for key, start, stop in _fields(data, at, end):
        if key == _key(1, _LENGTH):
            value = _text(data, start, stop)
        elif key == _key(2, _VARINT):
            value = start != 0
        elif key == _key(3, _VARINT):
            value = start - (1 << 64) if start >> 63 else start
        elif key == _key(4, _EIGHT):
            value = plain_number(_DOUBLE(data, start)[0])
        elif key == _key(5, _LENGTH):
            value = [_value(data, one, last, depth + 1) for inner, one, last in _fields(data, start, stop) if inner == _key(1, _LENGTH)]
        elif key == _key(6, _LENGTH):
            value = {}
            for inner, one, last in _fields(data, start, stop):
                if inner == _key(1, _LENGTH):
                    _put(value, data, one, last, depth + 1)
        elif key == _key(7, _LENGTH):
            value = b64encode(data[start:stop]).decode()
    return value


def plain_number(number: float) -> float | str:
    """A number as JSON has it: NaN and the infinities become their names."""
    return number if math.isfinite(number) else ("NaN" if math.isnan(number) else ("Infinity" if number > 0 else "-Infinity"))
