"""Spans by OpenTelemetry's protocol over HTTP: protobuf or JSON, plain or compressed, from any SDK.

MLflow's clients name an experiment in a header. Whoever does not, an SDK that knows nothing of MLflow, gets the
project's default experiment. Spans that cannot be kept are counted in the answer, as OTLP has it; the others are kept.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Mapping

from starlette.types import Receive, Send

from noria.core.errors import RequestInvalid
from noria.core.rights import DEFAULT_PROJECT, Right
from noria.ledger.traces.preparing import batches
from noria.ledger.traces.writing import add_spans
from noria.ledger.tracking import experiments
from noria.server.mlflow import otlp_json, otlp_protobuf
from noria.server.mlflow.asked import Asked
from noria.server.mlflow.bodies import whole
from noria.server.mlflow.endpoints import Endpoint, Said, Tracking
from noria.server.mlflow.otlp_protobuf import Malformed
from noria.server.mlflow.trace_forms import experiments_of

SENT_BYTES = 32 * 1024 * 1024
UNPACKED_BYTES = 64 * 1024 * 1024

EXPERIMENT, RUN = "x-mlflow-experiment-id", "x-mlflow-run-id"

_PROTOBUF, _JSON = "application/x-protobuf", "application/json"
_READERS = {_PROTOBUF: otlp_protobuf, "application/protobuf": otlp_protobuf, _JSON: otlp_json}
_WINDOW = {"gzip": 31, "deflate": 15}
"""Coding to what zlib calls it; HTTP's deflate is zlib's own format (RFC 9110, 8.4.1.2)."""
_SHOWN = 5


async def export(tracking: Tracking, asked: Asked, receive: Receive, send: Send) -> None:
    """Take the spans of one request."""
    body = await whole(receive, SENT_BYTES, fix="send fewer spans at a time")
    said = await asyncio.to_thread(take, tracking, asked, body)
    headers = [(b"content-type", said.content_type.encode()), (b"content-length", str(len(said.body)).encode())]
    await send({"type": "http.response.start", "status": said.status, "headers": headers})
    await send({"type": "http.response.body", "body": said.body})


def take(tracking: Tracking, asked: Asked, body: bytes) -> Said:
    """Read, keep and answer.

    Raises:
        NotFound: there is no such experiment.
        RequestInvalid: the body is no OTLP request, or is too large.
    """
    kind = asked.headers.get("content-type", "").partition(";")[0].strip().lower()
    reader = _READERS.get(kind)
    if reader is None:
        raise RequestInvalid(f"Invalid Content-Type: {kind[:100]!r}. Expected: {_PROTOBUF} or {_JSON}")
    experiment = _experiment(tracking, asked)
    try:
        spans, refused = reader.read_request(unpacked(body, asked.headers))
    except Malformed as error:
        raise RequestInvalid(f"Invalid OpenTelemetry format: {error}") from None
    kept, late = batches(spans)
    refused += late
    run = asked.headers.get(RUN, "")[:256]
    if kept:
        tracking.store.write(lambda tx: add_spans(tx, asked.project, experiment, kept, run=run), durable=False)
    why = "; ".join(list(dict.fromkeys(refused))[:_SHOWN])
    return Said(body=reader.write_answer(len(refused), why), content_type=_JSON if kind == _JSON else _PROTOBUF)


def unpacked(body: bytes, headers: Mapping[str, str]) -> bytes:
    """A body as it was before it was compressed.

    Raises:
        RequestInvalid: an unknown coding, broken data, or too much of it.
    """
    coding = headers.get("content-encoding", "").strip().lower()
    if coding in ("", "identity"):
        return body
    if coding not in _WINDOW:
        raise RequestInvalid(f"Unsupported Content-Encoding: {coding[:40]!r}", fix="send gzip, deflate or neither")
    reading = zlib.decompressobj(_WINDOW[coding])
    try:
        plain = reading.decompress(body, UNPACKED_BYTES + 1)
    except zlib.error as error:
        raise RequestInvalid(f"Failed to decompress {coding} payload: {error}") from None
    if len(plain) > UNPACKED_BYTES:
        raise RequestInvalid(f"The body is larger than {UNPACKED_BYTES} bytes when unpacked", fix="send fewer spans at a time")
    if not reading.eof:
        raise RequestInvalid(f"Failed to decompress {coding} payload: it is cut off")
    return plain


def _experiment(tracking: Tracking, asked: Asked) -> int:
    named = asked.headers.get(EXPERIMENT, "").strip()
    if named:
        return experiments_of([named])[0]
    if asked.project == DEFAULT_PROJECT:
        return 0
    return experiments.by_name(tracking.store, asked.project, experiments.DEFAULT).id


ENDPOINTS = (Endpoint(method="POST", path="/v1/traces", handler=export, right=Right.CONTRIBUTE, streams=True),)
