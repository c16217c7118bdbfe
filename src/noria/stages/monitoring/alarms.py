"""What each monitor's alert means: the trouble it belongs to, how it is said, and how grave it is. One line a monitor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from noria.core.watching import Incident

PAGE, NOTICE, SHARE = "page", "notice", "share"
"""How grave: a person must look; a person may look; it depends on the share of the model's importance that is concerned."""

DRILL = "drill"
"""The trouble that is none: a fire drill."""

DATA_PLANE = "data plane"
"""The trouble of the process that answers, whatever it answers."""

_NAMED = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """What an alert of one monitor means.

    Attributes:
        trouble: Alerts of one trouble (and, for features, of one dataset) share an incident.
        said: Its part of the title; `{}` stands for the subjects, if they are to be named.
        grave: PAGE, NOTICE or SHARE.
        parent: It is about a whole dataset, and explains the alerts of the features from it.
        turns: Whether it may be a reason to retrain; one that a model can do nothing about is none.
    """

    trouble: str
    said: str
    grave: str
    parent: bool = False
    turns: bool = True


ALARMS: Mapping[str, Alarm] = MappingProxyType(
    {
        "quality": Alarm(trouble="model", said="{} fell", grave=PAGE),
        "late": Alarm(trouble="data", said="{} arrives late", grave=SHARE, parent=True, turns=False),
        "stale": Alarm(trouble="data", said="{} has no new rows", grave=SHARE, parent=True, turns=False),
        "missing": Alarm(trouble="data", said="{} went missing", grave=SHARE),
        "type": Alarm(trouble="data", said="{} is not of its kind", grave=SHARE, turns=False),
        "unseen": Alarm(trouble="data", said="{} has values never seen before", grave=SHARE),
        "range": Alarm(trouble="data", said="{} is out of its range", grave=SHARE),
        "cardinality": Alarm(trouble="data", said="{} has another number of different values", grave=SHARE),
        "drift": Alarm(trouble="data", said="{} drifted", grave=SHARE),
        "joint-drift": Alarm(trouble="joint", said="features changed together", grave=SHARE),
        "anomalies": Alarm(trouble="requests", said="more requests than usual are anomalous", grave=NOTICE, turns=False),
        "text-drift": Alarm(trouble="content", said="texts changed ({})", grave=NOTICE),
        "embedding-drift": Alarm(trouble="content", said="what is embedded changed ({})", grave=NOTICE),
        "image-drift": Alarm(trouble="content", said="images changed ({})", grave=NOTICE),
        "prediction-drift": Alarm(trouble="model", said="the model's answers drifted", grave=NOTICE),
        "outcome-drift": Alarm(trouble="model", said="what really happens drifted", grave=NOTICE),
        "prediction-bias": Alarm(trouble="model", said="what the model says does not come true ({})", grave=NOTICE),
        "errors": Alarm(trouble="service", said="more requests than usual go wrong ({})", grave=PAGE, turns=False),
        "sudden-errors": Alarm(trouble="service", said="requests began to fail", grave=PAGE, turns=False),
        "latency": Alarm(trouble="service", said="answers are slow ({})", grave=NOTICE, turns=False),
        "sudden-latency": Alarm(trouble="service", said="answers became slow", grave=NOTICE, turns=False),
        "sudden-predictions": Alarm(trouble="service", said="the model's answers changed suddenly", grave=NOTICE, turns=False),
        "label-coverage": Alarm(trouble="outcomes", said="{} do not come in", grave=NOTICE, turns=False),
        "label-delay": Alarm(trouble="outcomes", said="{} come late", grave=NOTICE, turns=False),
        "skew": Alarm(trouble="skew", said="{} online is not what it is offline", grave=PAGE, turns=False),
        "view-missing": Alarm(trouble="skew", said="{} has no values for requests", grave=NOTICE, turns=False),
        "view-age": Alarm(trouble="skew", said="{} serves old values", grave=NOTICE, turns=False),
        "freshness": Alarm(trouble="freshness", said="{} is old", grave=NOTICE),
        "data-plane": Alarm(trouble=DATA_PLANE, said="the data plane has a problem ({})", grave=PAGE, turns=False),
        "fire-drill": Alarm(trouble=DRILL, said="fire drill: nothing is wrong, this shows that alerts arrive", grave=PAGE, turns=False),
    }
)
"""Every monitor that may open an incident, in the order in which a title names them."""


def alarm_of(name: str) -> Alarm | None:
    """The alarm of a subject as incidents name it ("drift:temp"), or of a monitor; None where it raises none."""
    return ALARMS.get(name.partition(":")[0])


def trouble_of(incident: Incident) -> str:
    """The trouble that an incident is about, also of one that was stored before incidents said so."""
    first = alarm_of(incident.subjects[0]) if incident.subjects else None
    return incident.trouble or (first.trouble if first else "")


def turns(incident: Incident) -> bool:
    """Whether the incident is a reason to think of retraining: some alert in it is, and none explains it away."""
    return any(alarm.turns for name in incident.subjects if name not in incident.hushed and (alarm := alarm_of(name)))


def title_of(subjects: Sequence[str]) -> str:
    """The alerts in one line."""
    told = []
    for monitor, alarm in ALARMS.items():
        names = [name.partition(":")[2] for name in subjects if name.startswith(f"{monitor}:")]
        if names:
            told.append(alarm.said.format(_listed(names)))
    return "; ".join(told)


def _listed(names: Sequence[str]) -> str:
    if len(names) <= _NAMED:
        return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else names[0]
    return f"{', '.join(names[:_NAMED])} and {len(names) - _NAMED} more"
