"""What happened is told to a real OTLP receiver, at least once, and never stands in anybody's way."""

from __future__ import annotations

import gzip
import threading
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from sample import LOOP, SampleServices

from noria.core.turning import Turn
from noria.server.metrics import families
from noria.server.reads import Reads
from noria.server.telegraph import Telegraph, sampled
from noria.testing.memory import MemoryRecords

pytest.importorskip("opentelemetry.sdk")

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from noria.adapters.otlp import Otlp

NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Collector:
    """A receiver of OTLP over HTTP that may be ill."""

    def __init__(self) -> None:
        self.spans, self.metrics, self.status = [], {}, 200
        kept = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                body = gzip.decompress(body) if self.headers.get("content-encoding") == "gzip" else body
                if kept.status == 200:
                    kept.take(self.path, body)
                self.send_response(kept.status)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def take(self, path: str, body: bytes) -> None:
        if path == "/v1/traces":
            told = ExportTraceServiceRequest.FromString(body)
            self.spans += [span for one in told.resource_spans for scope in one.scope_spans for span in scope.spans]
        if path == "/v1/metrics":
            told = ExportMetricsServiceRequest.FromString(body)
            for one in (metric for found in told.resource_metrics for scope in found.scope_metrics for metric in scope.metrics):
                self.metrics[one.name] = [point.as_double for point in one.gauge.data_points]


@pytest.fixture
def collector():
    one = Collector()
    yield one
    one.server.shutdown()
    one.server.server_close()


@pytest.fixture
def telegraph(collector, services):
    reads = Reads(services.records, services.ledger)
    return Telegraph(
        Otlp(collector.url, version="1"),
        MemoryRecords(),
        reads,
        families=lambda: families(services, reads),
        requests=None,
        wall=lambda: NOW,
        now=lambda: NOW,
    )


def test_a_turn_that_has_ended_is_one_trace_with_a_span_for_each_step(telegraph, collector, services: SampleServices):
    reads = Reads(services.records, services.ledger)
    ended = [turn for turn in reads.turns(LOOP) if turn.ended_at is not None]
    assert telegraph.once() == len(collector.spans) > len(ended)
    roots = {span.span_id: span for span in collector.spans if not span.parent_span_id}
    assert len(roots) >= len(ended)
    parts = [span for span in collector.spans if span.parent_span_id]
    assert all(roots[span.parent_span_id].trace_id == span.trace_id for span in parts)
    root = next(span for span in roots.values() if span.name == f"turn {LOOP}")
    assert {one.key for one in root.attributes} >= {"noria.loop", "noria.turn", "noria.state"}
    newest: Turn = ended[0]
    assert any(span.start_time_unix_nano == round(newest.created_at.timestamp() * 1e3) * 1_000_000 for span in roots.values())


def test_it_is_told_once_and_again_only_until_it_has_arrived(telegraph, collector):
    collector.status = 400
    assert telegraph.once() == 0
    collector.status = 200
    first = telegraph.once()
    assert first > 0
    assert telegraph.once() == 0
    assert len(collector.spans) == first


def test_metrics_are_the_ones_that_prometheus_reads(telegraph, collector):
    telegraph.once()
    assert collector.metrics["noria_loops"] == [2.0]
    assert "noria_monitor_value" in collector.metrics


def test_a_collector_that_is_not_there_is_no_reason_to_fail(services):
    reads = Reads(services.records, services.ledger)
    nobody = Otlp("http://127.0.0.1:9", version="1")
    gone = Telegraph(
        nobody, MemoryRecords(), reads, families=lambda: families(services, reads), requests=None, wall=lambda: NOW, now=lambda: NOW
    )
    assert gone.once() == 0


def test_a_sample_is_the_same_wherever_it_is_asked_and_as_large_as_it_says():
    ids = [f"r{n}" for n in range(20_000)]
    found = [sampled(id, 0.1) for id in ids]
    assert found == [sampled(id, 0.1) for id in ids]
    assert 1_800 < sum(found) < 2_200
    assert not any(sampled(id, 0.0) for id in ids) and all(sampled(id, 1.0) for id in ids)
