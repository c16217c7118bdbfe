"""Cuts a feature set along time: rows that train, newer ones that tune, the newest that judge."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import polars as pl

from noria.core.declaration.training import Split
from noria.core.errors import DataInvalid
from noria.core.schema import Kind, Task
from noria.core.training import FeatureSet
from noria.packaging.encoding import encode

VALID_SHARE = 0.15
"""Newest share of the training rows that tuning and early stopping look at."""

KEY, TIME, LABEL, GROUP = "__key", "__time", "__label", "__group"


def for_tuning(feature_set: FeatureSet, frame: pl.DataFrame) -> Split:
    """Training rows in time order: the older 85 % as X, the newest 15 % as X_valid.

    Raises:
        DataInvalid: fewer than two rows to train on, or labels that are not numbers.
    """
    rows = before_judging(feature_set, frame)
    cut = min(max(1, round(rows.height * (1 - VALID_SHARE))), rows.height - 1)
    cut = _between_queries(rows, cut) if feature_set.task is Task.RANKING else cut
    if cut < 1:
        raise DataInvalid(f"{rows.height} rows before {feature_set.train_until} are too few to tune on", fix="take more data")
    newer = _side_by_side(rows[cut:]) if feature_set.task is Task.RANKING else rows[cut:]
    return of_rows(feature_set, rows[:cut], newer)


def for_training(feature_set: FeatureSet, frame: pl.DataFrame) -> Split:
    """Every row before the judging ones, in time order, without a validation part.

    Raises:
        DataInvalid: there is no row to train on, or labels are not numbers.
    """
    rows = before_judging(feature_set, frame)
    if rows.is_empty():
        raise DataInvalid(f"no row is older than {feature_set.train_until}", fix="take more data, or a smaller `test` share")
    return of_rows(feature_set, rows, None)


def holdout(feature_set: FeatureSet, frame: pl.DataFrame) -> tuple[np.ndarray, np.ndarray, pl.DataFrame]:
    """Matrix, labels and raw rows of the newest rows, which judge and never train, in time order."""
    rows = _in_order(frame).filter(pl.col(TIME) >= _as_stored(frame, feature_set.train_until))
    return encode(rows, feature_set.features), labels(rows, feature_set.task), rows


def as_of(
    feature_set: FeatureSet,
    frame: pl.DataFrame,
    *,
    until: datetime,
    start: datetime,
    end: datetime | None = None,
    since: datetime | None = None,
) -> tuple[Split, pl.DataFrame]:
    """The split as it would have been at an earlier moment, and the raw rows that judge it.

    Args:
        until: Rows before this moment (and not before `since`) train: X, y.
        start, end: Rows from `start` on, and before `end`, judge: X_valid, y_valid.

    Raises:
        DataInvalid: no row trains or no row judges.
    """
    rows = _in_order(frame)
    time = pl.col(TIME)
    older = rows.filter(time < _as_stored(frame, until), time >= _as_stored(frame, since or feature_set.start))
    newer = rows.filter(time >= _as_stored(frame, start), *([time < _as_stored(frame, end)] if end is not None else []))
    if older.is_empty() or newer.is_empty():
        raise DataInvalid(f"{older.height} rows before {until} and {newer.height} from {start} on are too few", fix="take more data")
    return of_rows(feature_set, older, newer), newer


def labels(frame: pl.DataFrame, task: Task) -> np.ndarray:
    """The label column, which the features station has turned into numbers: float64 for regression, else int64 codes.

    Raises:
        DataInvalid: a label is missing, or not a number.
    """
    column = frame[LABEL]
    if column.null_count() or not (column.dtype.is_numeric() or column.dtype == pl.Boolean):
        raise DataInvalid(
            f"labels are {column.dtype} with {column.null_count()} missing, not numbers", fix="assemble the feature set again"
        )
    return column.cast(pl.Float64 if task.numeric else pl.Int64).to_numpy().copy()


def of_rows(feature_set: FeatureSet, rows: pl.DataFrame, newer: pl.DataFrame | None) -> Split:
    """Raw rows, in time order, as a train function sees them; `newer` ones as its validation part."""
    features = feature_set.features
    if feature_set.task is Task.RANKING:
        rows = _side_by_side(rows)
    return Split(
        X=encode(rows, features),
        y=labels(rows, feature_set.task),
        columns=tuple(feature.name for feature in features),
        categorical=tuple(place for place, feature in enumerate(features) if feature.kind is Kind.TEXT),
        frame=rows,
        X_valid=None if newer is None else encode(newer, features),
        y_valid=None if newer is None else labels(newer, feature_set.task),
        groups=groups(rows),
        groups_valid=None if newer is None else groups(newer),
    )


def groups(rows: pl.DataFrame) -> np.ndarray | None:
    """Which rows belong together, as codes from 0 in the order of their first row, shape (rows,); None where none do."""
    if GROUP not in rows.columns:
        return None
    names = rows[GROUP].cast(pl.String).fill_null("")
    order = names.unique(maintain_order=True)
    return names.replace_strict(order, pl.Series(range(order.len()), dtype=pl.Int64), return_dtype=pl.Int64).to_numpy()


def _side_by_side(rows: pl.DataFrame) -> pl.DataFrame:
    """The same rows with those of one query together, queries in the order of their first row."""
    codes = groups(rows)
    return rows if codes is None else rows[np.argsort(codes, kind="stable")]


def _between_queries(rows: pl.DataFrame, cut: int) -> int:
    """The first row of the moment at `cut`: what was asked at once is not torn apart."""
    before = int((rows[TIME] < rows[TIME][cut]).sum())
    return before or cut


def before_judging(feature_set: FeatureSet, frame: pl.DataFrame) -> pl.DataFrame:
    """Raw rows that train, or choose what training does not, in time order."""
    return _in_order(frame).filter(pl.col(TIME) < _as_stored(frame, feature_set.train_until))


def _in_order(frame: pl.DataFrame) -> pl.DataFrame:
    return frame if frame[TIME].is_sorted() else frame.sort(TIME, maintain_order=True)


def _as_stored(frame: pl.DataFrame, moment: datetime) -> pl.Expr:
    return (
        pl.lit(moment).cast(frame.schema[TIME]) if getattr(frame.schema[TIME], "time_zone", None) else pl.lit(moment.replace(tzinfo=None))
    )
