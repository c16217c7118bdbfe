"""`noria.check_leakage` and `noria.check_fairness`: what a loop looks at in each turn, on any table, once."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
import polars as pl

from noria.checks.marks import answers, asked
from noria.checks.tables import open_tables
from noria.core.declaration.inspection import Leakage
from noria.core.errors import DataInvalid
from noria.core.examination.fairness import FairnessReport
from noria.core.examination.leakage import LeakageReport
from noria.core.schema import THRESHOLD, Task
from noria.packaging.encoding import learn_fields
from noria.ports.tables import TIME as MOMENT
from noria.stages.evaluation.fairness import examine
from noria.stages.evaluation.group_rates import Answers
from noria.stages.evaluation.leak_table import KEY, LABEL, TIME, Table
from noria.stages.evaluation.leakage import look_over
from noria.stages.features.labels import encoded
from noria.stages.monitoring.stability import debiased_psi


def check_leakage(
    train: Any,
    judge: Any,
    *,
    label: str,
    key: str = "",
    time: str = "",
    task: str = "",
    groups: Sequence[str] = (),
    ignore: Sequence[str] = (),
    allow: Sequence[str] = (),
) -> LeakageReport:
    """Look over the rows that train and those that judge: features that hold the label, rows on both sides, columns that cannot help.

    Args:
        train, judge: A path, glob or folder (Parquet, CSV, JSON lines, Arrow), or any Arrow-capable frame.
        label: The column with the outcome; rows without are left out.
        key: The column that names a row.
        time: The column with a row's time: rows of one day are not taken as independent then.
        task: "binary", "multiclass" or "regression"; found from the label when left out.
        groups: Columns whose values must not be on both sides; they are no features.
        ignore: Columns that are no features either.
        allow: What is meant to be so, as in `nr.Leakage`.

    Returns:
        All findings; `stops` are those that would end a turn.

    Raises:
        DataInvalid: a side cannot be read, a named column is not there, or the label has one class only.
    """
    tables = open_tables(train, judge, time=time, ignore=ignore)
    lacks = [name for name in (label, key, time, *groups) if name and name not in tables.kinds]
    if lacks:
        raise DataInvalid(f"there is no column {', '.join(map(repr, lacks))} on both sides, with the same kind")
    before, now = tables.before.drop_nulls(label), tables.now.drop_nulls(label)
    rows = pl.concat([side.select(list(tables.kinds)) for side in (before, now)])
    y, found, _ = encoded(rows[label], Task(task) if task else None)
    names = [name for name in tables.kinds if name not in (label, key, time, *groups)]
    frame = rows.select(names).with_columns(
        (rows[key].cast(pl.String) if key else pl.Series([str(row) for row in range(rows.height)], dtype=pl.String)).alias(KEY),
        (
            rows[time].cast(MOMENT) if time else pl.Series([datetime(1970, 1, 1, tzinfo=UTC)], dtype=MOMENT).new_from_index(0, rows.height)
        ).alias(TIME),
        y.alias(LABEL),
    )
    table = Table(frame=frame, trains=before.height, fields=learn_fields(frame, names), task=found, groups=rows.select(groups))
    return look_over(table, Leakage(allow=allow, groups=groups))


def check_fairness(
    rows: Any,
    columns: str | Sequence[str],
    *,
    label: str,
    score: str | Sequence[str],
    favourable: object = "",
    threshold: float = THRESHOLD,
    task: str = "",
    time: str = "",
    intersections: bool = True,
    min_rows: int = 100,
) -> FairnessReport:
    """Compare how groups are answered: rates of each, of their intersections, and the widest gaps with their intervals.

    Args:
        rows: A path, glob or folder, or any Arrow-capable frame, with outcomes and answers.
        columns: Columns that make the groups.
        label: The column with the outcome.
        score: The column with P(positive) or the number; for several classes one column for each, or the answered class.
        favourable: The class that is good to get; the positive class when left out.
        threshold: From this probability of the favourable class on, an answer counts as selected (two classes).
        task: "binary", "multiclass" or "regression"; found from the columns when left out.
        time: The column with a row's time: rows of one day are not taken as independent then.

    Raises:
        DataInvalid: the table cannot be read, a column is not there, or the favourable class is none of the label's.
    """
    named = [columns] if isinstance(columns, str) else list(columns)
    scores = [score] if isinstance(score, str) else list(score)
    frame = open_tables(rows, rows, time=time, columns=[*named, label, *scores, *([time] if time else [])]).before
    frame = frame.drop_nulls([label, *scores])
    wish = asked(frame, frame, label=label, scores=scores, task=task)
    told = answers(wish, frame, time)
    good = _favourable(favourable, wish.classes)
    return examine(
        frame,
        named,
        _selected(told.y, told.score, good, wish.classes, threshold),
        reference=frame,
        clusters=told.blocks,
        apart=lambda one, other: float(debiased_psi(one, other)),
        favourable=good,
        threshold=threshold,
        intersections=intersections,
        min_rows=min_rows,
    )


def _favourable(named: object, classes: Sequence[str]) -> str:
    if not classes:
        return ""
    good = str(named).lower() if isinstance(named, bool) else str(named) or (classes[1] if len(classes) == 2 else "")
    if good not in classes:
        raise DataInvalid(f"the favourable class {good!r} is none of {', '.join(classes)}", fix="name it: favourable=…")
    return good


def _selected(y: np.ndarray, score: np.ndarray, good: str, classes: Sequence[str], threshold: float) -> Answers:
    if not classes:
        return Answers(y=y, score=score, said=np.empty(0))
    place = classes.index(good)
    happened = (y == place).astype(np.float64)
    if score.ndim == 2:
        return Answers(y=happened, score=score[:, place], said=(score.argmax(axis=1) == place).astype(np.float64))
    chance = score if place == 1 else 1.0 - score
    return Answers(y=happened, score=chance, said=(chance >= threshold).astype(np.float64))
