"""The desk's counters as Prometheus reads them; collected when asked for, so that requests pay nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from noria.stages.serving.desk import Desk
from noria.stages.serving.tallies import LATENCY_BOUNDS_US, Tally

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_BY_VERSION = ["deployment", "version", "role"]


class DeskMetrics:
    """A collector over one desk, with a registry of its own."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self)

    def text(self) -> bytes:
        """All metrics in Prometheus' text format."""
        return generate_latest(self._registry)

    def collect(self) -> Iterator[Metric]:
        """The families, as `prometheus_client` asks for them."""
        for name, value in asdict(self._desk.counters()).items():
            yield CounterMetricFamily(f"noria_rows_{name}", f"Rows counted as {name.replace('_', ' ')} by this process.", value=value)
        yield from self._by_version()
        yield GaugeMetricFamily("noria_plan_revision", "Revision of the routing plan at work.", value=self._desk.revision or 0)
        yield GaugeMetricFamily("noria_problems", "Things that do not work now; /plan names them.", value=len(self._desk.problems()))

    def _by_version(self) -> Iterator[Metric]:
        answers = CounterMetricFamily("noria_predictions", "Answers computed.", labels=_BY_VERSION)
        failures = CounterMetricFamily("noria_prediction_failures", "Rows that a version failed on.", labels=_BY_VERSION)
        latency = HistogramMetricFamily("noria_prediction_latency_seconds", "From arrival to the answer.", labels=_BY_VERSION)
        for (deployment, version, role), tally in list(self._desk.tallies.items()):
            labels = [deployment, str(version), str(role)]
            answers.add_metric(labels, tally.answered)
            failures.add_metric(labels, tally.failed)
            latency.add_metric(labels, _buckets(tally), tally.latency_us / 1e6)
        yield from (answers, failures, latency)


def _buckets(tally: Tally) -> list[tuple[str, float]]:
    reached, found = 0, []
    for bound, count in zip((*(str(us / 1e6) for us in LATENCY_BOUNDS_US), "+Inf"), tally.buckets, strict=True):
        reached += count
        found.append((bound, float(reached)))
    return found
