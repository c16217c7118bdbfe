"""Who decides that something has changed: Noria as it ships, and the rules that are usual."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Protocol

import numpy as np
import polars as pl
from scipy.stats import false_discovery_control, ks_2samp, wasserstein_distance

from noria.core.schema import Field, Kind, Task
from noria.core.watching import DriftReference, Incident, MonitorState, Reading
from noria.loop.referring import alike_of_days, spread_of_days
from noria.stages.evaluation.estimates import estimate
from noria.stages.monitoring import drift, incidents, joint, quality, reference, states

Array = np.ndarray
FEWEST, MOST = 20, 5_000
"""Values of a day that a rule looks at a column for, and training rows that it is held against."""
METRIC, DROP, WINDOW = "roc_auc", 0.03, 14
EPOCH = datetime(2024, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Learnt:
    """What a rule is given when a model has been trained.

    Attributes:
        frame: Its training rows with `__time`.
        held: Newest rows of them that the model did not learn from, `held_y` and `held_score` with them.
    """

    frame: pl.DataFrame
    columns: tuple[str, ...]
    importance: dict[str, float]
    held: pl.DataFrame
    held_y: Array
    held_score: Array


class Rule(Protocol):
    """Looks at one day after another; `alert` says whether a person, or the loop, is called on that day.

    Attributes:
        asks_every: The judge of expected gain is asked this often, alert or not; 0 = there is no judge.
    """

    name: str
    asks_every: int

    def learn(self, learnt: Learnt) -> None:
        """Begin anew with another model."""
        ...

    def alert(self, day: int, rows: pl.DataFrame, labelled: pl.DataFrame) -> bool:
        """Whether the day's rows, and the outcomes known by now (`time`, `outcome`, `answer`), raise an alert."""
        ...


class Noria:
    """`nr.drift()` and `nr.quality("roc_auc", drop=0.03)` with their defaults, through states and incidents; an alert is a page.

    With joint drift it has `nr.joint_drift()` too; with the judge, `nr.Retrain(probe=True)`.
    """

    def __init__(self, name: str, *, with_quality: bool = True, with_joint: bool = False, asks_every: int = 0) -> None:
        self.name, self.asks_every = name, asks_every
        self._with_quality, self._with_joint = with_quality, with_joint

    def learn(self, learnt: Learnt) -> None:
        fields = [Field(name=name, kind=Kind.FLOAT) for name in learnt.columns]
        days = learnt.held["__time"].dt.epoch("d").to_numpy()
        marks = [
            estimate(METRIC, learnt.held_y[days == day], learnt.held_score[days == day], task=Task.BINARY).value for day in np.unique(days)
        ]
        mark = estimate(METRIC, learnt.held_y, learnt.held_score, task=Task.BINARY, clusters=days)
        known = np.array(marks)[np.isfinite(marks)]
        self._mark, self._mark_se = mark.value, mark.se * alike_of_days(known)
        self._spread = spread_of_days(known)
        self._reference: DriftReference = reference.build(
            learnt.frame, fields, importance=learnt.importance, scores=learnt.held_score,
            score_times=learnt.held["__time"].to_numpy(), quality={METRIC: self._mark},
        )  # fmt: skip
        if self._with_joint:
            self._joint = joint.build(learnt.frame, fields, importance=learnt.importance)
            self._sample = joint.sample_of(learnt.frame, self._joint)
        self._states: dict[tuple[str, str], MonitorState] = {}
        self._open: dict[str, Incident] = {}

    def alert(self, day: int, rows: pl.DataFrame, labelled: pl.DataFrame) -> bool:
        at = EPOCH + timedelta(days=day + 1)
        found: list[Reading] = drift.measure(self._reference, rows, loop="l", at=at)
        if self._with_quality:
            found.append(self._quality(labelled, at))
        if self._with_joint:
            found += joint.measure(self._joint, self._sample, rows, loop="l", at=at)
        for reading in found:
            place = (reading.monitor, reading.subject)
            state = self._states.get(place) or MonitorState(loop="l", monitor=reading.monitor, subject=reading.subject)
            self._states[place] = states.advance(state, reading, k=3, m=5)
        before = {id: one.severity for id, one in self._open.items()}
        importance = {one.name: one.importance for one in self._reference.features}
        for one in incidents.update(
            list(self._open.values()), list(self._states.values()), found, loop="l", at=at, importance=importance, new_id=lambda: f"i{day}"
        ):
            self._open[one.id] = one
        paged = [id for id, one in self._open.items() if one.severity == incidents.PAGE and before.get(id) != incidents.PAGE]
        self._open = {id: one for id, one in self._open.items() if one.closed_at is None}
        return bool(paged)

    def pressing(self) -> bool:
        """Whether a page stands open: its signal is weighed again each day until a turn answers it."""
        return any(one.severity == incidents.PAGE for one in self._open.values())

    def _quality(self, labelled: pl.DataFrame, at: datetime) -> Reading:
        newest = labelled.filter(pl.col("time") >= pl.lit(at.replace(tzinfo=None) - timedelta(days=WINDOW + 1)))
        clusters = newest["time"].dt.epoch("d").to_numpy() if newest.height else None
        return quality.realised(
            METRIC, newest, loop="l", at=at, reference=self._mark, drop=DROP, higher_is_better=True, min_rows=250, chunk_sd=self._spread, reference_se=self._mark_se,
            estimate=lambda y, score: estimate(METRIC, y, score, task=Task.BINARY, clusters=clusters),
        )  # fmt: skip


@dataclass(slots=True)
class PerDay:
    """A usual rule: one look at each day's rows against the training rows."""

    name: str
    look: Callable[[PerDay, pl.DataFrame], bool]
    k: int = 1
    m: int = 1
    columns: tuple[str, ...] = ()
    frame: pl.DataFrame = field(default_factory=pl.DataFrame)
    before: dict[str, Array] = field(default_factory=dict)
    limits: dict[str, float] = field(default_factory=dict)
    recent: list[bool] = field(default_factory=list)
    asks_every: int = 0

    def learn(self, learnt: Learnt) -> None:
        """Keep the training rows; NannyML's rule calibrates on their days."""
        self.columns, self.frame, self.recent = learnt.columns, learnt.frame, []
        some = self.frame.sample(min(self.frame.height, MOST), seed=1)
        self.before = {name: (values := some[name].to_numpy())[np.isfinite(values)] for name in self.columns}
        if self.look is nannyml:
            self.limits = {name: _js_limit(self.frame, name) for name in self.columns}

    def alert(self, day: int, rows: pl.DataFrame, labelled: pl.DataFrame) -> bool:
        """Each day that breaks the rule, or `k` of the last `m`."""
        self.recent = [*self.recent, rows.height > 0 and self.look(self, rows)][-self.m :]
        return sum(self.recent) >= self.k

    def pairs(self, rows: pl.DataFrame) -> list[tuple[Array, Array]]:
        """Each column's training values and the day's, without missing ones."""
        now = {name: rows[name].to_numpy() for name in self.columns}
        known = {name: values[np.isfinite(values)] for name, values in now.items()}
        return [(self.before[name], values) for name, values in known.items() if len(values) >= FEWEST]


def ks(rule: PerDay, rows: pl.DataFrame) -> bool:
    """Any feature with p < .05 by Kolmogorov and Smirnov's test."""
    return any(ks_2samp(before, now, method="asymp").pvalue < 0.05 for before, now in rule.pairs(rows))


def ks_adjusted(rule: PerDay, rows: pl.DataFrame) -> bool:
    """The same after Benjamini and Hochberg's correction."""
    p = [ks_2samp(before, now, method="asymp").pvalue for before, now in rule.pairs(rows)]
    return bool((false_discovery_control(p) < 0.05).any())


def psi_above(limit: float) -> Callable[[PerDay, pl.DataFrame], bool]:
    """Any feature whose population stability index over ten quantile bins exceeds the limit."""

    def look(rule: PerDay, rows: pl.DataFrame) -> bool:
        return any(_psi(before, now) > limit for before, now in rule.pairs(rows))

    return look


def evidently(rule: PerDay, rows: pl.DataFrame) -> bool:
    """Evidently's data-drift preset by its documented defaults: normed Wasserstein ≥ .1 in at least half of the columns (over 1,000 reference rows)."""
    drifted = [wasserstein_distance(before, now) / max(before.std(), 0.001) >= 0.1 for before, now in rule.pairs(rows)]
    return sum(drifted) >= len(drifted) / 2


def nannyml(rule: PerDay, rows: pl.DataFrame) -> bool:
    """NannyML's univariate default: Jensen-Shannon distance of a day beyond mean + 3 sd of the reference's days, in any column."""
    now = {name: rows[name].to_numpy() for name in rule.columns}
    return any(_js(rule.before[name], values[np.isfinite(values)]) > rule.limits[name] for name, values in now.items())


def usual() -> Sequence[Rule]:
    """The rules that are usual."""
    return (
        PerDay("KS p<.05", ks),
        PerDay("KS p<.05, BH", ks_adjusted),
        PerDay("PSI>.1", psi_above(0.1)),
        PerDay("PSI>.25", psi_above(0.25)),
        PerDay("PSI>.25, 3 of 5 days", psi_above(0.25), k=3, m=5),
        PerDay("Evidently's defaults", evidently),
        PerDay("NannyML's defaults", nannyml),
    )


class Never:
    """Nobody looks."""

    name = "never retrain"
    asks_every = 0

    def learn(self, learnt: Learnt) -> None:
        """Nothing to learn."""

    def alert(self, day: int, rows: pl.DataFrame, labelled: pl.DataFrame) -> bool:
        """Never."""
        return False


class Monthly(Never):
    """Retrains by the calendar."""

    name = "every 30 days"

    def alert(self, day: int, rows: pl.DataFrame, labelled: pl.DataFrame) -> bool:
        """Each thirtieth day."""
        return day % 30 == 29


def _psi(before: Array, now: Array) -> float:
    edges = np.unique(np.quantile(before, np.linspace(0, 1, 11))[1:-1])
    p, q = (np.bincount(np.searchsorted(edges, side, side="right"), minlength=len(edges) + 1) / max(len(side), 1) for side in (before, now))
    p, q = np.maximum(p, 1e-4), np.maximum(q, 1e-4)
    return float(((p - q) * np.log(p / q)).sum())


def _js(before: Array, now: Array) -> float:
    edges = np.histogram_bin_edges(before, bins="doane")
    both = np.array([np.histogram(np.clip(side, edges[0], edges[-1]), edges)[0] / max(len(side), 1) for side in (before, now)])
    middle = both.mean(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        parts = np.where(both > 0, both * np.log2(both / middle), 0.0)
    return float(np.sqrt(max(parts.sum() / 2, 0.0)))


def _js_limit(frame: pl.DataFrame, name: str) -> float:
    values, days = frame[name].to_numpy(), frame["__time"].dt.epoch("d").to_numpy()
    known = np.isfinite(values)
    found = [_js(values[known], values[known & (days == day)]) for day in np.unique(days)]
    return float(np.mean(found) + 3 * np.std(found))
