"""Prometheus metrics, read from the records at each scrape: nothing is counted twice or lost at a restart."""

from __future__ import annotations

from collections.abc import Iterator

from fastapi import APIRouter
from fastapi.responses import Response
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric

from noria.core.state import LoopState
from noria.core.watching import MonitorPhase
from noria.server.reads import Reads

PHASES = ("newborn", "serving", "turning", "rolling-out", "waiting-for-approval")


class LoopCollector:
    """Turns the state of all loops into metric families, one scrape at a time."""

    def __init__(self, reads: Reads) -> None:
        self._reads = reads

    def collect(self) -> Iterator[Metric]:
        """Yield every family once."""
        loops = self._reads.loops()
        yield _family("noria_loops", "Loops declared.", [], [([], len(loops))])
        yield _family("noria_loop_phase", "1 for the phase that a loop is in.", ["loop", "phase"], _phases(loops))
        yield _family("noria_loop_champion_version", "Version that answers users.", ["loop"], _champions(loops))
        yield _family("noria_loop_paused", "1 when automatic turns are stopped.", ["loop"], [([s.name], s.paused) for s in loops])
        yield _family("noria_incidents_open", "Open incidents.", ["loop"], [([s.name], self._open(s)) for s in loops])
        yield _family("noria_monitors_firing", "Monitors that fire.", ["loop"], [([s.name], self._firing(s)) for s in loops])
        yield _family("noria_requests_recent", "Requests in the newest traffic bucket.", ["loop", "version"], self._requests(loops))
        yield _family("noria_latency_p99_seconds", "99th percentile of the newest traffic bucket.", ["loop"], self._latency(loops))

    def _open(self, loop: LoopState) -> float:
        return len(self._reads.incidents(loop.name, state="open"))

    def _firing(self, loop: LoopState) -> float:
        return sum(monitor.phase is MonitorPhase.FIRING for monitor in self._reads.monitors(loop.name))

    def _requests(self, loops: list[LoopState]) -> list[tuple[list[str], float]]:
        newest = [(loop.name, point) for loop in loops for point in self._reads.traffic(loop.name, limit=1)]
        return [([name, version], count) for name, point in newest for version, count in point.requests.items()]

    def _latency(self, loops: list[LoopState]) -> list[tuple[list[str], float]]:
        return [([loop.name], point.latency_p99_us / 1e6) for loop in loops for point in self._reads.traffic(loop.name, limit=1)]


def metrics_router(reads: Reads) -> APIRouter:
    """`GET /metrics` in the Prometheus text format."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(LoopCollector(reads))
    router = APIRouter()

    @router.get("/metrics", include_in_schema=False)
    def metrics() -> Response:
        return Response(generate_latest(registry), media_type="text/plain; version=0.0.4; charset=utf-8")

    return router


def _family(name: str, text: str, labels: list[str], samples: list[tuple[list[str], float]]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, text, labels=labels)
    for values, value in samples:
        family.add_metric(values, value)
    return family


def _phases(loops: list[LoopState]) -> list[tuple[list[str], float]]:
    return [([loop.name, phase], float(loop.phase == phase)) for loop in loops for phase in PHASES]


def _champions(loops: list[LoopState]) -> list[tuple[list[str], float]]:
    return [([loop.name], loop.champion) for loop in loops if loop.champion is not None]
