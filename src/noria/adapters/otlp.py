"""Telemetry over OTLP/HTTP, by the OpenTelemetry SDK's own exporters."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime

from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.metrics.export import Gauge as SdkGauge
from opentelemetry.sdk.metrics.export import Metric, MetricExportResult, MetricsData, NumberDataPoint, ResourceMetrics, ScopeMetrics
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags

from noria.core.telemetry import Gauge, Span

TIMEOUT_S = 5.0
logger = logging.getLogger("noria.telemetry")


class Otlp:
    """One collector: traces go to `<endpoint>/v1/traces`, metrics to `<endpoint>/v1/metrics`.

    Headers (a key, say) are read from the standard `OTEL_EXPORTER_OTLP_HEADERS`.
    """

    def __init__(self, endpoint: str, *, version: str) -> None:
        base = endpoint.rstrip("/")
        self._resource = Resource({"service.name": "noria", "service.version": version})
        self._scope = InstrumentationScope("noria", version)
        self._traces = OTLPSpanExporter(endpoint=f"{base}/v1/traces", timeout=TIMEOUT_S)
        self._metrics = OTLPMetricExporter(endpoint=f"{base}/v1/metrics", timeout=TIMEOUT_S)

    def spans(self, spans: Sequence[Span]) -> bool:
        """Send traces."""
        try:
            return self._traces.export([self._span(one) for one in spans]) is SpanExportResult.SUCCESS
        except Exception:
            logger.warning("traces were not taken", exc_info=True)
            return False

    def gauges(self, gauges: Sequence[Gauge]) -> bool:
        """Send metrics."""
        by_name: dict[str, list[Gauge]] = {}
        for one in gauges:
            by_name.setdefault(one.name, []).append(one)
        metrics = [
            Metric(name=name, description=several[0].text, unit=None, data=SdkGauge(data_points=[_point(one) for one in several]))
            for name, several in by_name.items()
        ]
        data = MetricsData(resource_metrics=[
            ResourceMetrics(
                resource=self._resource,
                scope_metrics=[ScopeMetrics(scope=self._scope, metrics=metrics, schema_url="")],
                schema_url="",
            )
        ])  # fmt: skip
        try:
            return self._metrics.export(data) is MetricExportResult.SUCCESS
        except Exception:
            logger.warning("metrics were not taken", exc_info=True)
            return False

    def _span(self, one: Span) -> ReadableSpan:
        return ReadableSpan(
            name=one.name,
            context=_context(one.trace, one.id),
            parent=_context(one.trace, one.parent) if one.parent else None,
            resource=self._resource,
            attributes=dict(one.attributes),
            kind=SpanKind.SERVER if one.name.startswith("predict ") else SpanKind.INTERNAL,
            status=Status(StatusCode.ERROR, one.failed) if one.failed else Status(StatusCode.OK),
            start_time=_ns(one.start),
            end_time=_ns(one.end),
            instrumentation_scope=self._scope,
        )


def _context(trace: str, span: str) -> SpanContext:
    return SpanContext(trace_id=int(trace, 16), span_id=int(span, 16), is_remote=False, trace_flags=TraceFlags(TraceFlags.SAMPLED))


def _point(one: Gauge) -> NumberDataPoint:
    return NumberDataPoint(attributes=dict(one.attributes), start_time_unix_nano=0, time_unix_nano=_ns(one.at), value=one.value)


def _ns(moment: datetime) -> int:
    return round(moment.timestamp() * 1e6) * 1_000
