"""How a candidate treats groups: rates of each, of their intersections, and the gaps between them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.stats import chi2_contingency, fisher_exact

from noria.core.declaration.conduct import JOINED
from noria.core.examination.fairness import MEASURES, FairnessReport, Gap, GroupMark
from noria.core.schema import Estimate, Task
from noria.stages.evaluation.cuts import MISSING, Cut, cut
from noria.stages.evaluation.estimates import estimate
from noria.stages.evaluation.group_gaps import widest
from noria.stages.evaluation.group_rates import Answers, Rates, rates_of
from noria.stages.evaluation.measured import Array, Codes

MOST_GROUPS = 20
"""The largest groups of a column; each more makes all intervals wider."""

SCORE_BINS = 10

Apart = Callable[[Array, Array], float]
"""Counts per bin of two samples to their distance."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Grouping:
    """One column's groups, or those of an intersection; rows in no group have code −1."""

    column: str
    codes: Codes
    names: tuple[str, ...]
    left_out: tuple[tuple[str, int], ...]
    unknown: int


def examine(
    frame: pl.DataFrame,
    columns: Sequence[str],
    answers: Answers,
    *,
    reference: pl.DataFrame,
    clusters: NDArray | None,
    apart: Apart,
    favourable: str = "",
    threshold: float = 0.5,
    intersections: bool = True,
    min_rows: int = 100,
    seed: int = 0,
) -> FairnessReport:
    """Mark every group with enough rows, and find the widest gap of every measure.

    Args:
        frame: The judged rows with the group columns; numbers with many values are cut at the quantiles of
            `reference`, rows whose group is not known are counted and belong to none.
        clusters: Shape (rows,), as in `estimate`.
        apart: The distance of two histograms of scores.
        intersections: Whether to look at columns two by two, and all together.
        min_rows: Smaller groups are left out.
    """
    cuts = [made for name in columns if (made := cut(frame[name], reference[name])) is not None]
    groupings = [_grouping(chosen, min_rows) for chosen in _chosen(cuts, intersections)]
    marks: list[GroupMark] = []
    gaps: list[Gap] = []
    for grouping in groupings:
        rates = rates_of(answers, grouping.codes, len(grouping.names), clusters)
        marks += [_mark(grouping, place, rates, answers, clusters, apart, seed) for place in range(len(grouping.names))]
        gaps += _gaps(grouping, rates, answers)
    return FairnessReport(
        favourable=favourable,
        threshold=threshold,
        rows=frame.height,
        groups=tuple(marks),
        gaps=tuple(gaps),
        left_out=tuple(left for grouping in groupings for left in grouping.left_out),
        unknown=_without_groups(frame, columns, cuts) | {grouping.column: grouping.unknown for grouping in groupings if grouping.unknown},
    )


def _without_groups(frame: pl.DataFrame, columns: Sequence[str], cuts: Sequence[Cut]) -> dict[str, int]:
    """Columns that make no group at all, such as one that is always missing: all of their rows are unknown."""
    made = {one.column for one in cuts}
    return {name: frame.height for name in columns if name not in made and frame.height}


def _chosen(cuts: Sequence[Cut], intersections: bool) -> Iterator[Sequence[Cut]]:
    """Each column, then each two, then all."""
    yield from ([one] for one in cuts)
    if intersections:
        yield from (list(pair) for pair in combinations(cuts, 2))
        if len(cuts) > 2:
            yield cuts


def _grouping(cuts: Sequence[Cut], min_rows: int) -> _Grouping:
    """Number the groups that are large enough, largest first."""
    rows = len(cuts[0].codes)
    codes = np.zeros(rows, dtype=np.intp)
    known = np.ones(rows, dtype=np.bool_)
    for made in cuts:
        codes = codes * len(made.names) + made.codes
        known &= made.codes != made.names.index(MISSING)
    present, sizes = np.unique(codes[known], return_counts=True)
    order = np.argsort(-sizes, kind="stable")
    named = [(_name(int(present[place]), cuts), int(sizes[place]), int(present[place])) for place in order]
    kept = [one for one in named if one[1] >= min_rows][:MOST_GROUPS]
    column = JOINED.join(made.column for made in cuts)
    places = np.full(int(np.prod([len(made.names) for made in cuts])), -1, dtype=np.intp)
    places[[code for _, _, code in kept]] = np.arange(len(kept))
    return _Grouping(
        column=column,
        codes=np.where(known, places[codes], -1),
        names=tuple(name for name, _, _ in kept),
        left_out=tuple((f"{column}: {name}", size) for name, size, _ in named if (name, size) not in {(n, s) for n, s, _ in kept})[:50],
        unknown=int(rows - known.sum()),
    )


def _name(code: int, cuts: Sequence[Cut]) -> str:
    names = []
    for made in reversed(cuts):
        code, part = divmod(code, len(made.names))
        names.append(made.names[part])
    return JOINED.join(reversed(names))


def _mark(
    grouping: _Grouping, place: int, rates: dict[str, Rates], answers: Answers, clusters: NDArray | None, apart: Apart, seed: int
) -> GroupMark:
    inside = grouping.codes == place
    told = {name: rate.estimate(place) for name, rate in rates.items()}
    if not answers.numbers:
        told["ece"] = _ece(answers, inside, clusters, seed)
    score = answers.score
    return GroupMark(
        column=grouping.column,
        group=grouping.names[place],
        rows=int(inside.sum()),
        positives=0 if answers.numbers else int(answers.y[inside].sum()),
        rates=told,
        score_psi=_apart(score[inside], score[~inside], apart),
        alike_at=float("nan") if answers.numbers else float(np.quantile(score[inside], 1.0 - answers.said.mean())),
    )


def _ece(answers: Answers, inside: NDArray[np.bool_], clusters: NDArray | None, seed: int) -> Estimate:
    blocks = None if clusters is None else clusters[inside]
    return estimate("ece", answers.y[inside], answers.score[inside], task=Task.BINARY, seed=seed, clusters=blocks)


def _apart(one: Array, other: Array, apart: Apart) -> float:
    if not len(one) or not len(other):
        return float("nan")
    edges = np.unique(np.quantile(other, np.arange(1, SCORE_BINS) / SCORE_BINS))
    counts = [np.bincount(np.searchsorted(edges, scores, side="right"), minlength=len(edges) + 1) for scores in (other, one)]
    return float(apart(counts[0].astype(np.float64), counts[1].astype(np.float64)))


def _gaps(grouping: _Grouping, rates: dict[str, Rates], answers: Answers) -> Iterator[Gap]:
    """The widest gap of each measure that the answers allow; of several rates, one for each."""
    groups = range(len(grouping.names))
    for measure, names in MEASURES.items():
        for name in names:
            if name not in rates:
                continue
            found = widest(rates[name], groups, share=len(names))
            if found is None:
                continue
            yield Gap(
                column=grouping.column,
                measure=measure,
                rate=name,
                lowest=grouping.names[found.lowest],
                highest=grouping.names[found.highest],
                difference=found.difference,
                ratio=found.ratio,
                p=_alike(grouping, answers) if name == "selection_rate" else float("nan"),
                fewest=found.fewest,
                enough=found.enough,
            )


def _alike(grouping: _Grouping, answers: Answers) -> float:
    """p-value of "all groups are selected alike": Fisher's exact test for two groups with few rows, else χ²."""
    known = grouping.codes >= 0
    count = len(grouping.names)
    said = np.bincount(grouping.codes[known], weights=answers.said[known], minlength=count)
    table = np.stack([said, np.bincount(grouping.codes[known], minlength=count) - said])
    if not table.sum(axis=1).all():
        return 1.0
    expected = np.outer(table.sum(axis=1), table.sum(axis=0)) / table.sum()
    if count == 2 and expected.min() < 5.0:
        return float(fisher_exact(table).pvalue)
    return float(chi2_contingency(table, correction=False).pvalue)
