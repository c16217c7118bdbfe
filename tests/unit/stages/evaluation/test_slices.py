from datetime import datetime, timedelta

import numpy as np
import polars as pl
import pytest

from noria.core.schema import Task
from noria.stages.evaluation.metrics import metric
from noria.stages.evaluation.slices import slice_marks

ROWS = 3_000


@pytest.fixture
def judged() -> tuple[pl.DataFrame, np.ndarray, np.ndarray, np.ndarray]:
    """Rows of three airports; at EWR the candidate answers noise, elsewhere it is as good as the champion."""
    random = np.random.default_rng(1)
    y = (random.random(ROWS) < 0.4).astype(int)
    champion = 0.3 + 0.3 * y + 0.1 * random.normal(size=ROWS)
    origin = np.repeat(["EWR", "JFK", "LGA"], ROWS // 3)
    candidate = np.where(origin == "EWR", random.random(ROWS), 0.3 + 0.3 * y + 0.1 * random.normal(size=ROWS))
    start = datetime(2013, 1, 1)
    frame = pl.DataFrame(
        {
            "origin": origin,
            "distance": np.arange(ROWS, dtype=float),
            "hour": np.arange(ROWS) % 24,
            "gate": np.arange(ROWS) % 4,
            "late": y == 1,
            "time": [start + timedelta(minutes=row) for row in range(ROWS)],
            "carrier": [f"c{row % 100:03d}" for row in range(ROWS)],
            "tail": [None if row < 1_000 else "n1" for row in range(ROWS)],
        }
    )
    return frame, y, candidate, champion


def marks(judged, columns, *, champion: bool = True, **options):
    frame, y, candidate, old = judged
    return slice_marks(frame, columns, y, candidate, old if champion else None, metric="roc_auc", task=Task.BINARY, **options)


def test_the_slice_that_lost_most_to_the_champion_comes_first(judged) -> None:
    found = marks(judged, ["origin"])
    assert found[0].value == "EWR"
    assert found[0].versus is not None and found[0].versus.high < -0.3
    assert {mark.value for mark in found} == {"EWR", "JFK", "LGA"}


def test_without_a_champion_the_weakest_slice_comes_first(judged) -> None:
    found = marks(judged, ["origin"], champion=False)
    assert found[0].value == "EWR"
    assert all(mark.versus is None for mark in found)


def test_a_slice_is_marked_on_its_own_rows_only(judged) -> None:
    frame, y, candidate, _ = judged
    mark = next(mark for mark in marks(judged, ["origin"]) if mark.value == "JFK")
    rows = (frame["origin"] == "JFK").to_numpy()
    assert mark.mark.value == pytest.approx(metric("roc_auc", Task.BINARY).value(y[rows], candidate[rows]))
    assert (mark.column, mark.metric, mark.mark.n) == ("origin", "roc_auc", 1_000)


def test_small_slices_are_left_out_and_the_largest_kept(judged) -> None:
    assert marks(judged, ["carrier"]) == ()
    assert len(marks(judged, ["carrier"], min_rows=30, most=7)) == 7
    assert len(marks(judged, ["carrier"], min_rows=30, most=500)) == 100


def test_numbers_with_many_values_and_times_are_cut_at_quartiles(judged) -> None:
    for column in ("distance", "hour", "time"):
        found = marks(judged, [column])
        assert len(found) == 4, column
        assert sum(mark.mark.n for mark in found) == ROWS, column
    assert {mark.value for mark in marks(judged, ["distance"])} == {
        "0 to 749.75",
        "749.75 to 1499.5",
        "1499.5 to 2249.25",
        "2249.25 to 2999",
    }


def test_numbers_with_few_values_are_sliced_by_value(judged) -> None:
    assert {mark.value for mark in marks(judged, ["gate"])} == {"0", "1", "2", "3"}


def test_missing_values_are_a_slice_of_their_own(judged) -> None:
    assert {(mark.value, mark.mark.n) for mark in marks(judged, ["tail"])} == {("missing", 1_000), ("n1", 2_000)}
    frame, *rest = judged
    holed = frame.with_columns(distance=pl.when(pl.col("origin") == "EWR").then(float("nan")).otherwise(pl.col("distance")))
    assert ("missing", 1_000) in {(mark.value, mark.mark.n) for mark in marks((holed, *rest), ["distance"])}


def test_a_slice_of_one_class_cannot_be_told_and_comes_last(judged) -> None:
    found = marks(judged, ["late", "origin"])
    assert [mark.column for mark in found[-2:]] == ["late", "late"]
    assert all(np.isnan(mark.mark.value) for mark in found[-2:])
