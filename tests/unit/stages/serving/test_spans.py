"""A span of the log read in pieces has the rows that the log has when it is read whole."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from noria.core.traffic import Role
from noria.stages.serving import log, spans
from noria.stages.serving.log_tables import MOMENT
from noria.stages.serving.parts import PREDICTIONS, Part

START = datetime(2026, 3, 1, tzinfo=UTC)
GIVEN = (Role.CHAMPION, Role.CHALLENGER, Role.FALLBACK)


def write(folder, number, rows, **columns):
    """A part of the log: (request, role, minutes after the start) for each row."""
    times = [START + timedelta(minutes=minute) for _, _, minute in rows]
    table = pl.DataFrame(
        {
            "request_id": [request for request, _, _ in rows],
            "role": [str(role) for _, role, _ in rows],
            "time": pl.Series(times, dtype=MOMENT),
            "version": [1] * len(rows),
            "answer": [0.5] * len(rows),
            **columns,
        }
    )
    start, end = (round(moment.timestamp() * 1000) for moment in (min(times), max(times)))
    part = Part(
        folder=folder / "late" / PREDICTIONS, start_ms=start, end_ms=end, rows=len(rows), source="one", begin=number, end=number + 1
    )
    part.folder.mkdir(parents=True, exist_ok=True)
    table.write_parquet(part.path)
    return part.path


@pytest.fixture
def folder(tmp_path):
    write(
        tmp_path,
        0,
        [("r1", Role.CHAMPION, 0), ("r2", Role.SHADOW, 1), ("r2", Role.CHAMPION, 1), ("r3", Role.CHALLENGER, 2)],
        **{"f:wind": [1.0, 9.0, 2.0, 3.0], "in:wind": [7.0] * 4},
    )
    write(
        tmp_path,
        1,
        [("r1", Role.CHAMPION, 3), ("r4", Role.FALLBACK, 4), ("r5", Role.CHAMPION, 99)],
        **{"in:wind": ["8", "4", "5"], "in:city": ["a", "b", "c"]},
    )
    return tmp_path


NAMES = {"wind": ("f:wind", "in:wind"), "city": ("f:city", "in:city"), "gone": ("f:gone", "in:gone")}


def read(found):
    held = {name: [] for name in NAMES}
    for piece in found.pieces(NAMES):
        for column in piece:
            held[column.name] += column.cast(pl.String).to_list()
    return held


def test_each_request_comes_once_with_what_the_model_saw(folder, monkeypatch):
    for rows, columns in ((100_000, 64), (2, 1)):
        monkeypatch.setattr(spans, "ROWS", rows)
        monkeypatch.setattr(spans, "COLUMNS", columns)
        found = spans.given(folder, "late", since=START, until=START + timedelta(hours=1), roles=GIVEN)
        assert read(found) == {"wind": ["1.0", "2.0", "3.0", "4"], "city": [None, None, None, "b"], "gone": [None] * 4}
        assert found.rows["version"].to_list() == [1] * 4


def test_it_counts_the_requests_that_the_whole_log_has(folder):
    whole = log.predictions(folder, "late", since=START, until=START + timedelta(hours=2), roles=GIVEN)
    found = spans.given(folder, "late", since=START, until=START + timedelta(hours=2), roles=GIVEN)
    assert found.rows.height == whole["request_id"].n_unique() == 5


def test_a_span_without_requests_is_empty(folder, tmp_path):
    for place, since in (("late", START + timedelta(days=9)), ("never", START)):
        found = spans.given(tmp_path, place, since=since, until=since + timedelta(hours=1), roles=GIVEN)
        assert found.rows.is_empty() and not list(found.pieces(NAMES))


def test_a_part_that_was_merged_away_is_told(folder):
    found = spans.given(folder, "late", since=START, until=START + timedelta(hours=1), roles=GIVEN)
    found.parts[0].path.unlink()
    with pytest.raises(FileNotFoundError):
        list(found.pieces(NAMES))
