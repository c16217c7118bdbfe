"""Point-in-time join against bare DuckDB ASOF, in one run: `python bench/point_in_time.py [rows] [views]`."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

import duckdb
import numpy as np
import polars as pl

from noria.ports.tables import TIME
from noria.stages.features.join import point_in_time

SPAN_MS = 90 * 86_400_000
VALUES = 4
REPEATS = 3


def tables(rows: int, views: int) -> tuple[pl.DataFrame, list[pl.DataFrame]]:
    """Rows and views of the same length over 90 days; a tenth of each view is known up to a day late."""
    random = np.random.default_rng(7)
    entities = max(10, rows // 1_000)

    def moments() -> np.ndarray:
        return np.sort(random.integers(0, SPAN_MS, rows))

    def keys() -> pl.Series:
        return pl.Series(random.integers(0, entities, rows)).cast(pl.String)

    asking = pl.DataFrame({"key": keys(), "at": moments()}).with_columns(pl.col("at").cast(TIME))
    made = []
    for n in range(views):
        happened = moments()
        late = np.where(random.random(rows) < 0.1, random.integers(0, 86_400_000, rows), 0)
        values = {f"v{n}_{m}": random.normal(size=rows) for m in range(VALUES)}
        view = pl.DataFrame({"entity": keys(), "time": happened, "known": happened + late, **values})
        made.append(view.with_columns(pl.col("time", "known").cast(TIME)))
    return asking, made


def bare(asking: pl.DataFrame, views: list[pl.DataFrame]) -> pl.DataFrame:
    """What DuckDB does by itself: as-of on event time alone, blind to when a row became known."""
    connection = duckdb.connect()
    connection.register("asking", asking.to_arrow())
    for n, view in enumerate(views):
        connection.register(f"view_{n}", view.drop("known").to_arrow())
    joins = " ".join(f"asof left join view_{n} on asking.key = view_{n}.entity and asking.at >= view_{n}.time" for n in range(len(views)))
    columns = ", ".join(f"view_{n}.* exclude (entity, time)" for n in range(len(views)))
    return pl.DataFrame(connection.sql(f"select asking.*, {columns} from asking {joins}").to_arrow_table())


def ours(asking: pl.DataFrame, views: list[pl.DataFrame], known: str) -> pl.DataFrame:
    """The same with Noria's join; with `known` it also honours late rows."""
    for view in views:
        view = view if known else view.drop("known")
        asking = point_in_time(asking, view, row_key="key", row_time="at", entity="entity", time="time", known=known)
    return asking


def best_s(work: Callable[[], object]) -> float:
    """Seconds of the fastest of a few runs."""
    taken = []
    for _ in range(REPEATS):
        begin = time.perf_counter()
        work()
        taken.append(time.perf_counter() - begin)
    return min(taken)


def main() -> None:
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    views = int(sys.argv[2]) if len(sys.argv) > 2 else 3
    asking, made = tables(rows, views)
    duck_s = best_s(lambda: bare(asking, made))
    print(f"{rows:,} rows × {views} views of {rows:,} rows × {VALUES} columns")
    print(f"  DuckDB ASOF, event time only   {duck_s:7.3f} s")
    for name, known in (("Noria, event time only", ""), ("Noria, bitemporal", "known")):
        taken_s = best_s(lambda known=known: ours(asking, made, known))
        print(f"  {name:<30} {taken_s:7.3f} s   {taken_s / duck_s:.2f} × DuckDB")


if __name__ == "__main__":
    main()
