"""What many runs hold, as rows: a page of a thousand runs has tens of thousands of values, too many for an object each."""

from __future__ import annotations

from collections.abc import Sequence

from noria.ports.sql import Row, Sql

_SOME = 1_000
_METRICS = (
    "SELECT l.run, n.name, l.value, l.nan, l.step, l.at_ms FROM noria_latest l JOIN noria_metric_names n ON n.id = l.metric WHERE l.run"
)


def params_of(sql: Sql, rows: Sequence[int]) -> dict[int, list[Row]]:
    """Parameters as (run, key, value), by the runs' numbers."""
    return _by_run(sql, "SELECT run, key, value FROM noria_params WHERE run", rows)


def tags_of(sql: Sql, rows: Sequence[int]) -> dict[int, list[Row]]:
    """Tags as (run, key, value), by the runs' numbers."""
    return _by_run(sql, "SELECT run, key, value FROM noria_tags WHERE run", rows)


def metrics_of(sql: Sql, rows: Sequence[int]) -> dict[int, list[Row]]:
    """Each metric's latest point as (run, key, value, nan, step, at_ms), by the runs' numbers."""
    return _by_run(sql, _METRICS, rows)


def _by_run(sql: Sql, select: str, rows: Sequence[int]) -> dict[int, list[Row]]:
    found: dict[int, list[Row]] = {row: [] for row in rows}
    for start in range(0, len(rows), _SOME):
        some = rows[start : start + _SOME]
        for row in sql.read(f"{select} IN ({', '.join('?' * len(some))})", some):
            found[row[0]].append(row)
    return found
