"""A score over operational metrics of two versions that answer the same stream: is the newcomer as good to run?

Each metric of the newcomer is held against the same metric of the version that runs beside it, at the
same time, by a rank test; what a metric finds becomes pass, high or low, and the weighted share of
passes is the score. It is a judgement at one look, not a sequential test: it may hold a newcomer back,
and must not be what takes it out, since one that is looked at often enough fails once by chance.

Source: the canary judge of Kayenta (Netflix and Google 2018) for the form; Hodges & Lehmann 1963 for the shift.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import floor, sqrt
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike

from noria.core.schema import Estimate
from noria.stages.evaluation.measured import Array

CONFIDENCE = 0.98
TOLERANCE = 0.25
"""A shift must be known this well: its interval begins beyond a quarter of it."""

FEWEST_POINTS = 20
"""Points of either version that a rank test is worth making on."""

MOST_POINTS = 500
"""Points that are looked at, evenly over time: all pairs of them are formed."""


class Found(StrEnum):
    """What one metric says of the newcomer."""

    PASS = "pass"
    HIGH = "high"
    LOW = "low"
    NO_DATA = "no-data"


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """One operational metric.

    Attributes:
        worse: Which way is worse: "high", "low" or "either".
        allowed: Shift that matters to nobody, in units of the metric.
        weight: Its part in the score.
        critical: When it is worse, the score is 0 whatever the others say.
        needed: Whether having no data on it counts as not passed.
    """

    name: str
    worse: str = "high"
    allowed: float = 0.0
    weight: float = 1.0
    critical: bool = False
    needed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One metric's say, with the shift (newcomer − other) that it saw."""

    measure: Measure
    found: Found
    shift: Estimate

    @property
    def worse(self) -> bool:
        """Whether it speaks against the newcomer."""
        return self.found.value == self.measure.worse or (self.measure.worse == "either" and self.found in (Found.HIGH, Found.LOW))


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """The weighted share of metrics that pass, 0 to 100; NaN when none has data."""

    value: float
    findings: tuple[Finding, ...]


def judged(measures: Sequence[Measure], points: Mapping[str, tuple[ArrayLike, ArrayLike]]) -> Score:
    """Score a newcomer.

    Args:
        points: Metric to its points, in order of time, of the version that runs and of the newcomer:
            one number per block of requests, finite or NaN (left out).
    """
    findings = tuple(_finding(measure, *points.get(measure.name, ((), ()))) for measure in measures)
    counted = [one for one in findings if one.found is not Found.NO_DATA or one.measure.needed]
    if not any(one.found is not Found.NO_DATA for one in findings):
        return Score(value=float("nan"), findings=findings)
    if any(one.worse and one.measure.critical for one in findings):
        return Score(value=0.0, findings=findings)
    passed = sum(one.measure.weight for one in counted if not one.worse and one.found is not Found.NO_DATA)
    return Score(value=100.0 * passed / sum(one.measure.weight for one in counted), findings=findings)


def shift(one: ArrayLike, other: ArrayLike, *, confidence: float = CONFIDENCE) -> Estimate:
    """Estimate by how much `other` lies above `one`: the median of all pairs' differences, with its rank interval.

    The interval holds the shifts that a two-sided Mann–Whitney test does not refuse, by its normal
    approximation; with the points capped at `MOST_POINTS` it takes about 250,000 differences at most.

    Args:
        one, other: Points, shape (n,) and (m,); those that are not finite are left out.
    """
    a, b = _thinned(one), _thinned(other)
    n, m = len(a), len(b)
    if min(n, m) < 2:
        return Estimate(value=float("nan"), low=float("nan"), high=float("nan"), n=n + m, level=confidence)
    differences = np.sort((b[:, None] - a[None, :]).ravel())
    reach = NormalDist().inv_cdf(0.5 + confidence / 2) * sqrt(n * m * (n + m + 1) / 12)
    at = max(floor(n * m / 2 - reach), 0)
    return Estimate(
        value=float(np.median(differences)), low=float(differences[at]), high=float(differences[-1 - at]), n=n + m, level=confidence
    )


def _finding(measure: Measure, one: ArrayLike, other: ArrayLike) -> Finding:
    moved = shift(one, other)
    if min(len(_finite(one)), len(_finite(other))) < FEWEST_POINTS:
        return Finding(measure=measure, found=Found.NO_DATA, shift=moved)
    margin = TOLERANCE * abs(moved.value)
    if moved.value > measure.allowed and moved.low > margin:
        return Finding(measure=measure, found=Found.HIGH, shift=moved)
    if moved.value < -measure.allowed and moved.high < -margin:
        return Finding(measure=measure, found=Found.LOW, shift=moved)
    return Finding(measure=measure, found=Found.PASS, shift=moved)


def _finite(points: ArrayLike) -> Array:
    values = np.asarray(points, dtype=np.float64)
    return values[np.isfinite(values)]


def _thinned(points: ArrayLike) -> Array:
    values = _finite(points)
    if len(values) <= MOST_POINTS:
        return values
    return values[np.linspace(0, len(values) - 1, MOST_POINTS).astype(np.intp)]
