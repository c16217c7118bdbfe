"""The ring of nine stations as the home page draws it: where each station sits, what it says, which one works."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from noria.core.registry import ModelVersion
from noria.core.state import LoopState, TrafficPoint
from noria.core.turning import Rollout, Step, StepState, Turn
from noria.core.watching import Incident, MonitorPhase
from noria.drawing.words import NONE, metric, number, percent, size, words
from noria.server.reads import Reads

STATIONS = ("data", "features", "tuning", "training", "evaluation", "governance", "registry", "serving", "monitoring")

WORK: dict[str, str] = {
    "data": "data snapshot dataset expect take",
    "features": "feature join assemble leak",
    "tuning": "tun",
    "training": "train package fit work workshop job code famil",
    "evaluation": "eval scor compare told",
    "governance": "judge gate verdict approv govern",
    "registry": "regist alias",
    "serving": "rollout shadow canary deploy serv promot route plan",
    "monitoring": "watch monitor refer",
}
"""Station to beginnings of the step names that happen in it."""

CENTRE_X, CENTRE_Y, RADIUS, LABEL_RADIUS = 380.0, 262.0, 172.0, 206.0

DETAIL_LENGTH = 38
"""Characters that fit into the ring on one line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Station:
    """One station on the ring.

    Attributes:
        state: "done", "working", "failed" or "ahead".
        anchor: SVG text-anchor of its label.
    """

    name: str
    value: str
    note: str
    state: str
    x: float
    y: float
    label_x: float
    label_y: float
    anchor: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Wheel:
    """The ring with its centre; `done` is the share of the circle that lies behind the current turn, `detail` what its step says."""

    stations: tuple[Station, ...]
    turning: bool
    done: float
    headline: str
    subline: str
    detail: str
    current: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Glance:
    """What is read once to fill the ring of one loop."""

    loop: LoopState
    turn: Turn | None
    steps: tuple[Step, ...]
    version: ModelVersion | None
    rows: int | None
    rollout: Rollout | None
    traffic: tuple[TrafficPoint, ...]
    incidents: tuple[Incident, ...]
    firing: int


def glance(reads: Reads, loop: LoopState) -> Glance:
    """Read what the ring of a loop shows."""
    turn = next(iter(reads.turns(loop.name, limit=1)), None)
    versions = reads.versions(loop.name, limit=1)
    version = reads.version(loop.name, loop.champion) if loop.champion else next(iter(versions), None)
    dataset = reads.dataset_of(version) if version else None
    rollout = next(iter(reads.rollouts(loop.name, limit=1)), None)
    return Glance(
        loop=loop,
        turn=turn,
        steps=tuple(reads.steps(turn.id)) if turn else (),
        version=version,
        rows=dataset.rows if dataset else None,
        rollout=rollout if rollout and rollout.ended_at is None else None,
        traffic=tuple(reads.traffic(loop.name)),
        incidents=tuple(reads.incidents(loop.name, state="open")),
        firing=sum(monitor.phase is MonitorPhase.FIRING for monitor in reads.monitors(loop.name)),
    )


def station_of(step: str) -> str:
    """The station in which a step happens; training when its name says nothing."""
    name = step.lower()
    return next((station for station, begins in WORK.items() if any(name.startswith(word) for word in begins.split())), "training")


def wheel(seen: Glance) -> Wheel:
    """Place the stations and say where the turn is."""
    turning = seen.turn is not None and seen.turn.ended_at is None
    current = _current(seen, turning)
    values = _values(seen)
    at = STATIONS.index(current) if current else -1
    failed = bool(seen.steps) and seen.steps[-1].state is StepState.FAILED
    stations = tuple(
        _placed(k, name, *values[name], state=_state(k, at, turning=turning, failed=failed, born=seen.version is not None or turning))
        for k, name in enumerate(STATIONS)
    )
    headline = f"Turn {seen.turn.number}" if seen.turn and turning else (f"v{seen.loop.champion}" if seen.loop.champion else "Newborn")
    subline = words(seen.loop.phase)
    done = at / len(STATIONS) if turning else (1.0 if seen.version else 0.0)
    detail = seen.steps[-1].note if turning and seen.steps else ""
    detail = detail if len(detail) <= DETAIL_LENGTH else detail[: DETAIL_LENGTH - 1] + "…"
    return Wheel(stations=stations, turning=turning, done=done, headline=headline, subline=subline, detail=detail, current=current)


def _current(seen: Glance, turning: bool) -> str:
    if not turning:
        return "monitoring" if seen.version else ""
    step = seen.steps[-1].name if seen.steps else (seen.turn.step if seen.turn else "")
    return station_of(step) if step else "data"


def _state(place: int, at: int, *, turning: bool, failed: bool, born: bool) -> str:
    if not born:
        return "ahead"
    if place == at:
        return "failed" if failed and turning else "working"
    return "done" if place < at or not turning else "ahead"


def _placed(place: int, name: str, value: str, note: str, *, state: str) -> Station:
    angle = 2 * math.pi * place / len(STATIONS) - math.pi / 2
    cos, sin = math.cos(angle), math.sin(angle)
    anchor = "start" if cos > 0.2 else "end" if cos < -0.2 else "middle"
    label_y = CENTRE_Y + LABEL_RADIUS * sin + (-26 if sin < -0.9 else 10 if sin > 0.9 else -12)
    return Station(
        name=name,
        value=value,
        note=note,
        state=state,
        x=round(CENTRE_X + RADIUS * cos, 1),
        y=round(CENTRE_Y + RADIUS * sin, 1),
        label_x=round(CENTRE_X + LABEL_RADIUS * cos, 1),
        label_y=round(label_y, 1),
        anchor=anchor,
    )


def _values(seen: Glance) -> dict[str, tuple[str, str]]:
    """What each station says: a value, and a note under it."""
    said: dict[str, tuple[str, str]] = dict.fromkeys(STATIONS, (NONE, ""))
    said |= _of_version(seen.version, seen.loop) if seen.version else {}
    if seen.rows is not None:
        said["data"] = (number(seen.rows), "rows")
    requests = sum(sum(point.requests.values()) for point in seen.traffic)
    said["serving"] = (number(requests), _serving(seen)) if requests else (NONE, "")
    open_now = len(seen.incidents)
    firing = f"{seen.firing} monitor{'s' if seen.firing > 1 else ''} firing" if seen.firing else ""
    said["monitoring"] = (f"{open_now} open", firing or "incidents") if open_now else ("calm", firing or "no incident")
    return said


def _of_version(version: ModelVersion, loop: LoopState) -> dict[str, tuple[str, str]]:
    candidate, card = version.candidate, version.scorecard
    name = loop.quality_metric if loop.quality_metric in card.metrics else next(iter(card.metrics), "")
    mark = card.metrics.get(name)
    passed = sum(result.outcome == "pass" for result in version.verdict.results)
    return {
        "features": (str(len(candidate.signature.features)), "features"),
        "tuning": (str(len(candidate.recipe.trials)), "trials") if candidate.recipe.trials else ("fixed", "parameters"),
        "training": (candidate.format, size(candidate.size_bytes)),
        "evaluation": (metric(mark.value), f"{name} ± {(mark.high - mark.low) / 2:.4f}") if mark else (NONE, ""),
        "governance": (words(version.verdict.outcome), f"{passed} of {len(version.verdict.results)} gates"),
        "registry": (f"v{version.number}", "champion" if loop.champion == version.number else "newest version"),
    }


def _serving(seen: Glance) -> str:
    if seen.rollout:
        return (
            f"v{seen.rollout.challenger} at {percent(seen.rollout.share)}"
            if seen.rollout.share
            else f"v{seen.rollout.challenger} in shadow"
        )
    return "requests"


def as_text(ring: Wheel) -> str:
    """The ring in one sentence, for those who do not see it."""
    return f"{ring.headline}, {ring.subline}. " + "; ".join(f"{s.name}: {s.value} {s.note}".strip() for s in ring.stations)


def needs_person(seen: Glance) -> list[dict[str, Any]]:
    """What waits for a human: approvals, failures, open incidents, a paused loop."""
    wanted: list[dict[str, Any]] = []
    if seen.turn and seen.loop.phase == "waiting-for-approval":
        wanted.append({"kind": "approval", "turn": seen.turn})
    if seen.turn and seen.turn.state == "failed":
        wanted.append({"kind": "failed", "turn": seen.turn})
    if seen.loop.paused:
        wanted.append({"kind": "paused"})
    return wanted + [{"kind": "incident", "incident": one} for one in seen.incidents]
