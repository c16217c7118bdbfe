"""Holds one chunk of traffic against the reference, feature by feature."""

from __future__ import annotations

from datetime import datetime
from math import isfinite

import numpy as np
import polars as pl
from numpy.typing import NDArray

from noria.core.declaration.watch import STATISTICS
from noria.core.watching import DriftReference, FeatureReference, Reading
from noria.stages.monitoring import distances
from noria.stages.monitoring.counting import ChunkCounts, Counted, Counts, coarse, count, count_chunk, with_answers
from noria.stages.monitoring.data_quality import missing
from noria.stages.monitoring.effects import OF_NUMBERS, chance_limit, effect, fitting
from noria.stages.monitoring.grid import grid_of
from noria.stages.monitoring.reading import Look
from noria.stages.monitoring.reference import answers_of
from noria.stages.monitoring.seasons import Phases, expected_counts, phases_of

Numbers = NDArray[np.float64]


def measure(
    reference: DriftReference,
    chunk: pl.DataFrame,
    *,
    loop: str,
    at: datetime,
    floor: float = 0.1,
    min_rows: int = 250,
    scores: NDArray[np.float64] | None = None,
    statistic: str = "psi",
    start: datetime | None = None,
) -> list[Reading]:
    """Read a frame: each feature's drift and missing values, and the drift of the answers.

    Args:
        chunk: One row per request, one column per feature; a column that is not there is all missing.
        at: End of the chunk.
        min_rows: With fewer rows the answer is "not enough data".
        scores: The champion's answers, shape (rows,) or (rows, classes); None = no reading of them.
        statistic: What decides; see `readings`.
        start: Beginning of the chunk, for references with a season.
    """
    counts = count_chunk(reference, chunk)
    if scores is not None and reference.score is not None:
        counts = with_answers(counts, score=count(reference.score, answers_of(scores)))
    return readings(reference, counts, Look(loop=loop, at=at, start=start, min_rows=min_rows), floor=floor, statistic=statistic)


def readings(
    reference: DriftReference, counts: ChunkCounts, look: Look, *, floor: float = 0.1, statistic: str = "psi", with_missing: bool = True
) -> list[Reading]:
    """Read the counts of a chunk: drift of each feature, of the answers and of the outcomes, and missing values.

    The value is one statistic; its limit is the largest of `floor` (a drift too small to matter),
    the limit calibrated on the reference's chunks, and what chance alone does to a chunk of so few
    rows. The other statistics and the p-values of the usual tests are the reading's `numbers`.

    Args:
        floor: In the unit of the statistic.
        statistic: "psi", "js", "hellinger", "wasserstein" (in standard deviations) or "ks"; for text
            "js" stands in for the last two.
        with_missing: Whether to read missing values too.
    """
    phases = phases_of(reference, look.start, look.at)
    found = []
    for feature in reference.features:
        counted = counts.features.get(feature.name)
        if counted is None:
            continue
        found.append(one("drift", feature, counted, look, floor=floor, statistic=statistic, phases=phases))
        if with_missing:
            found.append(missing(feature, counted, look))
    if counts.score is not None and reference.score is not None:
        found.append(one("prediction-drift", reference.score, counts.score, look, floor=floor, statistic=statistic, phases=phases))
    if counts.outcome is not None and reference.outcome is not None:
        found.append(one("outcome-drift", reference.outcome, counts.outcome, look, floor=floor, statistic=statistic, phases=phases))
    return found


def one(monitor: str, feature: FeatureReference, counted: Counted, look: Look, *, floor: float, statistic: str, phases: Phases) -> Reading:
    """Read the drift of one feature, of the answers or of the outcomes."""
    statistic = fitting(statistic, text=not feature.edges)
    before, seasonal = expected_counts(feature, phases)
    now, rows = coarse(feature, counted), counted.rows
    if not rows:
        return look.reading(monitor, feature.name, float("nan"), max(floor, feature.threshold), 0, note="")
    effects = effects_of(feature, before, counted)
    limits = feature.seasonal.limits if seasonal and feature.seasonal is not None else {"psi": feature.threshold, **feature.limits}
    where = feature.extent
    chance = chance_limit(statistic, before, rows, centres=where.centres if where else (), spread=where.spread if where else 1.0)
    limit = max(floor, limits.get(statistic, 0.0), chance)
    numbers = {**effects, **tests(feature, before, now)}
    told = {name: round(value, 6) for name, value in numbers.items() if isfinite(value)}
    note = moved(feature, now, before) + (", at this point of the season" if seasonal else "")
    return look.reading(monitor, feature.name, effects.get(statistic, float("nan")), limit, rows, note=note, numbers=told)


def effects_of(feature: FeatureReference, before: Numbers, counted: Counted) -> dict[str, float]:
    """Every effect of one feature; those that need an order are left out for text.

    Args:
        before: What it is held against, in the bins of `feature.counts`.
    """
    now = coarse(feature, counted)
    names = STATISTICS if feature.edges else [name for name in STATISTICS if name not in OF_NUMBERS]
    found = {name: float(effect(name, before, now)) for name in names if name != "wasserstein"}
    if feature.extent is not None and counted.bins[:-1].any() and before[:-1].any():
        grid = grid_of(feature)
        fine = np.zeros(len(counted.bins))
        fine[grid.first : grid.last + 2], fine[-1] = before[:-1], before[-1]
        found["wasserstein"] = float(effect("wasserstein", fine, counted.bins, centres=grid.centres, spread=feature.extent.spread))
    return found


def tests(feature: FeatureReference, before: Numbers, now: Counts) -> dict[str, float]:
    """The usual tests, which take every row for an independent one: they annotate."""
    found: dict[str, float] = {}
    if feature.edges:
        distance = distances.kolmogorov_smirnov(before[:-1], now[:-1])
        found["ks_p"] = float(distances.ks_p(distance, before[:-1].sum(), now[:-1].sum()))
    found["chi2"], found["chi2_p"], found["g"], found["g_p"] = distances.chi_square(before, now)
    used = np.flatnonzero(before + now)
    if len(used) == 2:
        place = int(used[1])
        found["z"], found["z_p"] = distances.two_proportions(int(before[place]), int(before.sum()), int(now[place]), int(now.sum()))
    return found


def moved(feature: FeatureReference, counts: Counts, against: Numbers | None = None) -> str:
    """Say in words where the rows went: the split, category or gap that changed most.

    Args:
        counts: In the bins of `feature.counts`.
        against: What they are held against, if it is not `feature.counts`.
    """
    rows, before = int(counts.sum()), np.asarray(feature.counts if against is None else against, dtype=np.float64)
    if rows == 0 or before.sum() == 0:
        return ""
    p, q = before / before.sum(), counts / rows
    if feature.categories or not feature.edges:
        most = int(np.argmax(np.abs(q - p)))
        names = (*(repr(name) for name in feature.categories), "another value", "missing")[-len(p) :]
        return f"{q[most]:.0%} of rows are {names[most]}, {p[most]:.0%} in the reference"
    above_before, above = (np.cumsum(share[-2::-1])[-2::-1] for share in (p, q))
    most = int(np.argmax(np.abs(above - above_before)))
    if abs(q[-1] - p[-1]) > abs(above[most] - above_before[most]):
        return f"{q[-1]:.0%} of rows are missing, {p[-1]:.0%} in the reference"
    edge = feature.edges[most]
    if above[most] > above_before[most]:
        return f"{above[most]:.0%} of rows at {edge:.4g} or above, {above_before[most]:.0%} in the reference"
    return f"{1 - above[most] - q[-1]:.0%} of rows below {edge:.4g}, {1 - above_before[most] - p[-1]:.0%} in the reference"
