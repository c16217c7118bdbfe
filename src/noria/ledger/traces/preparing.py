"""Makes rows of spans before the database is asked: what can be known of a trace from the spans of one request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from noria.ledger.traces.dialects import Meaning, meaning
from noria.ledger.traces.rules import LATEST_NS, NAME_LIMIT, PREVIEW_LIMIT, VALUE_LIMIT, clean, lenient
from noria.ledger.traces.spans import ERROR, Span

SHORT = 250
"""Characters of a type, a model, a provider."""

_NOT_TAGS = ("telemetry.sdk.", "mlflow.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """The spans of one trace that came together.

    Attributes:
        trace: The trace's id.
        rows: Columns of `noria_spans` behind `trace`, in their order.
        start_ms: The earliest start.
        end_ms: The latest end; None while all run.
        root: State, name, request and response by the root span; None if it is not among them.
        usage: Span id, parent and counted tokens of each span; `cost` the same with dollars.
        tags: Tags that the process or the root span gives the trace.
    """

    trace: str
    rows: Sequence[tuple[Any, ...]]
    start_ms: int
    end_ms: int | None
    root: tuple[str, str, str | None, str | None] | None
    usage: Sequence[tuple[str, str, Mapping[str, float]]]
    cost: Sequence[tuple[str, str, Mapping[str, float]]]
    session: str
    user: str
    tags: Mapping[str, str]


def batches(spans: Sequence[Span]) -> tuple[list[Batch], list[str]]:
    """Spans by their traces, and for each that cannot be kept what is wrong with it."""
    by_trace: dict[str, list[Span]] = {}
    refused: list[str] = []
    for span in spans:
        if max(span.start_ns, span.end_ns) > LATEST_NS or min(span.start_ns, span.end_ns) < 0:
            refused.append(f"span {span.id} is of no time that can be kept")
        else:
            by_trace.setdefault(span.trace, []).append(span)
    return [_batch(trace, found) for trace, found in by_trace.items()], refused


def body_of(span: Span, added: Mapping[str, Any]) -> str:
    """What is kept of a span beside its columns, as JSON."""
    body: dict[str, Any] = {"attributes": {**span.attributes, **added}}
    if span.kind:
        body["kind"] = span.kind
    if span.message:
        body["message"] = span.message
    if span.events:
        body["events"] = [(one.name, one.at_ns, one.attributes) for one in span.events]
    if span.links:
        body["links"] = [(one.trace, one.span, one.attributes) for one in span.links]
    return orjson.dumps(body, option=orjson.OPT_NON_STR_KEYS).decode()


def preview(value: Any) -> str | None:
    """What went in or came out as a list shows it: text, or JSON; cut."""
    if value is None:
        return None
    text = value if isinstance(value, str) else orjson.dumps(value).decode()
    return cut(text)


def cut(text: str, limit: int = PREVIEW_LIMIT) -> str:
    """A text of at most so many characters, three dots at its end where more was.

    >>> cut("abcdefgh", 6)
    'abc...'
    """
    text = clean(text)
    return text if len(text) <= limit else f"{text[: limit - 3]}..."


def _batch(trace: str, spans: Sequence[Span]) -> Batch:
    meant = [meaning(span) for span in spans]
    ends = [span.end_ns for span in spans if span.end_ns]
    root = next(((span, said) for span, said in zip(spans, meant, strict=True) if not span.parent), None)
    source = {name: value for name, value in spans[0].source.items() if not name.startswith(_NOT_TAGS)}
    given = {name: value if isinstance(value, str) else orjson.dumps(value).decode() for name, value in source.items()}
    return Batch(
        trace=trace,
        rows=[_row(span, said) for span, said in zip(spans, meant, strict=True)],
        start_ms=min(span.start_ns for span in spans) // 1_000_000,
        end_ms=max(ends) // 1_000_000 if ends else None,
        root=None if root is None else _root(*root),
        usage=[(span.id, span.parent, said.usage) for span, said in zip(spans, meant, strict=True)],
        cost=[(span.id, span.parent, said.cost) for span, said in zip(spans, meant, strict=True)],
        session=next((said.session for said in meant if said.session), "")[:VALUE_LIMIT],
        user=next((said.user for said in meant if said.user), "")[:VALUE_LIMIT],
        tags=lenient({**given, **(root[1].tags if root else {})}),
    )


def _root(span: Span, said: Meaning) -> tuple[str, str, str | None, str | None]:
    state = "IN_PROGRESS" if not span.end_ns else ("ERROR" if span.status == ERROR else "OK")
    return state, clean(span.name)[:NAME_LIMIT], preview(said.inputs), preview(said.outputs)


def _row(span: Span, said: Meaning) -> tuple[Any, ...]:
    cost = said.cost
    return (
        span.id,
        span.parent,
        clean(span.name)[:NAME_LIMIT],
        clean(said.type)[:SHORT],
        span.status,
        span.start_ns,
        span.end_ns,
        clean(said.model)[:SHORT],
        clean(said.provider)[:SHORT],
        cost.get("input_cost"),
        cost.get("output_cost"),
        cost.get("total_cost"),
        orjson.dumps(said.usage).decode() if said.usage else "",
        body_of(span, said.added),
    )
