"""Points of metrics: logged one by one or by the thousand, read whole, paged, or thinned for a plot."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Sequence

from noria.core.errors import RequestInvalid
from noria.core.tracking import Point
from noria.ledger.tracking.rules import check_key
from noria.ports.sql import Row, Sql, Tx

LARGEST = 1.7976931348623157e308
"""What an infinity is kept as: JSON has none."""

PAGE = 25_000
_ORDER = "at_ms, step, value, nan"

_ADD = "INSERT INTO noria_points VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
_LATEST = """INSERT INTO noria_latest VALUES (?, ?, ?, ?, ?, ?)
    ON CONFLICT (run, metric) DO UPDATE SET value = excluded.value, nan = excluded.nan, step = excluded.step, at_ms = excluded.at_ms
    WHERE (excluded.step, excluded.at_ms, excluded.value) > (noria_latest.step, noria_latest.at_ms, noria_latest.value)"""


def log(tx: Tx, row: int, points: Sequence[Point]) -> None:
    """Add points to a run; one that is there already changes nothing.

    Raises:
        RequestInvalid: a key is not allowed.
    """
    numbers = {key: number_of(tx, key) for key in {point.key for point in points}}
    rows = [
        (row, numbers[key], at_ms, step, value, 0) if -LARGEST <= value <= LARGEST else (row, numbers[key], at_ms, step, *_kept(value))
        for key, value, step, at_ms in points
    ]
    newest: dict[int, tuple[int, int, float, int]] = {}
    for _, number, at_ms, step, value, nan in rows:
        held = newest.get(number)
        if held is None or (step, at_ms, value) >= held[:3]:
            newest[number] = (step, at_ms, value, nan)
    latest = [(row, number, value, nan, step, at_ms) for number, (step, at_ms, value, nan) in newest.items()]
    if len(rows) == 1:
        tx.run(_ADD, rows[0])
        tx.run(_LATEST, latest[0])
        return
    tx.many(_ADD, rows)
    tx.many(_LATEST, latest)


def history(sql: Sql, row: int, key: str, *, limit: int = PAGE, after: str = "") -> tuple[list[Point], str]:
    """A page of a metric's points in order of time, step and value, and the token of the next page ("" = that was all).

    Raises:
        RequestInvalid: the token is none of ours.
    """
    rows, token = history_rows(sql, row, key, limit=limit, after=after)
    return [Point(key, math.nan if nan else value, step, at_ms) for at_ms, step, value, nan in rows], token


def history_rows(sql: Sql, row: int, key: str, *, limit: int = PAGE, after: str = "") -> tuple[list[Row], str]:
    """As `history`, but (at_ms, step, value, nan) without an object each: histories have millions of points.

    Raises:
        RequestInvalid: the token is none of ours.
    """
    where, args = "", []
    if after:
        where, args = f" AND ({_ORDER}) > (?, ?, ?, ?)", _place(after)
    query = f"""SELECT {_ORDER} FROM noria_points WHERE run = ? AND metric = (SELECT id FROM noria_metric_names WHERE name = ?){where}
        ORDER BY {_ORDER} LIMIT ?"""
    rows = sql.read(query, [row, key, *args, limit + 1])
    if len(rows) <= limit:
        return rows, ""
    return rows[:limit], base64.urlsafe_b64encode(json.dumps(rows[limit - 1]).encode()).decode()


def thinned(sql: Sql, rows: Sequence[int], key: str, *, first: int | None, last: int | None, most: int) -> dict[int, list[Point]]:
    """Points of some steps of each run, by row: all steps where there are at most `most`, else that many, evenly, with both ends.

    Args:
        first, last: Steps to stay between, inclusive; None = from the beginning, to the end.
    """
    number = sql.read("SELECT id FROM noria_metric_names WHERE name = ?", (key,))
    if not number:
        return {row: [] for row in rows}
    between = ""
    bounds: list[int] = []
    for bound, sign in ((first, ">="), (last, "<=")):
        if bound is not None:
            between, bounds = f"{between} AND step {sign} ?", [*bounds, bound]
    found = {}
    for row in rows:
        source, args = f"FROM noria_points WHERE run = ? AND metric = ?{between}", [row, number[0][0], *bounds]
        rows_found = _shown(sql, source, args, most)
        found[row] = [Point(key, math.nan if nan else value, step, at_ms) for at_ms, step, value, nan in rows_found]
    return found


def number_of(tx: Tx, key: str) -> int:
    """The number of a metric's name, which it gets when it is logged first.

    Raises:
        RequestInvalid: the name is not allowed.
    """
    rows = tx.run("SELECT id FROM noria_metric_names WHERE name = ?", (key,))
    if not rows:
        check_key(key)
        rows = tx.run("INSERT INTO noria_metric_names (name) VALUES (?) ON CONFLICT DO NOTHING RETURNING id", (key,))
    return int((rows or tx.run("SELECT id FROM noria_metric_names WHERE name = ?", (key,)))[0][0])


def _kept(value: float) -> tuple[float, int]:
    """What is kept of a NaN or an infinity, and whether it was a NaN."""
    return (0.0, 1) if value != value else (math.copysign(LARGEST, value), 0)


def _shown(sql: Sql, source: str, args: Sequence[int], most: int) -> list[Row]:
    """The points that a plot shows, by step. What looks regular is not read whole to find their steps; if it was not, it is."""
    ((number, begin, end),) = sql.read(f"SELECT count(*), min(step), max(step) {source}", args)
    if number <= most:
        return sql.read(f"SELECT {_ORDER} {source} ORDER BY step, at_ms, value", args)
    guessed = _at(sql, source, args, _regular(number, begin, end, most))
    return guessed if len(guessed) == most else _at(sql, source, args, _chosen(sql, source, args, most))


def _at(sql: Sql, source: str, args: Sequence[int], steps: Sequence[int]) -> list[Row]:
    if not steps:
        return []
    query = f"SELECT {_ORDER} {source} AND step IN ({', '.join('?' * len(steps))}) ORDER BY step, at_ms, value"
    return sql.read(query, [*args, *steps])


def _regular(number: int, begin: int, end: int, most: int) -> list[int]:
    """Steps to show of a run that logged each step once, at equal distances; none = it did something else, as far as this tells."""
    stride, rest = divmod(end - begin, number - 1)
    return [] if rest or stride == 0 else [begin + stride * n for n in _evenly(range(number), most)]


def _chosen(sql: Sql, source: str, args: Sequence[int], most: int) -> list[int]:
    """Steps to show, whatever was logged: all of them are read."""
    return _evenly(sorted({step for (step,) in sql.read(f"SELECT step {source}", args)}), most)


def _evenly(steps: Sequence[int], most: int) -> list[int]:
    if len(steps) <= most:
        return list(steps)
    if most == 1:
        return [steps[0]]
    return [steps[round(n * (len(steps) - 1) / (most - 1))] for n in range(most)]


def _place(token: str) -> list[float]:
    try:
        at_ms, step, value, nan = json.loads(base64.urlsafe_b64decode(token))
        whole = [int(at_ms), int(step), int(nan)]
        if any(abs(number) >= 2**63 for number in whole):
            raise ValueError("no number of ours")
        return [whole[0], whole[1], float(value), whole[2]]
    except (ValueError, TypeError, OverflowError, RecursionError) as error:
        raise RequestInvalid("Invalid page token: it was not given by this server") from error
