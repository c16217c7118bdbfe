"""Holds a dataset version against what was expected of it, before anything is trained on it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

import polars as pl

from noria.core.data import DatasetVersion, ExpectationReport, Miss
from noria.core.declaration.dataset import Expectation
from noria.core.errors import bounded
from noria.core.moments import from_ms, spoken, to_ms
from noria.core.schema import Kind
from noria.packaging.encoding import kind_of
from noria.ports.blobs import Blobs
from noria.ports.tables import scan

_EXAMPLES = 5
_EXAMPLE_CHARACTERS = 80
_TEXT_LIMIT = 2_000

_Check = Callable[[pl.Series, Expectation, datetime], Miss | None]


def check(version: DatasetVersion, expectations: Sequence[Expectation], *, blobs: Blobs, at: datetime) -> ExpectationReport:
    """Check every expectation on every row of the version; `at` is the event time that freshness is held against.

    Missing values only count for "not-null". A column that is not there, or of a kind that a
    check does not fit, is a miss.
    """
    held = [field.name for field in version.schema]
    wanted = [name for name in dict.fromkeys(e.column for e in expectations) if name in held]
    rows = scan(version, blobs=blobs, columns=wanted).collect() if wanted else pl.DataFrame()
    found = (_one(rows, expectation, at) for expectation in expectations)
    return ExpectationReport(dataset=version.name, checked=len(expectations), misses=tuple(miss for miss in found if miss is not None))


def describe(report: ExpectationReport) -> str:
    """The report as a few lines for a person, bounded however many misses there are."""
    if report.passed:
        return f"{report.dataset}: all {report.checked} expectations met"
    lines = [f"{report.dataset}: {len(report.misses)} of {report.checked} expectations missed"]
    for miss in report.misses:
        examples = f" (for example {', '.join(miss.examples)})" if miss.examples else ""
        lines.append(f"  {miss.column}: expected {miss.expectation}; {miss.found}{examples}")
    return bounded("\n".join(lines), _TEXT_LIMIT)


def _one(rows: pl.DataFrame, expectation: Expectation, at: datetime) -> Miss | None:
    if expectation.column not in rows.columns:
        return _miss(expectation, "there is no such column", 0)
    return _CHECKS[expectation.check](rows[expectation.column], expectation, at)


def _not_null(column: pl.Series, expectation: Expectation, at: datetime) -> Miss | None:
    return _beyond_share(expectation, column.null_count(), column.len(), "have no value")


def _between(column: pl.Series, expectation: Expectation, at: datetime) -> Miss | None:
    if not column.dtype.is_numeric():
        return _miss(expectation, f"the column holds {kind_of(column.dtype)}, not numbers", column.len())
    outside = pl.lit(False)
    if expectation.low is not None:
        outside = outside | (pl.col(column.name) < expectation.low)
    if expectation.high is not None:
        outside = outside | (pl.col(column.name) > expectation.high)
    wrong = column.to_frame().filter(outside)[column.name]
    return _beyond_share(expectation, wrong.len(), column.len(), "are outside", wrong)


def _one_of(column: pl.Series, expectation: Expectation, at: datetime) -> Miss | None:
    values = column.drop_nulls()
    wrong = values.filter(~values.is_in(_listed(column, expectation.values)))
    return _beyond_share(expectation, wrong.len(), column.len(), "are none of them", wrong)


def _listed(column: pl.Series, texts: Sequence[str]) -> pl.Series:
    """The expected values, in the column's own type; those that do not fit it match nothing."""
    wanted = pl.Series(texts, dtype=pl.String)
    if column.dtype == pl.Boolean:
        return wanted.str.to_lowercase().replace_strict({"true": True, "false": False}, default=None, return_dtype=pl.Boolean)
    if column.dtype.is_integer():
        return wanted.cast(pl.Float64, strict=False).cast(column.dtype, strict=False)
    return wanted.cast(column.dtype, strict=False)


def _unique(column: pl.Series, expectation: Expectation, at: datetime) -> Miss | None:
    values = column.drop_nulls()
    extra = values.len() - values.n_unique()
    return _beyond_share(expectation, extra, column.len(), "repeat a value", values.filter(values.is_duplicated()) if extra else None)


def _kind(column: pl.Series, expectation: Expectation, at: datetime) -> Miss | None:
    found = kind_of(column.dtype)
    return None if found == expectation.kind else _miss(expectation, f"the column holds {found}", column.len())


def _fresh(column: pl.Series, expectation: Expectation, at: datetime) -> Miss | None:
    if kind_of(column.dtype) is not Kind.TIME:
        return _miss(expectation, f"the column holds {kind_of(column.dtype)}, not times", column.len())
    newest = column.to_physical().max()
    if newest is None:
        return _miss(expectation, "there is no time in it", column.len())
    assert isinstance(newest, int)
    assert expectation.within is not None
    age = from_ms(to_ms(at)) - from_ms(newest)
    return None if age <= expectation.within else _miss(expectation, f"the newest is {spoken(age)} old: {from_ms(newest).isoformat()}", 1)


_CHECKS: Mapping[str, _Check] = {
    "not-null": _not_null,
    "between": _between,
    "one-of": _one_of,
    "unique": _unique,
    "kind": _kind,
    "fresh": _fresh,
}


def _beyond_share(expectation: Expectation, wrong: int, rows: int, what: str, values: pl.Series | None = None) -> Miss | None:
    if wrong <= expectation.share * rows:
        return None
    return _miss(expectation, f"{wrong} of {rows} rows {what} ({wrong / rows:.2%}, allowed {expectation.share:.2%})", wrong, values)


def _miss(expectation: Expectation, found: str, rows: int, values: pl.Series | None = None) -> Miss:
    distinct = [] if values is None else values.unique(maintain_order=True).head(_EXAMPLES).to_list()
    return Miss(
        expectation=_in_words(expectation),
        column=expectation.column,
        found=found,
        rows=rows,
        examples=tuple(_short(repr(value)) for value in distinct),
    )


def _in_words(expectation: Expectation) -> str:
    match expectation.check:
        case "not-null":
            return "a value"
        case "between":
            low = "-∞" if expectation.low is None else f"{expectation.low:g}"
            high = "∞" if expectation.high is None else f"{expectation.high:g}"
            return f"between {low} and {high}"
        case "one-of":
            return _short(f"one of {', '.join(expectation.values)}")
        case "unique":
            return "no value twice"
        case "kind":
            return f"kind {expectation.kind}"
        case _:
            return f"at most {spoken(expectation.within)} old" if expectation.within is not None else "fresh"


def _short(text: str) -> str:
    return text if len(text) <= _EXAMPLE_CHARACTERS else text[: _EXAMPLE_CHARACTERS - 1] + "…"
