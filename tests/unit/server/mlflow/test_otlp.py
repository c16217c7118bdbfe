"""OTLP requests, held against the protobuf library's own reading."""

import base64
import contextlib
import json
import math

import pytest
from google.protobuf.json_format import MessageToDict, ParseDict
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest, ExportTraceServiceResponse
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue, KeyValueList
from opentelemetry.proto.trace.v1 import trace_pb2

from noria.server.mlflow import otlp_json, otlp_protobuf
from noria.server.mlflow.otlp_protobuf import Malformed

TEXT = st.text(max_size=12)
IDS = st.binary(min_size=16, max_size=16).filter(any)
SPAN_IDS = st.binary(min_size=8, max_size=8).filter(any)
NS = st.integers(0, 2**63 - 1)
SCALARS = st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False) | TEXT
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3), max_leaves=6)
ATTRIBUTES = st.dictionaries(TEXT, VALUES, max_size=4)


def any_value(value):
    match value:
        case None:
            return AnyValue()
        case bool():
            return AnyValue(bool_value=value)
        case int():
            return AnyValue(int_value=value)
        case float():
            return AnyValue(double_value=value)
        case str():
            return AnyValue(string_value=value)
        case list():
            return AnyValue(array_value=ArrayValue(values=[any_value(one) for one in value]))
        case dict():
            return AnyValue(kvlist_value=KeyValueList(values=pairs(value)))


def pairs(values):
    return [KeyValue(key=key, value=any_value(value)) for key, value in values.items()]


@st.composite
def proto_spans(draw):
    return trace_pb2.Span(
        trace_id=draw(IDS),
        span_id=draw(SPAN_IDS),
        parent_span_id=draw(st.just(b"") | SPAN_IDS),
        trace_state=draw(TEXT),
        name=draw(TEXT),
        kind=draw(st.integers(0, 5)),
        start_time_unix_nano=draw(NS),
        end_time_unix_nano=draw(NS),
        attributes=pairs(draw(ATTRIBUTES)),
        dropped_attributes_count=draw(st.integers(0, 9)),
        events=[trace_pb2.Span.Event(name=draw(TEXT), time_unix_nano=draw(NS), attributes=pairs(draw(ATTRIBUTES)))],
        links=[trace_pb2.Span.Link(trace_id=draw(IDS), span_id=draw(SPAN_IDS), attributes=pairs(draw(ATTRIBUTES)))],
        status=trace_pb2.Status(code=draw(st.integers(0, 2)), message=draw(TEXT)),
        flags=draw(st.integers(0, 300)),
    )


def request_of(spans, source):
    asked = ExportTraceServiceRequest()
    group = asked.resource_spans.add()
    group.resource.attributes.extend(pairs(source))
    group.schema_url = "https://opentelemetry.io/schemas/1.37.0"
    scope = group.scope_spans.add()
    scope.scope.name = "tests"
    scope.spans.extend(spans)
    return asked


@given(spans=st.lists(proto_spans(), max_size=3), source=ATTRIBUTES)
@settings(max_examples=40, deadline=None)
def test_what_the_protobuf_library_writes_is_read_and_written_again_the_same(spans, source):
    read, refused = otlp_protobuf.read_request(request_of(spans, source).SerializeToString())
    assert refused == []
    for mine, theirs in zip(read, spans, strict=True):
        again = ParseDict(otlp_json.span_message(mine), trace_pb2.Span())
        expected = trace_pb2.Span()
        expected.CopyFrom(theirs)
        expected.ClearField("trace_state")
        expected.ClearField("dropped_attributes_count")
        expected.ClearField("flags")
        expected.status.SetInParent()
        assert MessageToDict(again) == MessageToDict(expected)
        assert mine.source == source


def otlp_form(message):
    """Protobuf's JSON as OTLP has it: ids in hexadecimal."""
    found = MessageToDict(message)
    for group in found.get("resourceSpans", []):
        for scope in group.get("scopeSpans", []):
            for span in scope.get("spans", []):
                for one in [span, *span.get("links", [])]:
                    for name in ("traceId", "spanId", "parentSpanId"):
                        if name in one:
                            one[name] = base64.b64decode(one[name]).hex()
    return found


@given(spans=st.lists(proto_spans(), max_size=3), source=ATTRIBUTES)
@settings(max_examples=30, deadline=None)
def test_json_and_protobuf_say_the_same(spans, source):
    asked = request_of(spans, source)
    by_protobuf, _ = otlp_protobuf.read_request(asked.SerializeToString())
    by_json, refused = otlp_json.read_request(json.dumps(otlp_form(asked)).encode())
    assert refused == []
    assert by_json == by_protobuf


@given(st.binary(max_size=200))
@settings(max_examples=200, deadline=None)
def test_any_bytes_are_read_or_refused_and_nothing_else(data):
    for read in (otlp_protobuf.read_request, otlp_json.read_request):
        with contextlib.suppress(Malformed):
            read(data)


@given(spans=st.lists(proto_spans(), min_size=1, max_size=2), cut=st.integers(1, 40), flip=st.integers(0, 255))
@settings(max_examples=80, deadline=None)
def test_a_torn_or_bent_request_is_read_or_refused_and_nothing_else(spans, cut, flip):
    data = bytearray(request_of(spans, {}).SerializeToString())
    data[cut % len(data)] ^= flip
    for torn in (bytes(data), bytes(data[:-cut])):
        with contextlib.suppress(Malformed):
            otlp_protobuf.read_request(torn)


def test_spans_without_ids_are_refused_one_by_one_and_the_others_taken():
    good = trace_pb2.Span(trace_id=b"\x01" * 16, span_id=b"\x02" * 8, name="good")
    bad = [
        trace_pb2.Span(span_id=b"\x02" * 8),
        trace_pb2.Span(trace_id=b"\x01" * 16),
        trace_pb2.Span(trace_id=bytes(16), span_id=b"\x02" * 8),
        trace_pb2.Span(trace_id=b"\x01" * 15, span_id=b"\x02" * 8),
    ]
    asked = request_of([good, *bad], {})
    for read, data in (
        (otlp_protobuf.read_request, asked.SerializeToString()),
        (otlp_json.read_request, json.dumps(otlp_form(asked)).encode()),
    ):
        spans, refused = read(data)
        assert [span.name for span in spans] == ["good"]
        assert len(refused) == 4


def _length(data):
    """A length as protobuf writes it."""
    return bytes([len(data)]) if len(data) < 128 else bytes([len(data) & 0x7F | 0x80, len(data) >> 7])


def test_lists_within_lists_without_end_are_refused():
    value = AnyValue(string_value="deep").SerializeToString()
    for _ in range(200):
        listed = b"\x0a" + _length(value) + value
        value = b"\x2a" + _length(listed) + listed
    pair = b"\x0a\x01k\x12" + _length(value) + value
    span = trace_pb2.Span(trace_id=b"\x01" * 16, span_id=b"\x02" * 8).SerializeToString() + b"\x4a" + _length(pair) + pair
    scope = b"\x12" + _length(span) + span
    group = b"\x12" + _length(scope) + scope
    with pytest.raises(Malformed, match="within each other"):
        otlp_protobuf.read_request(b"\x0a" + _length(group) + group)
    inner = {"stringValue": "deep"}
    for _ in range(200):
        inner = {"arrayValue": {"values": [inner]}}
    body = {
        "resourceSpans": [
            {"scopeSpans": [{"spans": [{"traceId": "01" * 16, "spanId": "02" * 8, "attributes": [{"key": "deep", "value": inner}]}]}]}
        ]
    }
    with pytest.raises(Malformed, match="within each other"):
        otlp_json.read_request(json.dumps(body).encode())


def test_numbers_that_json_has_not_are_kept_by_their_names():
    values = {"nan": math.nan, "inf": math.inf, "low": -math.inf}
    span = trace_pb2.Span(trace_id=b"\x01" * 16, span_id=b"\x02" * 8, attributes=pairs(values))
    (read,), _ = otlp_protobuf.read_request(request_of([span], {}).SerializeToString())
    assert read.attributes == {"nan": "NaN", "inf": "Infinity", "low": "-Infinity"}


def test_the_answer_is_read_by_the_protobuf_library():
    assert ExportTraceServiceResponse.FromString(otlp_protobuf.write_answer(0, "")) == ExportTraceServiceResponse()
    said = ExportTraceServiceResponse.FromString(otlp_protobuf.write_answer(300, "no id, not one ✗")).partial_success
    assert (said.rejected_spans, said.error_message) == (300, "no id, not one ✗")
    assert json.loads(otlp_json.write_answer(2, "no id")) == {"partialSuccess": {"rejectedSpans": "2", "errorMessage": "no id"}}
    assert json.loads(otlp_json.write_answer(0, "")) == {}
