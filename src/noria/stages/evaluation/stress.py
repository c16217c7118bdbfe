"""How far a candidate falls when its inputs are strained: feature by feature, and all at once."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import polars as pl
from numpy.typing import NDArray

from noria.core.declaration.conduct import SEVERITY
from noria.core.examination.stress import Strain
from noria.core.schema import THRESHOLD, Estimate, Field, Task
from noria.stages.evaluation.estimates import estimate, unknown
from noria.stages.evaluation.given import PLAIN, Given
from noria.stages.evaluation.measured import Array
from noria.stages.evaluation.paired import compare
from noria.stages.evaluation.strains import STRAINS

FEATURES = 20
"""Features that are strained one by one, the most important first; each costs four passes over the rows."""

ROWS = 2_000
"""Rows that are strained."""

MOVED = 0.1
"""A number has changed when it moved by more than so many standard deviations of all answers."""

ALL = ("*",)
ALONE = frozenset({"scaled", "swapped"})
"""Strains that befall one column at a time."""

Answer = Callable[[pl.DataFrame], Array]
"""Raw feature rows to the candidate's answers, shape (rows,) or (rows, classes)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """One strain that a gate asks for; `feature` "" = all at once, or each one for strains of one column."""

    to: str
    severity: float
    feature: str = ""


def stressed(
    frame: pl.DataFrame,
    y: Array,
    answer: Answer,
    *,
    fields: Sequence[Field],
    reference: pl.DataFrame,
    task: Task,
    metrics: Sequence[str],
    clusters: NDArray | None,
    wanted: Sequence[Wanted] = (),
    seed: int = 0,
    given: Given = PLAIN,
) -> tuple[Mapping[str, Estimate], tuple[Strain, ...]]:
    """Strain the inputs and tell how far each metric falls, paired on the same rows.

    All features at once at three severities, single ones at the middle one, the first `FEATURES`
    of `fields` only; what a gate asks for in any case.

    Args:
        frame: Raw rows with the columns of `fields`, at most about `ROWS` of them.
        fields: The features, the most important first.
        reference: Rows that tell the spread of a column.
        clusters, given: As in `estimate`.

    Returns:
        Each metric without any strain, and the strains.
    """
    base = answer(frame)
    marks = {name: estimate(name, y, base, task=task, seed=seed, clusters=clusters, given=given) for name in metrics}
    found: list[Strain] = []
    for to, severity, chosen, named in _planned(fields, wanted):
        random = np.random.default_rng([seed, len(found)])
        try:
            strained = answer(STRAINS[to][0](frame, chosen, severity, reference, random))
        except Exception as error:  # noqa: BLE001 - the user's own transforms meet such inputs here before a request does; it is told
            note = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"[:300]
            lost = unknown(frame.height, 0.95)
            found += [
                Strain(to=to, features=named, severity=severity, fall=lost, changed=math.nan, metric=name, note=note) for name in metrics
            ]
            continue
        moved = float(changed(base, strained, task, given.threshold).mean())
        for name in metrics:
            fall = compare(name, y, base, strained, task=task, seed=seed, clusters=clusters, given=given)
            found.append(Strain(to=to, features=named, severity=severity, fall=fall, changed=moved, metric=name))
    return marks, tuple(found)


def changed(before: Array, after: Array, task: Task, threshold: float = THRESHOLD) -> NDArray[np.bool_]:
    """Which answers changed: to another class, or by more than a little where numbers are answered."""
    if before.ndim == 2:
        return before.argmax(axis=1) != after.argmax(axis=1)
    if task is Task.BINARY:
        return (before >= threshold) != (after >= threshold)
    return np.abs(after - before) > MOVED * before.std()


def _planned(fields: Sequence[Field], wanted: Sequence[Wanted]) -> Iterator[tuple[str, float, Sequence[Field], tuple[str, ...]]]:
    """What is strained, each once: the strain, its severity, the fields, and how they are named."""
    told: set[tuple[str, float, tuple[str, ...]]] = set()
    for to, severity, chosen, named in (*_usual(fields), *_asked(fields, wanted)):
        if chosen and (to, severity, named) not in told:
            told.add((to, severity, named))
            yield to, severity, chosen, named


def _usual(fields: Sequence[Field]) -> Iterator[tuple[str, float, Sequence[Field], tuple[str, ...]]]:
    for to, (_, severities, _) in STRAINS.items():
        fit = _fit(fields, to)
        if to not in ALONE:
            yield from ((to, severity, fit, ALL) for severity in severities)
        yield from _one_by_one(to, SEVERITY[to], fit[:FEATURES])


def _asked(fields: Sequence[Field], wanted: Sequence[Wanted]) -> Iterator[tuple[str, float, Sequence[Field], tuple[str, ...]]]:
    for want in wanted:
        fit = [field for field in _fit(fields, want.to) if want.feature in ("", field.name) or want.to == "swapped"]
        if want.feature or want.to in ALONE:
            yield from (one for one in _one_by_one(want.to, want.severity, fit) if want.feature in ("", *one[3]))
        else:
            yield want.to, want.severity, fit, ALL


def _one_by_one(to: str, severity: float, fit: Sequence[Field]) -> Iterator[tuple[str, float, Sequence[Field], tuple[str, ...]]]:
    """Each field alone; for a swap, each with the next."""
    groups: Sequence[Sequence[Field]] = list(pairwise(fit)) if to == "swapped" else [[field] for field in fit]
    yield from ((to, severity, group, tuple(field.name for field in group)) for group in groups)


def _fit(fields: Sequence[Field], to: str) -> list[Field]:
    return [field for field in fields if field.kind in STRAINS[to][2]]
