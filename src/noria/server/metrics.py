"""Prometheus metrics, read from the records at each scrape: nothing is counted twice or lost at a restart."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from math import isfinite

from fastapi import APIRouter
from fastapi.responses import Response
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric

from noria.core.rights import Right
from noria.core.state import LoopState
from noria.core.watching import Level, MonitorPhase, Reading
from noria.server.reads import Reads
from noria.server.rights import needs
from noria.server.services import Services

NEWEST = 1_000
"""Readings of one loop that are looked through for the newest of each monitor."""

ALERTING = (MonitorPhase.FIRING, MonitorPhase.RECOVERING)
PHASES = ("newborn", "serving", "turning", "rolling-out", "waiting-for-approval")


def families(services: Services, reads: Reads) -> list[Metric]:
    """Every family with its samples, as they are now."""
    return list(LoopCollector(reads, services.clock.now).collect())


class LoopCollector:
    """Turns the state of all loops into metric families, one scrape at a time."""

    def __init__(self, reads: Reads, now: Callable[[], datetime]) -> None:
        self._reads = reads
        self._now = now

    def collect(self) -> Iterator[Metric]:
        """Yield every family once."""
        loops = self._reads.loops()
        yield _family("noria_loops", "Loops declared.", [], [([], len(loops))])
        yield _family("noria_loop_phase", "1 for the phase that a loop is in.", ["loop", "phase"], _phases(loops))
        yield _family("noria_loop_champion_version", "Version that answers users.", ["loop"], _champions(loops))
        yield _family("noria_loop_paused", "1 when automatic turns are stopped.", ["loop"], [([s.name], s.paused) for s in loops])
        yield _family("noria_incidents_open", "Open incidents.", ["loop"], [([s.name], self._open(s)) for s in loops])
        yield _family("noria_monitors_firing", "Monitors that fire.", ["loop"], [([s.name], self._firing(s)) for s in loops])
        yield _family("noria_pages_open", "Open incidents that call a person.", ["loop"], [([s.name], self._pages(s)) for s in loops])
        yield _family("noria_rollout_share", "Share of traffic that a challenger is given.", ["loop", "challenger"], self._shares(loops))
        yield _family("noria_event_time_seconds", "Event time, in seconds since 1970.", [], [([], self._now().timestamp())])
        yield _family("noria_watched_until_seconds", "Event time up to which monitors have looked.", ["loop"], _watched(loops))
        yield from self._monitors(loops)
        yield _family("noria_requests_recent", "Requests in the newest traffic bucket.", ["loop", "version"], self._requests(loops))
        yield _family("noria_latency_p99_seconds", "99th percentile of the newest traffic bucket.", ["loop"], self._latency(loops))

    def _open(self, loop: LoopState) -> float:
        return len(self._reads.incidents(loop.name, state="open"))

    def _firing(self, loop: LoopState) -> float:
        return sum(monitor.phase is MonitorPhase.FIRING for monitor in self._reads.monitors(loop.name))

    def _pages(self, loop: LoopState) -> float:
        open_now = self._reads.incidents(loop.name, state="open")
        return sum(incident.severity == "page" and incident.trouble != "drill" for incident in open_now)

    def _shares(self, loops: list[LoopState]) -> list[tuple[list[str], float]]:
        newest = [(loop.name, rollout) for loop in loops for rollout in self._reads.rollouts(loop.name, limit=1)]
        return [([name, str(rollout.challenger)], rollout.share) for name, rollout in newest if rollout.ended_at is None]

    def _monitors(self, loops: list[LoopState]) -> Iterator[Metric]:
        """The newest reading of each monitor, and whether it fires."""
        names = ["loop", "monitor", "subject"]
        newest: dict[tuple[str, str, str], Reading] = {}
        for loop in loops:
            newest |= {(loop.name, one.monitor, one.subject): one for one in self._reads.readings(loop.name, limit=NEWEST)}
        known = [(list(place), one) for place, one in newest.items() if one.level is not Level.NOT_ENOUGH]
        yield _family("noria_monitor_value", "Newest reading of a monitor.", names, [(place, one.value) for place, one in known])
        limits = [(place, one.threshold) for place, one in known if isfinite(one.threshold)]
        yield _family("noria_monitor_limit", "What that reading is held against.", names, limits)
        firing = [([s.loop, s.monitor, s.subject], float(s.phase in ALERTING)) for loop in loops for s in self._reads.monitors(loop.name)]
        yield _family("noria_monitor_firing", "1 while a monitor alerts.", names, firing)

    def _requests(self, loops: list[LoopState]) -> list[tuple[list[str], float]]:
        newest = [(loop.name, point) for loop in loops for point in self._reads.traffic(loop.name, limit=1)]
        return [([name, version], count) for name, point in newest for version, count in point.requests.items()]

    def _latency(self, loops: list[LoopState]) -> list[tuple[list[str], float]]:
        return [([loop.name], point.latency_p99_us / 1e6) for loop in loops for point in self._reads.traffic(loop.name, limit=1)]


def metrics_router(services: Services, reads: Reads) -> APIRouter:
    """`GET /metrics` in the Prometheus text format."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(LoopCollector(reads, services.clock.now))
    router = APIRouter(dependencies=[needs(Right.VIEW)])

    @router.get("/metrics", include_in_schema=False)
    def metrics() -> Response:
        return Response(generate_latest(registry), media_type="text/plain; version=0.0.4; charset=utf-8")

    return router


def _family(name: str, text: str, labels: list[str], samples: list[tuple[list[str], float]]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, text, labels=labels)
    for values, value in samples:
        family.add_metric(values, value)
    return family


def _watched(loops: list[LoopState]) -> list[tuple[list[str], float]]:
    return [([loop.name], loop.watched_until.timestamp()) for loop in loops if loop.watched_until is not None]


def _phases(loops: list[LoopState]) -> list[tuple[list[str], float]]:
    return [([loop.name, phase], float(loop.phase == phase)) for loop in loops for phase in PHASES]


def _champions(loops: list[LoopState]) -> list[tuple[list[str], float]]:
    return [([loop.name], loop.champion) for loop in loops if loop.champion is not None]
