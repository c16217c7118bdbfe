"""What is wrong about the label: features that know it, and rows that judge by another one."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from types import MappingProxyType

import numpy as np
import polars as pl

from noria.core.examination.leakage import Finding
from noria.core.schema import Estimate, Field, Task
from noria.stages.evaluation.intervals import critical, spread_of
from noria.stages.evaluation.leak_strength import strength
from noria.stages.evaluation.leak_table import LABEL, Table, blocks_of
from noria.stages.evaluation.measured import Array, mean_of

COPY = 0.99
"""From this strength on (0.995 for ROC AUC) a feature seems to know the label; honest ones reach an AUC of 0.95, seldom 0.98."""

ENOUGH, PERFECT = 100, 20
"""Rows beside the largest class that it takes to be sure of that, and where not one row is out of place. With
fewer, an honest feature of AUC 0.95 gets there by chance (measured: 1 in 60 with 30), so it is only told."""

STRONG: Mapping[Task, float] = MappingProxyType({Task.BINARY: 0.95})
"""A feature that is sure to be stronger than this is told; 0.9 for tasks that are not named."""

MOST_ROWS = 30_000
"""Rows of either side that a feature's strength is measured on."""

SHIFTED, SHIFTED_SD = 0.05, 0.25
"""A share of a class that is shown to have moved by more than this is told, and a mean by so many standard deviations."""


def copies(table: Table) -> Iterator[Finding]:
    """Features that know the label, alone, or whose absence does."""
    old, new = table.old.tail(MOST_ROWS), table.new.tail(MOST_ROWS)
    y_old, y_new = (rows[LABEL].cast(pl.Float64).to_numpy() for rows in (old, new))
    clusters = blocks_of(new)
    copy = 0.5 + COPY / 2.0 if table.task is Task.BINARY else COPY
    rarest = len(y_new) if table.task.numeric else len(y_new) - int(np.unique(y_new, return_counts=True)[1].max())
    strong = STRONG.get(table.task, 0.9)
    for one in table.fields:
        mark = strength(old[one.name], new[one.name], y_old, y_new, task=table.task, clusters=clusters)
        knows = mark.value >= copy
        if knows or mark.low > strong:
            yield Finding(
                check="label-copy",
                severity="stop" if knows and rarest >= (PERFECT if mark.value >= 1.0 else ENOUGH) else "warn",
                column=one.name,
                said=f"alone it tells the label with {_measure(table.task)} {mark.value:.4f} [{mark.low:.4f}, {mark.high:.4f}]",
                mend="take it out if it is only known afterwards, or was made from the label",
                numbers={"strength": mark.value, "low": mark.low, "high": mark.high},
            )
        if one.name in table.late and (knows or mark.low > 0.9):
            yield _known_late(one, table.late[one.name], mark, table.task)


def _measure(task: Task) -> str:
    return "ROC AUC" if task is Task.BINARY else "R²" if task.numeric else "skill"


def _known_late(one: Field, view: str, mark: Estimate, task: Task) -> Finding:
    return Finding(
        check="known-late",
        severity="warn",
        column=one.name,
        said=f"it is strong ({_measure(task)} {mark.value:.3f}), and the dataset of {view!r} does not say when its rows became known",
        mend="name the column with that moment: `nr.Dataset(…, known=…)`",
        numbers={"strength": mark.value},
    )


def target_drift(table: Table) -> Iterator[Finding]:
    """A label that is shown to be another one in the rows that judge; for classes, the one that moved most."""
    old, new = (rows[LABEL].cast(pl.Float64).to_numpy() for rows in (table.old, table.new))
    limit = SHIFTED_SD if table.task.numeric else SHIFTED
    if table.task.numeric:
        sd = float(old.std()) or 1.0
        moved = [("mean", old / sd, new / sd)]
    else:
        kinds = np.unique(old) if table.task is Task.MULTICLASS else np.array([1.0])
        moved = [(f"share of class {kind:g}", (old == kind).astype(np.float64), (new == kind).astype(np.float64)) for kind in kinds[:50]]
    told = [(name, *_shift(was, now, table)) for name, was, now in moved if len(was) > 1 and len(now) > 1]
    shown = [one for one in told if abs(one[1]) - one[2] > limit]
    if shown:
        name, by, reach = max(shown, key=lambda one: abs(one[1]))
        yield Finding(
            check="target-drift",
            severity="warn",
            column=LABEL.strip("_"),
            said=f"the {name} moved by {by:+.3f} ± {reach:.3f} between the rows that train and those that judge",
            mend="a shorter retrain window may be nearer to what comes",
            numbers={"moved": by, "reach": reach},
        )


def _shift(was: Array, now: Array, table: Table) -> tuple[float, float]:
    """By how much a mean moved, and the reach of its interval (rows of one day are not taken as independent)."""
    spreads = [spread_of(mean_of(y).influence, None, blocks_of(rows)) for y, rows in ((was, table.old), (now, table.new))]
    freedom = min(spread.freedom for spread in spreads)
    return float(now.mean() - was.mean()), critical(0.95, freedom) * math.hypot(*(spread.se for spread in spreads))
