"""Drift that no feature shows by itself: reconstruction error and a domain classifier, against what chunks of the reference show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import numpy as np
import polars as pl
from numpy.typing import NDArray

from noria.core.joint import Coordinate, JointReference
from noria.core.moments import duration, spoken
from noria.core.schema import Field
from noria.core.watching import Reading
from noria.stages.monitoring import coordinates, domain, reconstruction
from noria.stages.monitoring.chunk_limits import spread_over
from noria.stages.monitoring.reading import against
from noria.stages.monitoring.reference import chunks_of, usual_chunks
from noria.stages.monitoring.thinning import thinned

MONITOR = "joint-drift"
RECONSTRUCTION, DOMAIN = "reconstruction", "domain"

SAMPLE_ROWS = 2_000
"""Rows of either side that the classifier looks at."""

CALIBRATED_CHUNKS = 60
"""Chunks of the reference that the classifier is calibrated on, spread over all of it."""

ERROR_FLOOR = 0.01
"""Relative change of the reconstruction error that is too small to matter."""

STEADY = 0.2
"""Share of a feature's variance that may lie between chunks: days of weather differ, whatever relations do."""

_NAMED = 3
_SMALLEST_SHARE = 0.1


def build(
    frame: pl.DataFrame,
    features: Sequence[Field],
    *,
    importance: Mapping[str, float] | None = None,
    chunk: timedelta = timedelta(days=1),
    seed: int = 0,
) -> JointReference:
    """Describe the rows that a version was trained on, together; the caller keeps `sample_of` and names its digest.

    Args:
        frame: `__time` and the raw features, one row per training row.
        importance: Feature to importance: decides which are looked at when there are very many.
        chunk: Length of a chunk in event time, as the monitor will look.
    """
    chunks = chunks_of(frame["__time"].to_numpy(), chunk)
    usual = usual_chunks(chunks)
    learnt = coordinates.learn(frame, features, importance)
    moving = _moving(learnt, coordinates.points(frame, learnt), chunks)
    level = tuple(one.name for one in moving if not one.surprises)
    flat = levelled(frame, level, chunks)
    known, left_out = _steady(coordinates.learn(flat, features, importance), flat, chunks)
    return JointReference(
        chunk=spoken(chunk),
        rows=frame.height,
        coordinates=known,
        reconstruction=reconstruction.learn(coordinates.points(flat, known), chunks, usual),
        domain=domain.calibrated(_chunk_aucs(flat, known, chunks, usual, seed)),
        left_out=left_out,
        levelled=tuple(name for name in level if name not in left_out),
    )


def sample_of(frame: pl.DataFrame, reference: JointReference, *, seed: int = 0) -> pl.DataFrame:
    """Rows of the reference, spread evenly over time, with the features that are looked at."""
    names = [one.name for one in reference.coordinates]
    chunks = chunks_of(frame["__time"].to_numpy(), duration(reference.chunk))
    return thinned(levelled(frame, reference.levelled, chunks).select(names), SAMPLE_ROWS, seed)


def levelled(frame: pl.DataFrame, names: Sequence[str], chunks: NDArray[np.intp] | None = None) -> pl.DataFrame:
    """The frame with the named numbers as distances from their chunk's mean: a relation shows in these whatever the day's level is.

    Args:
        chunks: Number of each row's chunk, shape (rows,); None = all are of one.
    """
    there = [name for name in names if name in frame.columns]
    if not there or frame.is_empty():
        return frame
    values = frame.select(pl.col(name).cast(pl.Float64, strict=False).fill_nan(None) for name in there)
    means = [pl.col(name).mean() if chunks is None else pl.col(name).mean().over("__chunk") for name in there]
    placed = values if chunks is None else values.with_columns(pl.Series("__chunk", chunks))
    return frame.with_columns(placed.select(pl.col(name) - mean for name, mean in zip(there, means, strict=True)))


def measure(
    reference: JointReference, sample: pl.DataFrame, chunk: pl.DataFrame, *, loop: str, at: datetime, min_rows: int = 250
) -> list[Reading]:
    """Read the reconstruction error and the domain classifier of one chunk.

    The reconstruction's value is the change of its mean error, relative to the usual one, on either
    side; its limit is the largest of `ERROR_FLOOR`, what chance does to so few rows, and what chunks
    of the reference show. The domain's value is the AUC; its limit the largest of `domain.FLOOR`,
    three deviations of chance, and what chunks of the reference show.

    Args:
        sample: What `sample_of` gave.
        chunk: One row per request, one column per feature.
    """
    rows = chunk.height
    if rows < max(min_rows, domain.FOLDS):
        note = f"{rows:,} rows; {min_rows:,} are needed"
        return [_reading(subject, float("nan"), float("nan"), rows, loop, at, note=note) for subject in (RECONSTRUCTION, DOMAIN)]
    flat = levelled(chunk, reference.levelled)
    return [_reconstruction(reference, flat, loop, at), _domain(reference, sample, flat, loop, at)]


def _reconstruction(reference: JointReference, chunk: pl.DataFrame, loop: str, at: datetime) -> Reading:
    known, usual = reference.reconstruction, reference.reconstruction.errors.usual
    change, parts = reconstruction.deviation(coordinates.points(chunk, reference.coordinates), known)
    if not usual > 0:
        return _reading(RECONSTRUCTION, float("nan"), float("nan"), chunk.height, loop, at, note="the reference leaves no error")
    chance = 3 * known.row_spread * np.sqrt(1 / chunk.height + 1 / max(reference.rows, 1)) / usual
    limit = max(ERROR_FLOOR, chance, known.errors.known / usual)
    by = {one.name: float(part) for one, part in zip(reference.coordinates, parts, strict=True)}
    named = [name for name in sorted(by, key=lambda name: -by[name])[:_NAMED] if by[name] >= _SMALLEST_SHARE]
    note = f"rows fit their usual relations {abs(change):.1%} {'worse' if change > 0 else 'better'}"
    note += f", most in {', '.join(named)}" if named else ""
    return _reading(RECONSTRUCTION, abs(change), limit, chunk.height, loop, at, note=note, explained=most_of(by))


def _domain(reference: JointReference, sample: pl.DataFrame, chunk: pl.DataFrame, loop: str, at: datetime) -> Reading:
    new = thinned(chunk, SAMPLE_ROWS, 0)
    told = domain.separate(domain.design(sample, reference.coordinates), domain.design(new, reference.coordinates))
    limit = domain.limit(sample.height, new.height, reference.domain)
    culprits = [one for one in told.culprits[:_NAMED] if one.share >= _SMALLEST_SHARE]
    note = f"a classifier tells the rows from the reference with AUC {told.auc:.3f}"
    note += ", by " + ", ".join(f"{one} ({one.share:.0%})" for one in culprits) if culprits else ""
    by: dict[str, float] = {}
    for one in told.culprits:
        for name in one.features:
            by[name] = by.get(name, 0.0) + one.share / len(one.features)
    return _reading(DOMAIN, told.auc, limit, chunk.height, loop, at, note=note, explained=most_of(by), least=0.5)


def most_of(parts: Mapping[str, float], enough: float = 0.8) -> dict[str, float]:
    """The fewest parts that make up most of the whole, largest first."""
    found: dict[str, float] = {}
    for name in sorted(parts, key=lambda name: -parts[name]):
        if sum(found.values()) >= enough * sum(parts.values()) or parts[name] <= 0:
            break
        found[name] = round(parts[name], 4)
    return found


def _reading(
    subject: str,
    value: float,
    limit: float,
    rows: int,
    loop: str,
    at: datetime,
    *,
    note: str,
    explained: Mapping[str, float] | None = None,
    least: float = 0.0,
) -> Reading:
    """One reading; without a number it is "not enough data". `least` is the value of no drift at all."""
    enough = value == value
    return against(MONITOR, subject, value, limit, rows, loop=loop, at=at, enough=enough, note=note, least=least, explained=explained)


def between_chunks(points: NDArray[np.float64], chunks: NDArray[np.intp]) -> NDArray[np.float64]:
    """The intraclass correlation of each coordinate: how much of its variance lies between chunks, shape (coordinates,).

    Source: the one-way random effects estimate, Shrout and Fleiss 1979, ICC(1, 1).
    """
    rows = np.bincount(chunks).astype(np.float64)
    groups, n = len(rows), len(points)
    if groups < 2 or n <= groups:
        return np.zeros(points.shape[1])
    sums = np.stack([np.bincount(chunks, column, minlength=groups) for column in points.T], axis=1)
    means = sums / rows[:, None]
    between = (rows[:, None] * np.square(means - points.mean(axis=0))).sum(axis=0) / (groups - 1)
    inside = (np.square(points).sum(axis=0) - (rows[:, None] * np.square(means)).sum(axis=0)) / (n - groups)
    typical = (n - np.square(rows).sum() / n) / (groups - 1)
    whole = between + (typical - 1) * inside
    return np.where(whole > 0, (between - inside) / np.where(whole > 0, whole, 1.0), 0.0)


def _moving(learnt: tuple[Coordinate, ...], points: NDArray[np.float64], chunks: NDArray[np.intp]) -> tuple[Coordinate, ...]:
    """The features that do not mix within a chunk."""
    return tuple(one for one, share in zip(learnt, between_chunks(points, chunks), strict=True) if share > STEADY)


def _steady(learnt: tuple[Coordinate, ...], flat: pl.DataFrame, chunks: NDArray[np.intp]) -> tuple[tuple[Coordinate, ...], tuple[str, ...]]:
    """The features that mix within a chunk once they are levelled, and the names of the others: those of which a chunk
    holds a value or two, such as the day's forecast, spread otherwise in every chunk. All of them where fewer than two mix.
    """
    points = coordinates.points(flat, learnt)
    moving = {one.name for values in (points, np.square(points)) for one in _moving(learnt, values, chunks)}
    steady = tuple(one for one in learnt if one.name not in moving)
    return (steady, tuple(one.name for one in learnt if one.name in moving)) if len(steady) > 1 else (learnt, ())


def _chunk_aucs(
    frame: pl.DataFrame, known: Sequence[Coordinate], chunks: NDArray[np.intp], usual: NDArray[np.bool_], seed: int
) -> list[domain.Separation]:
    """How well each of some usual chunks is told from the rows of all others, in order of time."""
    whole = domain.design(frame, known)
    random = np.random.default_rng(seed)
    found = []
    for one in spread_over(usual, CALIBRATED_CHUNKS):
        inside, outside = np.flatnonzero(chunks == one), np.flatnonzero(chunks != one)
        if not len(outside):
            continue
        inside, outside = (random.permutation(rows)[:SAMPLE_ROWS] for rows in (inside, outside))
        found.append(domain.separate(_some(whole, outside), _some(whole, inside)))
    return found


def _some(whole: domain.Design, rows: NDArray[np.intp]) -> domain.Design:
    return domain.Design(X=whole.X[rows], names=whole.names, numbers=whole.numbers)
