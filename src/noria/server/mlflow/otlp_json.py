"""Reads OTLP's trace requests from JSON, and writes spans as protobuf's JSON has them.

OTLP's own JSON has ids in hexadecimal (OTLP 1.x, "JSON Protobuf Encoding"); protobuf's, which MLflow's clients
read, has bytes in base64. Names come in camelCase; snake_case is read too.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from typing import Any

import orjson

from noria.ledger.traces.spans import ERROR, OK, UNSET, Span, SpanEvent, SpanLink, otel_id, trace_name
from noria.server.mlflow.otlp_protobuf import DEPTH_LIMIT, STATUS, Malformed, checked, plain_number

_KINDS = ("UNSPECIFIED", "INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER")
_CODES = {UNSET: "STATUS_CODE_UNSET", OK: "STATUS_CODE_OK", ERROR: "STATUS_CODE_ERROR"}


def read_request(data: bytes) -> tuple[list[Span], list[str]]:
    """All spans of an ExportTraceServiceRequest in JSON, and for each that is none what is wrong with it.

    Raises:
        Malformed: it is not JSON, or not of that form.
    """
    spans: list[Span] = []
    refused: list[str] = []
    try:
        asked = orjson.loads(data)
        for group in _list(asked, "resourceSpans"):
            source = _attributes(_get(group, "resource") or {})
            for scope in _list(group, "scopeSpans"):
                for one in _list(scope, "spans"):
                    try:
                        spans.append(_span(one, source))
                    except _Refused as why:
                        refused.append(str(why))
    except (orjson.JSONDecodeError, AttributeError, TypeError, ValueError, KeyError) as error:
        raise Malformed(f"the body is no OTLP trace request in JSON: {error}") from None
    return spans, refused


def write_answer(refused: int, message: str) -> bytes:
    """An ExportTraceServiceResponse in JSON."""
    return orjson.dumps({"partialSuccess": {"rejectedSpans": str(refused), "errorMessage": message}} if refused else {})


class _Refused(Exception):
    """One span that cannot be taken."""


def _get(found: Mapping[str, Any], name: str) -> Any:
    """A field by its camelCase name, or as snake_case."""
    value = found.get(name)
    return found.get(_snake(name)) if value is None else value


def _snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)


def _list(found: Mapping[str, Any], name: str) -> list[Any]:
    value = _get(found, name) or []
    if not isinstance(value, list):
        raise TypeError(f"{name} is a list")
    return value


def _id(found: Mapping[str, Any], name: str) -> bytes:
    text = _get(found, name) or ""
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise _Refused(f"{name} is written in hexadecimal digits") from None


def _span(one: Mapping[str, Any], source: Mapping[str, Any]) -> Span:
    trace, id, parent = _id(one, "traceId"), _id(one, "spanId"), _id(one, "parentSpanId")
    wrong = checked(trace, id)
    if wrong:
        raise _Refused(wrong)
    status = one.get("status") or {}
    return Span(
        trace_name(trace),
        id.hex(),
        parent.hex() if any(parent) else "",
        str(one.get("name") or ""),
        int(_get(one, "startTimeUnixNano") or 0),
        int(_get(one, "endTimeUnixNano") or 0),
        _named(status.get("code"), "STATUS_CODE_", STATUS),
        str(status.get("message") or ""),
        _number(one.get("kind"), "SPAN_KIND_", _KINDS),
        _attributes(one),
        [
            SpanEvent(str(event.get("name") or ""), int(_get(event, "timeUnixNano") or 0), _attributes(event))
            for event in _list(one, "events")
        ],
        [SpanLink(trace_name(_id(link, "traceId")), _id(link, "spanId").hex(), _attributes(link)) for link in _list(one, "links")],
        source,
    )


def _number(value: Any, prefix: str, names: tuple[str, ...]) -> int:
    """An enum as JSON may have it: its number or its name."""
    if isinstance(value, str):
        value = names.index(value.removeprefix(prefix)) if value.removeprefix(prefix) in names else 0
    return int(value or 0)


def _named(value: Any, prefix: str, names: tuple[str, ...]) -> str:
    number = _number(value, prefix, names)
    return names[number] if 0 <= number < len(names) else names[0]


def _attributes(found: Mapping[str, Any]) -> dict[str, Any]:
    return {str(one.get("key") or ""): _value(one.get("value") or {}, 0) for one in _list(found, "attributes")}


def _value(value: Mapping[str, Any], depth: int) -> Any:
    if depth > DEPTH_LIMIT:
        raise ValueError(f"an attribute has more than {DEPTH_LIMIT} lists and maps within each other")
    for name, inner in value.items():
        match name:
            case "stringValue" | "string_value" | "bytesValue" | "bytes_value":
                return str(inner)
            case "boolValue" | "bool_value":
                return bool(inner)
            case "intValue" | "int_value":
                return int(inner)
            case "doubleValue" | "double_value":
                return plain_number(float(inner))
            case "arrayValue" | "array_value":
                return [_value(one, depth + 1) for one in _list(inner, "values")]
            case "kvlistValue" | "kvlist_value":
                return {str(one.get("key") or ""): _value(one.get("value") or {}, depth + 1) for one in _list(inner, "values")}
    return None


def span_message(span: Span) -> dict[str, Any]:
    """A span as protobuf's JSON has it, for MLflow's clients."""
    message: dict[str, Any] = {
        "trace_id": b64encode(otel_id(span.trace)).decode(),
        "span_id": _base64(span.id),
        "name": span.name,
        "start_time_unix_nano": span.start_ns,
        "end_time_unix_nano": span.end_ns,
        "attributes": _pairs(span.attributes),
        "status": {"code": _CODES.get(span.status, _CODES[UNSET]), **({"message": span.message} if span.message else {})},
    }
    if span.parent:
        message["parent_span_id"] = _base64(span.parent)
    if span.kind:
        message["kind"] = f"SPAN_KIND_{_KINDS[span.kind] if span.kind < len(_KINDS) else _KINDS[0]}"
    if span.events:
        message["events"] = [{"name": one.name, "time_unix_nano": one.at_ns, "attributes": _pairs(one.attributes)} for one in span.events]
    if span.links:
        message["links"] = [
            {"trace_id": b64encode(otel_id(one.trace)).decode(), "span_id": _base64(one.span), "attributes": _pairs(one.attributes)}
            for one in span.links
        ]
    return message


def _base64(digits: str) -> str:
    return b64encode(bytes.fromhex(digits)).decode()


def _pairs(attributes: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [{"key": key, "value": _any(value)} for key, value in attributes.items()]


def _any(value: Any) -> dict[str, Any]:
    match value:
        case None:
            return {}
        case bool():
            return {"bool_value": value}
        case str():
            return {"string_value": value}
        case int():
            return {"int_value": value} if -(1 << 63) <= value < 1 << 63 else {"double_value": float(value)}
        case float():
            return {"double_value": value}
        case list() | tuple():
            return {"array_value": {"values": [_any(one) for one in value]}}
        case Mapping():
            return {"kvlist_value": {"values": _pairs(value)}}
        case _:
            return {"string_value": str(value)}
