"""Gathers alerts that belong together into one incident, and says whether a person must look.

Alerts of one kind of trouble share an incident: *data* (features drift or go missing), *model*
(its quality falls, its answers drift) and *freshness*. An incident is a "page" when

- realised quality has fallen, since that is harm itself; or
- the data that the model leans on has changed: the firing features together carry at least
  `min_share` of its importance.

Anything less is a "notice", and features that carry next to nothing open no incident at all.
Seasons move some feature of many on most days; the model minds when they are the ones it uses.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from noria.core.watching import Incident, MonitorPhase, MonitorState, Reading
from noria.stages.monitoring.states import ALERTING

PAGE, NOTICE = "page", "notice"

TROUBLES: Mapping[str, tuple[str, ...]] = {
    "data": ("drift", "missing"),
    "model": ("quality", "prediction-drift"),
    "freshness": ("freshness",),
}

PAGE_SHARE = 0.15
"""Share of the model's importance that must have changed before a person is called."""

NOTICE_SHARE = 0.05
"""Share below which a changed feature is not worth an incident."""

_NAMED = 3


def update(
    open_incidents: Sequence[Incident],
    states: Sequence[MonitorState],
    readings: Sequence[Reading],
    *,
    loop: str,
    at: datetime,
    importance: Mapping[str, float],
    new_id: Callable[[], str],
    min_share: float = PAGE_SHARE,
) -> list[Incident]:
    """Open, widen and close incidents after a pass of the monitors; returns those that changed.

    Args:
        open_incidents: The loop's open incidents.
        states: All monitor states of the loop, after this pass.
        readings: This pass's readings.
        importance: Feature to its share of the model's importance. When empty, all count alike.
        min_share: Importance that the firing features need together for a page.
    """
    changed = []
    weights = _weights(importance, states)
    latest = {f"{reading.monitor}:{reading.subject}": reading for reading in readings}
    for monitors in TROUBLES.values():
        known = next((one for one in open_incidents if one.subjects and one.subjects[0].split(":")[0] in monitors), None)
        alerting = [state for state in states if state.monitor in monitors and state.phase in ALERTING]
        if known is None:
            found = _opened(alerting, latest, weights, loop=loop, at=at, new_id=new_id, min_share=min_share)
        elif alerting:
            found = _widened(known, alerting, latest, weights, min_share=min_share)
        else:
            found = replace(known, closed_at=at, closed_because="all its monitors are well again")
        if found is not None and found != known:
            changed.append(found)
    return changed


def _opened(
    alerting: Sequence[MonitorState],
    latest: Mapping[str, Reading],
    weights: Mapping[str, float],
    *,
    loop: str,
    at: datetime,
    new_id: Callable[[], str],
    min_share: float,
) -> Incident | None:
    firing = [state for state in alerting if state.phase is MonitorPhase.FIRING]
    severity = _severity(firing, weights, min_share)
    if not severity:
        return None
    subjects = _ranked([_name(state) for state in firing], latest, weights)
    return Incident(
        id=new_id(),
        loop=loop,
        severity=severity,
        title=_title(subjects),
        cause=_cause(subjects, latest),
        subjects=subjects,
        opened_at=at,
        numbers=_numbers(subjects, latest),
    )


def _widened(
    known: Incident, alerting: Sequence[MonitorState], latest: Mapping[str, Reading], weights: Mapping[str, float], *, min_share: float
) -> Incident:
    firing = [state for state in alerting if state.phase is MonitorPhase.FIRING]
    joined = [name for name in map(_name, firing) if name not in known.subjects]
    graver = known.severity != PAGE and _severity(firing, weights, min_share) == PAGE
    if not joined and not graver:
        return known
    subjects = _ranked([*known.subjects, *joined], latest, weights)
    return replace(
        known,
        severity=PAGE if graver else known.severity,
        title=_title(subjects),
        cause=_cause(subjects, latest) or known.cause,
        subjects=subjects,
        numbers={**known.numbers, **_numbers(subjects, latest)},
    )


def _severity(firing: Sequence[MonitorState], weights: Mapping[str, float], min_share: float) -> str:
    monitors = {state.monitor for state in firing}
    if "quality" in monitors:
        return PAGE
    if monitors & {"prediction-drift", "freshness"}:
        return NOTICE
    share = sum(weights.get(feature, 0.0) for feature in {state.subject for state in firing})
    return PAGE if share >= min_share else NOTICE if share >= min(NOTICE_SHARE, min_share) and firing else ""


def _weights(importance: Mapping[str, float], states: Sequence[MonitorState]) -> Mapping[str, float]:
    total = sum(importance.values())
    if total > 0:
        return {feature: share / total for feature, share in importance.items()}
    features = {state.subject for state in states if state.monitor in TROUBLES["data"]}
    return dict.fromkeys(features, 1 / len(features)) if features else {}


def _name(state: MonitorState) -> str:
    return f"{state.monitor}:{state.subject}"


def _ranked(names: Sequence[str], latest: Mapping[str, Reading], weights: Mapping[str, float]) -> tuple[str, ...]:
    def rank(name: str) -> float:
        effect = latest[name].effect if name in latest else 0.0
        return (1 + max(effect, 0.0)) * weights.get(name.partition(":")[2], 1.0)

    return tuple(sorted(names, key=rank, reverse=True))


def _title(subjects: Sequence[str]) -> str:
    told = []
    for monitor, verb in (
        ("quality", "fell"),
        ("missing", "went missing"),
        ("drift", "drifted"),
        ("prediction-drift", "answers drifted"),
        ("freshness", "is old"),
    ):
        names = [name.partition(":")[2] for name in subjects if name.startswith(f"{monitor}:")]
        if monitor == "prediction-drift":
            told += ["the model's answers drifted"] if names else []
        elif names:
            told.append(f"{_listed(names)} {verb}")
    return "; ".join(told)


def _listed(names: Sequence[str]) -> str:
    if len(names) <= _NAMED:
        return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else names[0]
    return f"{', '.join(names[:_NAMED])} and {len(names) - _NAMED} more"


def _cause(subjects: Sequence[str], latest: Mapping[str, Reading]) -> str:
    notes = [(name.partition(":")[2], latest[name].note) for name in subjects if name in latest and latest[name].note]
    return "; ".join(f"{subject}: {note}" for subject, note in notes[:_NAMED])


def _numbers(subjects: Sequence[str], latest: Mapping[str, Reading]) -> dict[str, float]:
    return {name: round(latest[name].value, 6) for name in subjects if name in latest}
