"""Searches for slices in which a candidate loses more than elsewhere: single columns, and pairs of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from types import MappingProxyType

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.stats import false_discovery_control

from noria.core.examination.slices import Condition, FoundSlice, SliceSearch
from noria.core.schema import Task
from noria.stages.evaluation.cuts import Cut, cut
from noria.stages.evaluation.measured import SMALLEST, Array, Codes
from noria.stages.evaluation.slice_tables import Gaps, Sums, blocks_of, gap_estimate, gaps, mean_of, sums_of

COLUMNS = 200
"""Columns that are searched one by one, and of these so many of the first in pairs:"""
PAIRED = 25

STILL = 0.05
"""A slice is shown when what it adds to those already shown is worse still, at this chance of being wrong."""

LEVEL = 0.95


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Slices:
    """Slices that are large enough to be tested: for each the cuts and the parts in them, and its sums."""

    where: list[tuple[tuple[int, int], ...]]
    sums: Sums


def losses_of(task: Task, y: Array, score: Array) -> tuple[str, Array] | None:
    """What each row loses, lower is better, and its name; None for a task whose rows are not judged one by one.

    ROC AUC does not say where a model is weak: within a slice it has nothing to do with the other rows.
    """
    known = _LOSSES.get(task)
    return None if known is None else (known[0], known[1](y, score))


def _log_loss(y: Array, score: Array) -> Array:
    true = np.where(y > 0.5, score, 1.0 - score) if score.ndim == 1 else score[np.arange(len(y)), y.astype(np.intp)]
    return np.asarray(-np.log(np.clip(true, SMALLEST, 1.0)))


def _squared_error(y: Array, score: Array) -> Array:
    return np.asarray((score - y) ** 2)


_LOSSES: Mapping[Task, tuple[str, Callable[[Array, Array], Array]]] = MappingProxyType(
    {
        Task.BINARY: ("log_loss", _log_loss),
        Task.MULTICLASS: ("log_loss", _log_loss),
        Task.REGRESSION: ("squared_error", _squared_error),
        Task.FORECAST: ("squared_error", _squared_error),
    }
)


def search(
    frame: pl.DataFrame,
    columns: Sequence[str],
    losses: Array,
    *,
    loss: str,
    reference: pl.DataFrame,
    clusters: NDArray | None,
    min_rows: int = 200,
    fdr: float = 0.1,
    most: int = 30,
) -> SliceSearch:
    """Test every slice with enough rows against all other rows, and keep what is shown to be worse.

    The expected share of false ones among them is `fdr` at most, over all slices tested (Benjamini
    & Hochberg 1995); slices overlap, which leaves that bound valid where tests are positively
    dependent (Benjamini & Yekutieli 2001). Columns beyond `COLUMNS`, and pairs beyond the first
    `PAIRED` columns, are left out: put the ones that matter first, not the ones that look bad.

    Args:
        frame: The judged rows, in time order.
        losses: What each row loses, shape (rows,).
        reference: Rows that tell where numbers are cut and which values are frequent: those trained on.
        clusters: Shape (rows,), the block of time of each row; None takes even runs of rows.
        most: Slices to show.
    """
    cuts = [made for name in columns[:COLUMNS] if (made := cut(frame[name], reference[name])) is not None]
    blocks, count = blocks_of(clusters, len(losses))
    whole = sums_of(np.zeros(len(losses), dtype=np.intp), 1, losses, blocks, count)
    tested = _joined(list(_tested(cuts, losses, blocks, count, min_rows)), count)
    known = SliceSearch(
        loss=loss,
        rows=len(losses),
        columns=tuple(made.column for made in cuts),
        tested=len(tested.where),
        shown=0,
        fdr=fdr,
        min_rows=min_rows,
        left_out=tuple(columns[COLUMNS:]),
    )
    if not tested.where:
        return known
    all_rows = gaps(tested.sums, whole - tested.sums)
    q = false_discovery_control(all_rows.p)
    worse = [int(place) for place in np.argsort(-_lowest(all_rows)) if q[place] <= fdr]
    kept = _told_apart(worse, tested, cuts, losses, blocks, most)
    old, new = _halves(tested.sums, whole)
    return SliceSearch(
        **{name: getattr(known, name) for name in ("loss", "rows", "columns", "tested", "fdr", "min_rows", "left_out")},
        shown=len(worse),
        found=tuple(_found(place, tested, cuts, whole, all_rows, q, new) for place in kept),
        shrinks_to=_shrinks_to(old, new, fdr),
    )


def _tested(cuts: Sequence[Cut], losses: Array, blocks: Codes, count: int, min_rows: int) -> Iterator[_Slices]:
    """The slices of single columns, then of pairs, that have enough rows and leave enough."""
    rows = len(losses)
    large: list[set[int]] = []
    for at, made in enumerate(cuts):
        sums = sums_of(made.codes, len(made.names), losses, blocks, count)
        places = np.flatnonzero((sums.rows.sum(axis=1) >= min_rows) & (rows - sums.rows.sum(axis=1) >= min_rows))
        large.append({int(place) for place in places})
        yield _Slices(where=[((at, int(place)),) for place in places], sums=sums[places])
    for one, other in combinations(range(min(len(cuts), PAIRED)), 2):
        if not large[one] or not large[other]:
            continue
        width = len(cuts[other].names)
        sums = sums_of(cuts[one].codes * width + cuts[other].codes, len(cuts[one].names) * width, losses, blocks, count)
        enough = np.flatnonzero(sums.rows.sum(axis=1) >= min_rows)
        places = np.array([place for place in enough if place // width in large[one] and place % width in large[other]], dtype=np.intp)
        yield _Slices(where=[((one, int(place // width)), (other, int(place % width))) for place in places], sums=sums[places])


def _joined(parts: Sequence[_Slices], count: int) -> _Slices:
    empty = np.empty((0, count))
    return _Slices(
        where=[where for part in parts for where in part.where],
        sums=Sums(
            rows=np.concatenate([empty, *(part.sums.rows for part in parts)]),
            losses=np.concatenate([empty, *(part.sums.losses for part in parts)]),
        ),
    )


def _lowest(found: Gaps) -> Array:
    """Lower ends of the gaps: what is sure to be lost comes before what may be."""
    return np.nan_to_num(found.value - 2.0 * found.se, nan=-np.inf)


def _told_apart(worse: Sequence[int], tested: _Slices, cuts: Sequence[Cut], losses: Array, blocks: Codes, most: int) -> list[int]:
    """The slices to show: no pair that one of its columns explains, and none that those before it explain."""
    singles = {where[0]: place for place, where in enumerate(tested.where) if len(where) == 1}
    count = tested.sums.rows.shape[1]
    covered = np.zeros(len(losses), dtype=np.bool_)
    kept: list[int] = []
    for place in worse:
        where = tested.where[place]
        if len(where) > 1 and not all(_deeper(place, singles[parent], tested.sums, STILL / len(worse)) for parent in where):
            continue
        rows = np.logical_and.reduce([cuts[at].codes == part for at, part in where])
        apart = sums_of(rows[~covered].astype(np.intp), 2, losses[~covered], blocks[~covered], count)
        if kept and gaps(apart[1:], apart[:1]).p[0] > STILL:
            continue
        kept.append(place)
        covered |= rows
        if len(kept) == most:
            break
    return kept


def _deeper(pair: int, parent: int, sums: Sums, chance: float) -> bool:
    """Whether a pair is worse than the other rows of one of its columns' slices."""
    inner = sums[np.array([pair])]
    outer = sums[np.array([parent])] - inner
    return bool(outer.rows.sum() > 0 and gaps(inner, outer).p[0] <= chance)


def _halves(sums: Sums, whole: Sums) -> tuple[Gaps, Gaps]:
    """The gaps in the older and in the newer half of the rows, cut between blocks."""
    gathered = np.cumsum(whole.rows[0])
    middle = int(np.searchsorted(gathered, gathered[-1] / 2)) + 1
    old, new = ((sums.blocks(part), whole.blocks(part)) for part in (slice(None, middle), slice(middle, None)))
    return gaps(old[0], old[1] - old[0]), gaps(new[0], new[1] - new[0])


def _shrinks_to(old: Gaps, new: Gaps, fdr: float) -> float:
    """What is left, in rows that had no say in the choice, of the gaps that the older half alone would have found."""
    chosen = (false_discovery_control(old.p) <= fdr) & np.isfinite(new.value)
    return float(new.value[chosen].sum() / old.value[chosen].sum()) if chosen.any() else float("nan")


def _found(place: int, tested: _Slices, cuts: Sequence[Cut], whole: Sums, all_rows: Gaps, q: Array, new: Gaps) -> FoundSlice:
    inner = tested.sums[np.array([place])]
    rows = inner.rows.sum()
    newer = np.isfinite(new.value[place]) and new.se[place] > 0
    return FoundSlice(
        where=tuple(Condition(column=cuts[at].column, value=cuts[at].names[part]) for at, part in tested.where[place]),
        mark=mean_of(inner, LEVEL)[0],
        rest=mean_of(whole - inner, LEVEL)[0],
        gap=gap_estimate(all_rows, place, rows, LEVEL),
        p=float(all_rows.p[place]),
        q=float(q[place]),
        again=gap_estimate(new, place, rows / 2, LEVEL) if newer else None,
    )
