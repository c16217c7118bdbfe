"""Columns that cannot help a model: of the future, naming a row, or always the same."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from noria.core.examination.leakage import Finding
from noria.core.schema import Kind
from noria.stages.evaluation.leak_table import TIME, Table

ID_LIKE = 0.99
"""From this share of distinct values on, a column may name rows."""

FEWEST = 50


def from_the_future(table: Table) -> Iterator[Finding]:
    """Moments that lie after the row's own."""
    for one in table.fields:
        if one.kind is not Kind.TIME:
            continue
        later = (table.frame[one.name] > table.frame[TIME]).fill_null(False)
        share = float(later.mean() or 0.0)  # type: ignore[arg-type]
        if share > 0.0:
            yield Finding(
                check="from-the-future",
                severity="warn",
                column=one.name,
                said=f"in {share:.1%} of rows it is later than the row's own time",
                mend="take it out, unless it is a plan that is known beforehand",
                numbers={"share": share},
            )


def id_like(table: Table) -> Iterator[Finding]:
    """Texts and whole numbers that name a row: a model can only remember them."""
    for one in table.fields:
        known = table.old[one.name].drop_nulls()
        if one.kind not in (Kind.TEXT, Kind.INT) or known.len() < FEWEST or known.n_unique() < ID_LIKE * known.len():
            continue
        if one.kind is Kind.INT and not (known.is_sorted() or known.is_sorted(descending=True)):
            values = known.cast(pl.Float64).to_numpy()
            if values.max() - values.min() > 3.0 * len(values):
                continue
        yield Finding(
            check="id-like",
            severity="warn",
            column=one.name,
            said=f"it has {known.n_unique():,} values in {known.len():,} rows",
            mend="take it out: no new row has a value that was trained on",
            numbers={"distinct": float(known.n_unique()), "rows": float(known.len())},
        )


def constant(table: Table) -> Iterator[Finding]:
    """Columns with one value in all rows that train."""
    for one in table.fields:
        if table.old[one.name].n_unique() > 1:
            continue
        moves = table.new.height > 0 and table.new[one.name].n_unique() > 1
        yield Finding(
            check="constant",
            severity="warn",
            column=one.name,
            said="it has one value in all rows that train" + (", and others in those that judge" if moves else ""),
            mend="take it out, or widen the retrain window",
            numbers={"distinct when judged": float(table.new[one.name].n_unique() if table.new.height else 0)},
        )
