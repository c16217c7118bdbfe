"""Numbers as Prometheus reads them; collected when asked for, so that requests pay nothing."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from noria.dataplane.numbers import Answers, Numbers
from noria.stages.serving.tallies import LATENCY_BOUNDS_US

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_BY_VERSION = ["deployment", "version", "role"]
_BY_PROCESS = ["deployment", "version", "why"]


def text(numbers: Numbers) -> bytes:
    """All metrics in Prometheus' text format."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Told(numbers))
    return generate_latest(registry)


class _Told(Collector):
    """Numbers as metric families."""

    def __init__(self, numbers: Numbers) -> None:
        self._numbers = numbers

    def collect(self) -> Iterator[Metric]:
        """The families, as `prometheus_client` asks for them."""
        numbers = self._numbers
        for name, value in numbers.counters.items():
            yield CounterMetricFamily(f"noria_rows_{name}", f"Rows counted as {name.replace('_', ' ')}.", value=value)
        yield from self._by_version()
        restarts = CounterMetricFamily("noria_model_restarts", "Times a model's process was started again.", labels=_BY_PROCESS)
        for (deployment, version, why), count in numbers.restarts.items():
            restarts.add_metric([deployment, str(version), why], count)
        workers = CounterMetricFamily("noria_worker_restarts", "Times a worker was started again.", labels=["why"])
        for why, count in numbers.worker_restarts.items():
            workers.add_metric([why], count)
        yield from (restarts, workers)
        yield GaugeMetricFamily("noria_workers", "Processes that answer on the port.", value=numbers.workers)
        yield GaugeMetricFamily("noria_requests_in_flight", "HTTP requests under way.", value=numbers.in_flight)
        yield CounterMetricFamily("noria_cpu_seconds", "CPU that these processes used.", value=numbers.cpu_s)
        yield GaugeMetricFamily("noria_plan_revision", "Revision of the routing plan at work.", value=numbers.revision or 0)
        yield GaugeMetricFamily("noria_problems", "Things that do not work now; /plan names them.", value=len(numbers.problems))

    def _by_version(self) -> Iterator[Metric]:
        answers = CounterMetricFamily("noria_predictions", "Answers computed.", labels=_BY_VERSION)
        failures = CounterMetricFamily("noria_prediction_failures", "Rows that a version failed on.", labels=_BY_VERSION)
        latency = HistogramMetricFamily("noria_prediction_latency_seconds", "From arrival to the answer.", labels=_BY_VERSION)
        for (deployment, version, role), tally in self._numbers.answers.items():
            labels = [deployment, str(version), role]
            answers.add_metric(labels, tally.answered)
            failures.add_metric(labels, tally.failed)
            latency.add_metric(labels, _buckets(tally), tally.latency_us / 1e6)
        yield from (answers, failures, latency)


def _buckets(tally: Answers) -> list[tuple[str, float]]:
    reached, found = 0, []
    for bound, count in zip((*(str(us / 1e6) for us in LATENCY_BOUNDS_US), "+Inf"), tally.buckets, strict=True):
        reached += count
        found.append((bound, float(reached)))
    return found
