from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from noria.core.errors import DataInvalid
from noria.core.schema import Field, Kind, Task
from noria.core.training import FeatureSet
from noria.stages.training.splits import for_training, for_tuning, holdout

START = datetime(2013, 1, 1, tzinfo=UTC)


def table(rows: int, *, zone: str | None = "UTC") -> pl.DataFrame:
    times = pl.Series([START + timedelta(hours=n) for n in range(rows)], dtype=pl.Datetime("us", "UTC")).dt.replace_time_zone(zone)
    return pl.DataFrame(
        {
            "__key": [f"k{n}" for n in range(rows)],
            "__time": times.dt.cast_time_unit("ms"),
            "__label": [n % 2 for n in range(rows)],
            "carrier": ["AA", "UA"] * (rows // 2) + ["AA"] * (rows % 2),
            "n": list(range(rows)),
        }
    )


def described(rows: int, until: int, task: Task = Task.BINARY) -> FeatureSet:
    features = (Field(name="carrier", kind=Kind.TEXT, categories=("AA", "UA")), Field(name="n", kind=Kind.INT))
    return FeatureSet(
        digest="sha256:0", made_from=(), inputs=features, features=features, task=task, classes=("0", "1"), rows=rows,
        start=START, end=START + timedelta(hours=rows - 1), train_until=START + timedelta(hours=until),
    )  # fmt: skip


@settings(max_examples=40, deadline=None)
@given(rows=st.integers(3, 120), share=st.floats(0.1, 0.9), shuffle=st.booleans(), zone=st.sampled_from(["UTC", None]))
def test_no_row_trains_and_judges_and_newer_rows_never_train(rows: int, share: float, shuffle: bool, zone: str | None) -> None:
    until = max(2, int(rows * share))
    frame, features = table(rows, zone=zone), described(rows, until)
    shuffled = frame.sample(fraction=1.0, shuffle=True, seed=1) if shuffle else frame
    tuning, training, (X, y, judged) = for_tuning(features, shuffled), for_training(features, shuffled), holdout(features, shuffled)
    assert [*tuning.X[:, 1], *tuning.X_valid[:, 1]] == training.X[:, 1].tolist() == list(range(until))
    assert X[:, 1].tolist() == judged["n"].to_list() == list(range(until, rows))
    assert len(tuning.X) == len(tuning.y) == tuning.frame.height and len(tuning.X_valid) == len(tuning.y_valid)
    assert y.tolist() == [n % 2 for n in range(until, rows)] and y.dtype == np.int64
    assert training.X_valid is None and training.y_valid is None


def test_the_newest_fifteen_percent_validate() -> None:
    split = for_tuning(described(200, 100), table(200))
    assert (len(split.X), len(split.X_valid)) == (85, 15)
    assert (split.columns, split.categorical) == (("carrier", "n"), (0,))
    assert split.X[:2, 0].tolist() == [0.0, 1.0]


def test_labels_of_a_regression_are_floats() -> None:
    assert for_training(described(10, 5, Task.REGRESSION), table(10)).y.dtype == np.float64


def test_too_few_rows_are_told() -> None:
    with pytest.raises(DataInvalid, match="too few to tune on"):
        for_tuning(described(10, 1), table(10))
    with pytest.raises(DataInvalid, match="no row is older"):
        for_training(described(10, 0), table(10))


def test_labels_that_are_not_numbers_are_refused() -> None:
    with pytest.raises(DataInvalid, match="not numbers"):
        for_training(described(10, 5), table(10).with_columns(__label=pl.lit("late")))
