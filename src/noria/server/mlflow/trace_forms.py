"""Traces and what is said of them as MLflow's JSON, and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any
from uuid import uuid4

import orjson

from noria.core.errors import RequestInvalid
from noria.core.moments import from_ms
from noria.ledger.traces import rules
from noria.ledger.traces.assessments import EXPECTATION, FEEDBACK, ISSUE, SOURCES, Assessment, Change
from noria.ledger.traces.reading import Trace
from noria.ledger.traces.spans import Span
from noria.server.mlflow import forms
from noria.server.mlflow.asked import Fields, invalid, missing
from noria.server.mlflow.otlp_json import span_message

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_STATUSES = {"STATE_UNSPECIFIED": "TRACE_STATUS_UNSPECIFIED"}
_LATEST_MS = 1 << 52


def info(trace: Trace) -> dict[str, Any]:
    """A `TraceInfoV3`."""
    said: dict[str, Any] = {
        "trace_id": trace.id,
        "trace_location": {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": str(trace.experiment)}},
        "request_time": moment(trace.at_ms),
        "state": trace.state,
        "trace_metadata": dict(trace.metadata),
        "tags": dict(trace.tags),
    }
    if trace.took_ms is not None:
        said["execution_duration"] = f"{Decimal(trace.took_ms) / 1000:f}s"
    if trace.client:
        said["client_request_id"] = trace.client
    if trace.request is not None:
        said["request_preview"] = trace.request
    if trace.response is not None:
        said["response_preview"] = trace.response
    if trace.assessments:
        said["assessments"] = [assessment(one) for one in trace.assessments]
    return said


def whole(trace: Trace, spans: Sequence[Span]) -> dict[str, Any]:
    """A `Trace`: its account and its spans."""
    return {"trace_info": info(trace), "spans": [span_message(span) for span in spans]}


def older_info(trace: Trace) -> dict[str, Any]:
    """A `TraceInfo` as clients before 3.0 know it."""
    return {
        "request_id": trace.id,
        "experiment_id": str(trace.experiment),
        "timestamp_ms": trace.at_ms,
        "execution_time_ms": trace.took_ms or 0,
        "status": _STATUSES.get(trace.state, trace.state),
        "request_metadata": forms.pairs(trace.metadata),
        "tags": forms.pairs(trace.tags),
    }


def file_of_spans(spans: Sequence[Span]) -> bytes:
    """The spans as the file that clients before 3.4 keep of a trace: attributes are JSON in texts."""
    found = []
    for span in spans:
        message = span_message(span)
        message["attributes"] = {name: orjson.dumps(value).decode() for name, value in span.attributes.items()}
        message["events"] = [{"name": one.name, "time_unix_nano": one.at_ns, "attributes": dict(one.attributes)} for one in span.events]
        message.setdefault("parent_span_id", None)
        message["status"].setdefault("message", "")
        message.pop("links", None)
        found.append(message)
    return orjson.dumps({"spans": found})


def assessment(said: Assessment) -> dict[str, Any]:
    """An `Assessment`."""
    told: dict[str, Any] = {
        "assessment_id": said.id,
        "assessment_name": said.name,
        "trace_id": said.trace,
        "source": {"source_type": said.source_type, "source_id": said.source_id},
        "create_time": moment(said.created_ms),
        "last_update_time": moment(said.updated_ms),
        "valid": said.valid,
    }
    if said.kind == FEEDBACK:
        told["feedback"] = {"value": said.value, **({"error": said.error} if said.error else {})}
    elif said.kind == ISSUE:
        told["issue"] = {"issue_name": said.value}
    elif said.serialized:
        text = orjson.dumps(said.value).decode()
        told["expectation"] = {"serialized_value": {"serialization_format": "JSON_FORMAT", "value": text}}
    else:
        told["expectation"] = {"value": said.value}
    optional = {"span_id": said.span, "rationale": said.rationale, "metadata": dict(said.metadata), "overrides": said.overrides}
    return told | {name: value for name, value in optional.items() if value}


def assessment_of(fields: Fields, trace: str, *, now_ms: int) -> Assessment:
    """An `Assessment` as a client sends it.

    Raises:
        RequestInvalid: a part is missing, or of another type.
    """
    name = rules.clean(fields.text("assessment_name", required=True))
    if len(name) > rules.KEY_LIMIT:
        raise RequestInvalid(f"'assessment_name' exceeds the maximum length of {rules.KEY_LIMIT} characters")
    kind, value, error, serialized = value_of(fields)
    source = fields.one("source")
    source_type = source.text("source_type") or "SOURCE_TYPE_UNSPECIFIED"
    if source_type not in SOURCES:
        raise RequestInvalid(f"Invalid assessment source type: {source_type[:100]!r}. Valid source types: {', '.join(SOURCES)}")
    return Assessment(
        id=rules.clean(fields.text("assessment_id"))[:250] or f"a-{uuid4().hex}",
        trace=trace,
        kind=kind,
        name=name,
        value=value,
        error=error,
        serialized=serialized,
        source_type=source_type,
        source_id=source.text("source_id"),
        created_ms=moment_of(fields, "create_time", now_ms),
        updated_ms=moment_of(fields, "last_update_time", now_ms),
        span=rules.clean(fields.text("span_id"))[:250],
        rationale=fields.text("rationale") or None,
        metadata=texts_of(fields, "metadata"),
        overrides=fields.text("overrides"),
        valid=fields.flag("valid", True),
    )


def change_of(fields: Fields, mask: Sequence[str]) -> Change:
    """What an update of an assessment says; only what its mask names counts.

    Raises:
        RequestInvalid: a part is of another type, or the mask names what cannot be changed.
    """
    named = {"".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in one.strip()) for one in mask}
    unknown = named - {"assessment_name", FEEDBACK, EXPECTATION, "rationale", "metadata", "valid"}
    if unknown:
        raise RequestInvalid(f"Invalid value for parameter 'update_mask' supplied: {sorted(unknown)} cannot be changed")
    if {FEEDBACK, EXPECTATION} <= named:
        raise RequestInvalid("Cannot specify both `expectation` and `feedback` parameters.")
    kind, value, error, serialized = value_of(fields) if named & {FEEDBACK, EXPECTATION} else (None, None, None, False)
    return Change(
        name=fields.text("assessment_name", required=True) if "assessment_name" in named else None,
        kind=kind,
        value=value,
        error=error,
        serialized=serialized,
        rationale=fields.text("rationale") if "rationale" in named else None,
        metadata=texts_of(fields, "metadata") if "metadata" in named else None,
        valid=fields.flag("valid", True) if "valid" in named else None,
    )


def value_of(fields: Fields) -> tuple[str, Any, Mapping[str, Any] | None, bool]:
    """Kind, value, error of an assessment, and whether its value came as JSON in a text."""
    given = [kind for kind in (FEEDBACK, EXPECTATION, ISSUE) if fields.values.get(kind) is not None]
    if len(given) != 1:
        raise RequestInvalid("Exactly one of `expectation`, `feedback` or `issue` should be specified.")
    kind = given[0]
    said = fields.one(kind)
    if kind == FEEDBACK:
        return kind, said.values.get("value"), dict(said.one("error").values) or None, False
    if kind == ISSUE:
        return kind, said.text("issue_name"), None, False
    packed = said.one("serialized_value")
    if not packed.values:
        return kind, said.values.get("value"), None, False
    try:
        return kind, orjson.loads(packed.text("value")), None, True
    except orjson.JSONDecodeError:
        raise RequestInvalid("The value of an expectation is not JSON, though it says so") from None


def moment(ms: int) -> str:
    """Milliseconds since 1970 as RFC 3339."""
    return from_ms(ms).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def moment_of(fields: Fields, name: str, default: int | None = None) -> int:
    """Milliseconds since 1970 of an RFC 3339 moment; a number is taken as milliseconds.

    Raises:
        RequestInvalid: it is missing, or none.
    """
    value = fields.values.get(name)
    if value is None or value == "":
        if default is None:
            raise missing(fields.path + name)
        return default
    if isinstance(value, int) and not isinstance(value, bool):
        ms = value
    else:
        try:
            read = datetime.fromisoformat(value)
        except (TypeError, ValueError):
            raise invalid(fields.path + name, value) from None
        ms = ((read if read.tzinfo else read.replace(tzinfo=UTC)) - _EPOCH) // timedelta(milliseconds=1)
    if not 0 <= ms < _LATEST_MS:
        raise invalid(fields.path + name, value)
    return ms


def duration_of(fields: Fields, name: str) -> int | None:
    """Milliseconds of a duration such as "0.308s"; None = not said.

    Raises:
        RequestInvalid: it is none.
    """
    text = fields.text(name)
    if not text:
        return None
    try:
        ms = int(Decimal(text.removesuffix("s")) * 1_000)
    except (InvalidOperation, ValueError, OverflowError):
        raise invalid(fields.path + name, text) from None
    if not 0 <= ms < _LATEST_MS:
        raise invalid(fields.path + name, text)
    return ms


def texts_of(fields: Fields, name: str) -> dict[str, str]:
    """A map of texts; other values are taken as their JSON."""
    return {key: value if isinstance(value, str) else orjson.dumps(value).decode() for key, value in fields.one(name).values.items()}


def experiments_of(texts: Sequence[str]) -> list[int]:
    """Ids of experiments.

    Raises:
        RequestInvalid: one is no number.
    """
    for text in texts:
        if not text.isdecimal() or len(text) > 18:
            raise RequestInvalid(f"Invalid experiment ID: {text[:100]!r}. It must be a number.")
    return [int(text) for text in texts]
