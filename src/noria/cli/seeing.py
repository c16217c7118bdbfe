"""Reads a loop's records into what the live view draws."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from noria.cli.live_state import STATIONS, DriftBar, Happening, LiveState, QualityPoint
from noria.cli.replaying import Progress
from noria.core.moments import from_ms, to_ms
from noria.core.registry import ModelVersion
from noria.core.state import LoopState, TrafficPoint
from noria.core.turning import Event, Rollout, Step, StepState, Turn
from noria.core.watching import DriftReference, Incident, MonitorPhase, MonitorState, Reading
from noria.ledger.why import headline
from noria.loop.planning import open_rollout
from noria.loop.world import World
from noria.ports import wire

QUALITY_POINTS = 400
LINES = 40
POINTS = 144
DRIFT_READINGS = 2_000
STATION_OF = {
    "probing": "evaluation",
    "policy": "monitoring",
    "told": "evaluation",
    "approval": "governance",
    "approved": "governance",
    "rollout": "serving",
}
TONES = {
    "incident.opened": "bad",
    "rollout.rolled-back": "bad",
    "turn.failed": "bad",
    "turn.refused": "warn",
    "policy.declined": "warn",
    "drill.armed": "warn",
    "rollout.promoted": "good",
    "alias.moved": "good",
    "incident.closed": "good",
}
QUIET = ("features.assembled", "recipe.found", "candidate.trained", "loop.declared")


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What the monitors have measured: readings, ready to draw."""

    quality: list[QualityPoint]
    reference: float
    limit: float
    drift: list[DriftBar]


@dataclass(slots=True)
class Seer:
    """Sees one loop again and again; what monitors measured is read anew only when they have looked again."""

    world: World
    loop: str
    where: dict[str, str]
    _measured_for: tuple[datetime | None, int | None] | None = None
    _measured: Measured | None = None

    def see(self, progress: Progress | None = None) -> LiveState:
        """The loop as it is at this moment."""
        documents = self.world.documents
        state = documents.get(LoopState, self.loop)
        turns = documents.find(Turn, where={"loop": self.loop}, newest_first=True, limit=1)
        turn = turns[0] if turns and turns[0].state == "open" else None
        rollout = open_rollout(documents, self.loop)
        step = _under_way(self.world, turn)
        measured = self._measure(state)
        station = STATION_OF.get(step.name, step.name) if step else ""
        shown = LiveState(
            loop=self.loop,
            now=progress.now if progress and progress.now else self.world.clock.now(),
            station=station if station in STATIONS else "",
            station_note=step.note if step else "",
            turn=f"turn {turn.number}, on a {turn.signal.cause} signal: {turn.signal.reason}" if turn else "",
            champion=state.champion if state else None,
            challenger=rollout.challenger if rollout else None,
            share=rollout.share if rollout else 0.0,
            rollout=_rollout_words(rollout),
            quality_metric=state.quality_metric if state else "",
            quality=measured.quality,
            reference=measured.reference,
            limit=measured.limit,
            drift=measured.drift,
            incidents=[incident.title for incident in documents.find(Incident, where={"loop": self.loop, "state": "open"})],
            happenings=_happenings(self.world, self.loop),
            decision=state.last_decision if state else "",
            next_action=state.next_action if state else "",
            page=self.where["server"],
        )
        _count_traffic(shown, documents.find(TrafficPoint, where={"loop": self.loop}, newest_first=True, limit=1 if progress else POINTS))
        if progress is not None:
            _count(shown, progress)
        return shown

    def _measure(self, state: LoopState | None) -> Measured:
        place = (state.watched_until, state.champion) if state else (None, None)
        if self._measured is None or place != self._measured_for:
            points, reference, limit = _quality(self.world, state)
            self._measured = Measured(quality=points, reference=reference, limit=limit, drift=_drift(self.world, self.loop))
            self._measured_for = place
        return self._measured


def _count_traffic(shown: LiveState, points: Sequence[TrafficPoint]) -> None:
    """What the prediction log tells; where a replay runs, its own count follows, which also knows what got no answer."""
    if points:
        shown.requests, shown.outcomes = sum(sum(point.requests.values()) for point in points), sum(point.outcomes for point in points)
        shown.failed, shown.fallbacks = sum(point.failed for point in points), sum(point.fallbacks for point in points)
        shown.latency_p50_ms, shown.latency_p99_ms = points[0].latency_p50_us / 1000, points[0].latency_p99_us / 1000


def _count(shown: LiveState, progress: Progress) -> None:
    shown.start, shown.end = progress.start, progress.end
    shown.requests, shown.failed = progress.requests, progress.failed
    shown.fallbacks, shown.outcomes = progress.fallbacks, progress.outcomes
    shown.elapsed_s = progress.seconds
    if progress.seconds and progress.start and progress.now:
        shown.rate = progress.requests / progress.seconds
        shown.speed = (progress.now - progress.start).total_seconds() / progress.seconds


def _under_way(world: World, turn: Turn | None) -> Step | None:
    if turn is None:
        return None
    going = [step for step in world.engine.steps(turn.id) if step.state in (StepState.RUNNING, StepState.WAITING)]
    return going[-1] if going else None


def _rollout_words(rollout: Rollout | None) -> str:
    if rollout is None:
        return ""
    return f"{rollout.place} · {rollout.reason}"


def _quality(world: World, state: LoopState | None) -> tuple[list[QualityPoint], float, float]:
    if state is None or not state.quality_metric:
        return [], float("nan"), float("nan")
    where = {"loop": state.name, "monitor": "quality", "subject": state.quality_metric}
    readings = world.documents.find(Reading, where=where, newest_first=True, limit=QUALITY_POINTS)[::-1]
    points = [QualityPoint(value=r.value, low=r.low, high=r.high) for r in readings if r.value == r.value]
    limit = readings[-1].threshold if readings else float("nan")
    return points, _reference(world, state), limit


def _reference(world: World, state: LoopState) -> float:
    if state.champion is None:
        return float("nan")
    version = world.documents.get(ModelVersion, f"{state.name}@{state.champion:06d}")
    if version is None:
        return float("nan")
    return wire.load(world.blobs.read(version.reference), DriftReference).quality.get(state.quality_metric, float("nan"))


def _drift(world: World, loop: str) -> list[DriftBar]:
    firing = {
        state.subject
        for state in world.documents.find(MonitorState, where={"loop": loop})
        if state.monitor in ("drift", "prediction-drift") and state.phase is MonitorPhase.FIRING
    }
    readings = world.documents.find(Reading, where={"loop": loop, "monitor": "drift"}, newest_first=True, limit=DRIFT_READINGS)
    newest: dict[str, Reading] = {}
    for reading in readings:
        if reading.subject not in newest or newest[reading.subject].time < reading.time:
            newest[reading.subject] = reading
    bars = [
        DriftBar(name=r.subject, value=r.value, threshold=r.threshold, firing=r.subject in firing)
        for r in sorted(newest.values(), key=lambda r: -r.effect)
        if r.value == r.value
    ]
    return bars[:6]


def _happenings(world: World, loop: str) -> list[Happening]:
    return [_happening(event) for event in world.ledger.events(loop=loop, limit=LINES, newest_first=True)[::-1]]


def _happening(event: Event) -> Happening:
    return Happening(
        id=event.id,
        at=_plain(event.at),
        kind=event.kind,
        text=headline(event),
        tone="quiet" if event.kind in QUIET else TONES.get(event.kind, "plain"),
        important=event.kind not in QUIET,
    )


def _plain(moment: datetime) -> datetime:
    return from_ms(to_ms(moment))
