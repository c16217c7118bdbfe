"""Traffic becomes training rows: each answered request once, with the outcome told last."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from noria.core.errors import DataInvalid
from noria.core.schema import Field, Kind, Task
from noria.ports.tables import TIME
from noria.stages.data.harvest import harvest

START = datetime(2013, 4, 1, tzinfo=UTC)
FIELDS = (
    Field(name="id", kind=Kind.TEXT),
    Field(name="at", kind=Kind.TIME),
    Field(name="n", kind=Kind.INT),
    Field(name="never", kind=Kind.FLOAT),
    Field(name="late", kind=Kind.BOOL),
)


def predictions(*rows):
    return pl.DataFrame(
        [{"request_id": r, "role": role, "time": START, "in:id": r, "in:at": "2013-04-01T05:00:00Z", "in:n": 7.0} for r, role in rows]
    )


def outcomes(*rows):
    return pl.DataFrame([{"request_id": r, "value": v, "time": START + timedelta(hours=h)} for r, v, h in rows])


def test_an_answered_request_with_its_outcome_is_a_row_of_the_dataset():
    rows = harvest(predictions(("a", "champion")), outcomes(("a", 1.0, 1)), fields=FIELDS, label="late", task=Task.BINARY)
    assert rows.columns == ["id", "at", "n", "never", "late"]
    assert rows.dtypes == [pl.String, TIME, pl.Int64, pl.Float64, pl.Boolean]
    assert rows.row(0) == ("a", datetime(2013, 4, 1, 5, tzinfo=UTC), 7, None, True)


def test_each_request_counts_once_and_shadows_never():
    asked = predictions(("a", "champion"), ("a", "shadow"), ("b", "challenger"), ("b", "fallback"), ("c", "shadow"), ("d", "champion"))
    rows = harvest(asked, outcomes(("a", 1.0, 1), ("b", 0.0, 1), ("c", 1.0, 1)), fields=FIELDS, label="late", task=Task.BINARY)
    assert sorted(rows.select("id", "late").iter_rows()) == [("a", True), ("b", False)]


def test_the_outcome_told_last_counts():
    told = outcomes(("a", 1.0, 5), ("a", 0.0, 6), ("a", 1.0, 2), ("b", 0.0, 1), ("b", 1.0, 1))
    rows = harvest(predictions(("a", "champion"), ("b", "champion")), told, fields=FIELDS, label="late", task=Task.BINARY)
    assert rows["late"].to_list() == [False, True]


@pytest.mark.parametrize(
    ("task", "value", "classes", "wanted"),
    [
        (Task.BINARY, 1.0, (), 1),
        (Task.BINARY, 1.0, ("no", "yes"), "yes"),
        (Task.MULTICLASS, "blue", ("blue", "red", "white"), "blue"),
        (Task.REGRESSION, 2.5, (), 2.5),
    ],
)
def test_a_label_without_a_field_takes_the_kind_of_its_task(task, value, classes, wanted):
    told = outcomes(("a", value, 1))
    rows = harvest(predictions(("a", "champion")), told, fields=FIELDS[:2], label="late", task=task, classes=classes)
    assert rows["late"].to_list() == [wanted]


def test_nothing_told_makes_no_row_but_all_columns():
    told = outcomes(("z", 1.0, 1))
    assert harvest(predictions(("a", "champion")), told, fields=FIELDS, label="late", task=Task.BINARY).shape == (0, 5)


def test_a_logged_value_that_does_not_fit_is_named():
    asked = predictions(("a", "champion")).with_columns(pl.lit("yesterday").alias("in:at"))
    with pytest.raises(DataInvalid, match="'at' are not time"):
        harvest(asked, outcomes(("a", 1.0, 1)), fields=FIELDS, label="late", task=Task.BINARY)


def test_an_outcome_that_nothing_can_be_learnt_from_is_left_out():
    told = outcomes(("a", "true", 1), ("b", "maybe", 1), ("c", "0", 1))
    asked = predictions(("a", "champion"), ("b", "champion"), ("c", "champion"))
    rows = harvest(asked, told, fields=FIELDS, label="late", task=Task.BINARY)
    assert sorted(rows.select("id", "late").iter_rows()) == [("a", True), ("c", False)]
