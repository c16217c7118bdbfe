"""Gathers alerts that belong together into one incident, and says whether a person must look.

Alerts of one trouble (see `alarms.ALARMS`) share an incident; those of features are parted by the
dataset that the features come from, since what is wrong with a feature is mostly wrong with its
source. While a whole dataset is late or still, what its features do is explained by that, and
nobody is told of them one by one. An incident is a "page" when

- realised quality has fallen, since that is harm itself; or
- the data that the model leans on has changed: the firing features together carry at least
  `min_share` of its importance. Where only those of several datasets together do, the gravest
  of their incidents is the page.

Anything less is a "notice", and features that carry next to nothing open no incident at all.
Seasons move some feature of many on most days; the model minds when they are the ones it uses.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from types import MappingProxyType

from noria.core.watching import Incident, MonitorPhase, MonitorState, Reading
from noria.stages.monitoring.alarms import ALARMS, NOTICE, PAGE, SHARE, alarm_of, title_of, trouble_of
from noria.stages.monitoring.states import ALERTING

__all__ = ["NOTICE", "PAGE", "update"]

PAGE_SHARE = 0.15
"""Share of the model's importance that must have changed before a person is called."""

NOTICE_SHARE = 0.05
"""Share below which a changed feature is not worth an incident."""

ANSWERS = MappingProxyType({"prediction": NOTICE_SHARE, "outcome": NOTICE_SHARE})
"""What is no feature, and weighs enough to be told of."""

_NAMED = 3

Group = tuple[str, str]
"""A trouble and, where it is about features, the dataset that they come from."""


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
    lineage: Mapping[str, str] | None = None,
    silent: Callable[[MonitorState], bool] = lambda state: False,
) -> list[Incident]:
    """Open, widen and close incidents after a pass of the monitors; returns those that changed.

    Args:
        open_incidents: The loop's open incidents.
        states: All monitor states of the loop, after this pass.
        readings: This pass's readings.
        importance: Feature to its share of the model's importance. When empty, all count alike.
        min_share: Importance that the firing features need together for a page.
        lineage: Feature to the dataset that it comes from; those that are not there are of one kin.
        silent: Monitors that shall open, widen and raise nothing now, and of a dataset what its features do neither;
            an incident that they are part of stays open.
    """
    pass_ = _Pass(
        loop=loop,
        at=at,
        weights=_weights(importance, states),
        latest={f"{reading.monitor}:{reading.subject}": reading for reading in readings},
        lineage=lineage or {},
        min_share=min_share,
    )
    known = {pass_.group_of(one): one for one in open_incidents if one.subjects}
    alerting: dict[Group, list[MonitorState]] = {group: [] for group in known}
    heard = pass_.heard([state for state in states if state.monitor in ALARMS and state.phase is MonitorPhase.FIRING], silent)
    for state in (state for state in states if state.monitor in ALARMS and state.phase in ALERTING):
        group = pass_.group(_name(state))
        if _name(state) in heard or (group in known and _name(state) in known[group].subjects):
            alerting.setdefault(group, []).append(state)
    severities = pass_.severities(alerting, heard)
    changed = []
    for group, members in alerting.items():
        before = known.get(group)
        if before is None:
            found = pass_.opened(group, members, severities[group], new_id)
        elif members:
            found = pass_.widened(before, members, severities[group])
        else:
            found = replace(before, closed_at=at, closed_because="all its monitors are well again")
        if found is not None and found != before:
            changed.append(found)
    return changed


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pass:
    """What one pass of the monitors knows."""

    loop: str
    at: datetime
    weights: Mapping[str, float]
    latest: Mapping[str, Reading]
    lineage: Mapping[str, str]
    min_share: float

    def group(self, name: str) -> Group:
        alarm = alarm_of(name)
        assert alarm is not None
        subject = name.partition(":")[2]
        if alarm.parent:
            return alarm.trouble, subject
        return alarm.trouble, self.lineage.get(subject, "") if alarm.grave == SHARE else ""

    def group_of(self, incident: Incident) -> Group:
        if incident.trouble:
            return incident.trouble, incident.source
        return self.group(incident.subjects[0]) if alarm_of(incident.subjects[0]) else (trouble_of(incident), "")

    def heard(self, firing: Sequence[MonitorState], silent: Callable[[MonitorState], bool]) -> frozenset[str]:
        """Those that may open, widen and raise incidents: neither silent, nor explained by a dataset that is."""
        known = {self.group(_name(state)) for state in firing if ALARMS[state.monitor].parent and silent(state)}
        told = (state for state in firing if not silent(state))
        return frozenset(_name(state) for state in told if ALARMS[state.monitor].parent or self.group(_name(state)) not in known)

    def severities(self, alerting: Mapping[Group, Sequence[MonitorState]], heard: frozenset[str]) -> dict[Group, str]:
        """How grave each group is; "" for one that is worth no incident."""
        firing = {group: [state for state in members if _name(state) in heard] for group, members in alerting.items()}
        alone = {state.subject for members in firing.values() for state in members if not self._explained(state)}
        shares = {group: self._share(members, alone) for group, members in firing.items()}
        found = {group: self._severity(members, shares[group]) for group, members in firing.items()}
        if sum(shares.values()) >= self.min_share and max(shares.values()) < self.min_share:
            found[max(shares, key=lambda group: shares[group])] = PAGE
        return found

    def opened(self, group: Group, members: Sequence[MonitorState], severity: str, new_id: Callable[[], str]) -> Incident | None:
        if not severity:
            return None
        firing = [_name(state) for state in members if state.phase is MonitorPhase.FIRING]
        blank = Incident(
            id=new_id(),
            loop=self.loop,
            severity=severity,
            title="",
            cause="",
            subjects=(),
            opened_at=self.at,
            trouble=group[0],
            source=group[1],
        )
        return self._told(blank, firing, members)

    def widened(self, known: Incident, members: Sequence[MonitorState], severity: str) -> Incident:
        firing = [_name(state) for state in members if state.phase is MonitorPhase.FIRING]
        joined = [name for name in firing if name not in known.subjects]
        graver = known.severity != PAGE and severity == PAGE
        if not joined and not graver and self._hushed(known.subjects, members) == known.hushed:
            return known
        told = self._told(known, [*known.subjects, *joined], members)
        return replace(told, severity=PAGE if graver else known.severity, numbers={**known.numbers, **told.numbers})

    def _told(self, incident: Incident, names: Sequence[str], members: Sequence[MonitorState]) -> Incident:
        """The incident with these alerts in it, ranked and put into words."""
        subjects = tuple(sorted(names, key=self._rank, reverse=True))
        hushed = self._hushed(subjects, members)
        heard = [name for name in subjects if name not in hushed]
        return replace(
            incident,
            subjects=subjects,
            hushed=hushed,
            title=title_of(heard),
            cause=self._cause(heard) or incident.cause,
            rank=round(max(map(self._rank, heard), default=0.0), 6),
            numbers={name: round(self.latest[name].value, 6) for name in subjects if name in self.latest},
        )

    def _hushed(self, subjects: Sequence[str], members: Sequence[MonitorState]) -> tuple[str, ...]:
        """What an alert of the whole dataset explains, as long as it lasts."""
        if not any(ALARMS[state.monitor].parent and _name(state) in subjects for state in members):
            return ()
        return tuple(name for name in subjects if (alarm := alarm_of(name)) and not alarm.parent)

    def _severity(self, firing: Sequence[MonitorState], share: float) -> str:
        grave = {ALARMS[state.monitor].grave for state in firing}
        if PAGE in grave:
            return PAGE
        if NOTICE in grave:
            return NOTICE
        return "" if not firing else PAGE if share >= self.min_share else NOTICE if share >= min(NOTICE_SHARE, self.min_share) else ""

    def _share(self, firing: Sequence[MonitorState], alone: set[str]) -> float:
        """The importance that the firing features carry; of a dataset, that all its features do.

        Of features that changed together only those count that are not `alone`: an alert of their own tells of them.
        """
        features = set()
        for state in (state for state in firing if ALARMS[state.monitor].grave == SHARE):
            if ALARMS[state.monitor].parent:
                features |= {feature for feature, source in self.lineage.items() if source == state.subject}
            else:
                features |= self._explained(state) - alone or {state.subject}
        return sum(self.weights.get(feature, ANSWERS.get(feature, 0.0)) for feature in features)

    def _explained(self, state: MonitorState) -> set[str]:
        """The features that changed together, by an alert that is about no one of them; else none."""
        return set(self.latest[_name(state)].explained) if _name(state) in self.latest else set()

    def _rank(self, name: str) -> float:
        reading = self.latest.get(name)
        weight = self.weights.get(name.partition(":")[2], 1.0)
        if reading is not None and reading.explained:
            weight = sum(self.weights.get(feature, 0.0) for feature in reading.explained)
        return (1 + max(reading.effect if reading is not None else 0.0, 0.0)) * weight

    def _cause(self, names: Sequence[str]) -> str:
        notes = [(name.partition(":")[2], self.latest[name].note) for name in names if name in self.latest and self.latest[name].note]
        return "; ".join(f"{subject}: {note}" for subject, note in notes[:_NAMED])


def _weights(importance: Mapping[str, float], states: Sequence[MonitorState]) -> Mapping[str, float]:
    total = sum(importance.values())
    if total > 0:
        return {feature: share / total for feature, share in importance.items()}
    features = {state.subject for state in states if (alarm := ALARMS.get(state.monitor)) and alarm.trouble == "data" and not alarm.parent}
    return dict.fromkeys(features, 1 / len(features)) if features else {}


def _name(state: MonitorState) -> str:
    return f"{state.monitor}:{state.subject}"
