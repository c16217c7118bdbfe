"""The prediction log as tables: what was answered, what came of it, and both joined."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal

import polars as pl

from noria.core.moments import from_ms, to_ms
from noria.core.traffic import Role
from noria.stages.serving.compaction import Arrived, Compacted, compact, tidy
from noria.stages.serving.log_tables import BUSINESS, OUTCOME_COLUMNS, PREDICTION_COLUMNS, TOLD
from noria.stages.serving.parts import EXPLANATIONS, LISTINGS, OUTCOMES, PREDICTIONS, Part, parts, relisted

__all__ = ["Arrived", "Compacted", "business", "compact", "explanation", "find", "labelled", "outcomes", "predictions", "tidy"]

_EARLY_OUTCOME = timedelta(days=1)


def predictions(
    folder: Path,
    deployment: str,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    roles: Sequence[Role] | None = None,
    versions: Sequence[int] | None = None,
    columns: Sequence[str] | None = None,
) -> pl.DataFrame:
    """Predictions with since ≤ time < until, ordered by time, one per (request_id, role).

    Args:
        columns: Only these, in this order; one that no part has is null throughout.
    """
    wanted = None if columns is None else {*columns, "request_id", "role", "time", "version"}
    table = _read(lambda: parts(folder / deployment / PREDICTIONS), since, until, wanted)
    if table is None:
        table = pl.DataFrame(schema=dict(PREDICTION_COLUMNS))
    if roles is not None:
        table = table.filter(pl.col("role").is_in([str(role) for role in roles]))
    if versions is not None:
        table = table.filter(pl.col("version").is_in(list(versions)))
    table = table.unique(["request_id", "role"], keep="first", maintain_order=True).sort("time", maintain_order=True)
    return table if columns is None else _with_columns(table, columns)


def outcomes(
    folder: Path,
    deployment: str,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    keep: Literal["first", "last"] = "last",
) -> pl.DataFrame:
    """Outcomes with since ≤ time < until, one per request id: the last that was told, or the first.

    With `until` it is what was known at that moment: an outcome that was revised later has its old value.
    """
    table = _in_order(_read(lambda: _as_told(parts(folder / deployment / OUTCOMES)), since, until, None))
    if table is None:
        return pl.DataFrame(schema=dict(OUTCOME_COLUMNS))
    plain = table.select(name for name in table.columns if not name.startswith(BUSINESS))
    return plain.drop_nulls("value").unique("request_id", keep=keep, maintain_order=True)


def business(folder: Path, deployment: str, *, since: datetime | None = None, until: datetime | None = None) -> pl.DataFrame:
    """Numbers of the business that were told in that time: `request_id`, and a column for each name; the last one told counts."""
    table = _in_order(_read(lambda: _as_told(parts(folder / deployment / OUTCOMES)), since, until, None))
    if table is None:
        return pl.DataFrame(schema={"request_id": pl.String})
    named = [name for name in table.columns if name.startswith(BUSINESS)]
    last = (pl.col(name).drop_nulls().last().alias(name.removeprefix(BUSINESS)) for name in named)
    return table.group_by("request_id", maintain_order=True).agg(*last)


def newest(folder: Path, deployment: str, *, until: datetime, rows: int) -> datetime:
    """The moment from which on about the newest `rows` predictions before `until` lie, by the names of the files alone."""
    start, held = until, 0
    for part in sorted(parts(folder / deployment / PREDICTIONS), key=lambda part: part.start_ms, reverse=True):
        if part.start_ms < to_ms(until):
            if held and held + part.rows > rows:
                break
            start, held = min(start, from_ms(part.start_ms)), held + part.rows
    return start


def labelled(
    folder: Path,
    deployment: str,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    roles: Sequence[Role] | None = None,
    versions: Sequence[int] | None = None,
    columns: Sequence[str] | None = None,
    known_by: datetime | None = None,
) -> pl.DataFrame:
    """Predictions of that time whose outcome is known, with the column `outcome`.

    An outcome may come at any time after its prediction, and carry a time up to a day before it.

    Args:
        known_by: Only outcomes of before this moment; None = all that are known now.
    """
    wanted = None if columns is None else [*columns, *({"request_id"} - set(columns))]
    answered = predictions(folder, deployment, since=since, until=until, roles=roles, versions=versions, columns=wanted)
    known = outcomes(folder, deployment, since=None if since is None else since - _EARLY_OUTCOME, until=known_by)
    joined = answered.join(known.select("request_id", outcome="value"), on="request_id", how="inner", maintain_order="left")
    return joined if columns is None else joined.select([*columns, "outcome"])


def find(folder: Path, deployment: str, request_id: str) -> pl.DataFrame:
    """Every answer to one request, the newest part of the log first; no rows when it is not there.

    Parts are asked one by one, and hold the smallest and the largest id of each row group, so most
    of them are not read.
    """
    for _ in range(LISTINGS):
        try:
            for part in reversed(parts(folder / deployment / PREDICTIONS)):
                found = pl.scan_parquet(part.path).filter(pl.col("request_id") == request_id).collect()
                if found.height:
                    return found.unique(["request_id", "role"], keep="first", maintain_order=True)
        except FileNotFoundError:
            continue
        break
    return pl.DataFrame(schema=dict(PREDICTION_COLUMNS))


def explanation(folder: Path, deployment: str, request_id: str) -> str | None:
    """The newest explanation of one request that was kept with it, as JSON; None when there is none."""

    def newest() -> str | None:
        for part in reversed(parts(folder / deployment / EXPLANATIONS)):
            found = pl.scan_parquet(part.path).filter(pl.col("request_id") == request_id).select("explanation").collect()
            if found.height:
                return str(found["explanation"][-1])
        return None

    return relisted(newest)


def _read(
    found: Callable[[], Sequence[Part]], since: datetime | None, until: datetime | None, wanted: set[str] | None
) -> pl.DataFrame | None:
    """The rows of a span; parts that were merged between listing and reading are looked up again."""
    return relisted(lambda: _rows_within(found(), since, until, wanted))


def _rows_within(found: Sequence[Part], since: datetime | None, until: datetime | None, wanted: set[str] | None) -> pl.DataFrame | None:
    """The rows of a span, from the parts whose names reach into it; None when there is no such part."""
    low = None if since is None else to_ms(since)
    high = None if until is None else to_ms(until)
    tables = []
    for part in found:
        if (low is not None and part.end_ms < low) or (high is not None and part.start_ms >= high):
            continue
        within: list[pl.Expr] = []
        if low is not None and part.start_ms < low:
            within.append(pl.col("time") >= since)
        if high is not None and part.end_ms >= high:
            within.append(pl.col("time") < until)
        tables.append(_rows(part.path, wanted, within))
    return pl.concat(tables, how="diagonal_relaxed") if tables else None


def _rows(path: Path, wanted: set[str] | None, within: Sequence[pl.Expr]) -> pl.DataFrame:
    """A part's rows; only one that the span cuts pays for a scan with a filter."""
    names = None if wanted is None else [name for name in pl.read_parquet_schema(path) if name in wanted]
    if not within:
        return pl.read_parquet(path, columns=names, use_statistics=False)
    lazy = pl.scan_parquet(path).filter(*within)
    return (lazy if names is None else lazy.select(names)).collect()


def _with_columns(table: pl.DataFrame, columns: Sequence[str]) -> pl.DataFrame:
    missing = [pl.lit(None, dtype=PREDICTION_COLUMNS.get(name)).alias(name) for name in columns if name not in table.columns]
    return table.with_columns(missing).select(columns)


def _in_order(outcomes: pl.DataFrame | None) -> pl.DataFrame | None:
    """Outcomes in the order in which they were told, also where several processes took them at the same time; without `TOLD`."""
    if outcomes is None or TOLD not in outcomes.columns:
        return outcomes
    in_order = outcomes if outcomes[TOLD].is_sorted() else outcomes.sort(TOLD, nulls_last=False, maintain_order=True)
    return in_order.drop(TOLD)


def _as_told(found: Sequence[Part]) -> list[Part]:
    """Parts in the order in which their rows were told: source by source, and byte by byte within one."""
    began: dict[str, int] = {}
    for part in found:
        began[part.source] = min(began.get(part.source, part.start_ms), part.start_ms)
    return sorted(found, key=lambda part: (began[part.source], part.source, part.begin))
