"""Rows that are on both sides of the split, or contradict each other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import polars as pl

from noria.core.examination.leakage import Finding
from noria.stages.evaluation.leak_table import KEY, LABEL

RARE = 0.95
"""Where fewer than this share of training rows are unlike any other, rows repeat themselves by nature."""

COPIED_STOP, COPIED_WARN = 0.2, 0.01
KEYED_STOP = 0.05


def duplicates(trains: pl.DataFrame, judges: pl.DataFrame, features: Sequence[str]) -> Iterator[Finding]:
    """Judging rows that are among the training rows: by key, and by all that they say.

    Few columns of few values repeat by nature, and then training rows repeat each other as well. So
    copies count only where training rows hardly do: of rows with 95 % unlike any other, at most a
    tenth of the judging ones can be met again by chance, half of what stops.
    """
    columns = [*features, LABEL]
    keyed = _met_again(trains, judges, [KEY, *columns])
    if keyed >= COPIED_WARN:
        yield Finding(
            check="duplicates",
            severity="stop" if keyed >= KEYED_STOP else "warn",
            column="",
            said=f"{keyed:.1%} of the rows that judge were trained on: same key, same features, same label",
            mend="give each row its own key and keep it once",
            numbers={"share": keyed},
        )
        return
    alike = trains.select(columns).n_unique() / max(trains.height, 1)
    copied = _met_again(trains, judges, columns)
    if alike >= RARE and copied >= COPIED_WARN:
        yield Finding(
            check="duplicates",
            severity="stop" if copied >= COPIED_STOP else "warn",
            column="",
            said=f"{copied:.1%} of the rows that judge have a twin among those that train, though only {1 - alike:.1%} of these have one",
            mend="keep each row once, or all of its copies on one side of the split",
            numbers={"share": copied, "unlike any other": alike},
        )


def on_both_sides(trains: pl.Series, judges: pl.Series, *, declared: bool) -> Iterator[Finding]:
    """Values (keys, customers, devices) that a model can remember from training and meet again when judged."""
    known = judges.drop_nulls()
    share = float(known.is_in(trains.drop_nulls().unique().implode()).mean() or 0.0) if known.len() else 0.0  # type: ignore[arg-type]
    if share == 0.0 or (share < COPIED_WARN and not declared):
        return
    name = "the key" if trains.name == KEY else trains.name
    yield Finding(
        check="groups-on-both-sides",
        severity="stop" if declared else "warn",
        column="" if trains.name == KEY else trains.name,
        said=f"{share:.1%} of the rows that judge have a value of {name} that was trained on",
        mend="keep a group on one side, or say that it is meant to be so" if declared else "use a key that names a row, not a group",
        numbers={"share": share},
    )


def conflicting(frame: pl.DataFrame, features: Sequence[str]) -> Iterator[Finding]:
    """Rows with one key and the same features, but different labels."""
    groups = frame.group_by([KEY, *features]).agg(pl.col(LABEL).n_unique().alias("labels"), pl.len().alias("rows"))
    rows = int(groups.filter(pl.col("labels") > 1)["rows"].sum())
    share = rows / max(frame.height, 1)
    if share >= 0.001:
        yield Finding(
            check="conflicting-labels",
            severity="warn",
            column="",
            said=f"{rows:,} rows ({share:.1%}) agree in key and features with another row, and not in the label",
            mend="keep the label that was told last",
            numbers={"rows": float(rows), "share": share},
        )


def _met_again(trains: pl.DataFrame, judges: pl.DataFrame, columns: Sequence[str]) -> float:
    if not judges.height:
        return 0.0
    seen = trains.select(columns).unique()
    return judges.select(columns).join(seen, on=list(columns), how="semi", nulls_equal=True).height / judges.height
