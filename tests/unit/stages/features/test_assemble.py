"""The training table: which rows, which values, which split, and what stops it."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from noria.adapters.files import Files
from noria.core.declaration.dataset import Dataset, Label
from noria.core.declaration.features import feature_view, on_demand
from noria.core.errors import DataInvalid
from noria.core.schema import Field, Kind, Task
from noria.stages.data.versions import snapshot
from noria.stages.features.assemble import assemble, load
from noria.stages.features.labels import encoded
from noria.stages.features.views import view_frame

START = datetime(2013, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


def flights(hours=100):
    return pl.DataFrame(
        {
            "flight": [f"x{n}" for n in range(hours)],
            "at": [START + n * HOUR for n in range(hours)],
            "origin": [("EWR", "JFK")[n % 2] for n in range(hours)],
            "tail": [None if n % 10 == 0 else f"t{n % 3}" for n in range(hours)],
            "distance": [float("nan") if n == 5 else 100.0 * n for n in range(hours)],
            "late": [None if n == 7 else n % 3 == 0 for n in range(hours)],
        }
    )


def weather():
    return pl.DataFrame(
        {
            "airport": ["EWR", "EWR", "JFK"],
            "observed": [START + 2 * HOUR, START + 50 * HOUR, START + HOUR],
            "received": [START + 10 * HOUR, START + 52 * HOUR, START + HOUR],
            "wind": [1, 2, 3],
        }
    )


FLIGHTS = Dataset("flights", flights(), key="flight", time="at")
WEATHER = Dataset("weather", weather(), key="airport", time="observed", known="received")


@feature_view(WEATHER, entity="airport")
def conditions(w):
    return w.select("airport", "observed", "wind")


@on_demand(inputs=["at", "distance"])
def trip(rows):
    return rows.with_columns(hour=rows["at"].dt.hour(), far=rows["distance"] > 1500)


FEATURES = [FLIGHTS["origin", "tail", "distance"], conditions.on("origin"), trip]


@pytest.fixture
def made(tmp_path):
    """Assemble with everything at its default but what a test is about."""
    blobs = Files(tmp_path / "blobs")

    def make(features=FEATURES, *, label=None, sources=(FLIGHTS, WEATHER), **changed):
        versions = {spec.name: snapshot(spec, blobs=blobs, at=START, scratch=tmp_path) for spec in sources}
        given = {"now": START + 200 * HOUR, "window": None, "test": 0.2, "task": None, "code": "sha256:code", **changed}
        found = assemble(features, label or Label(FLIGHTS["late"]), versions, blobs=blobs, scratch=tmp_path, **given)
        return found, load(found, blobs=blobs)

    return make


def test_the_table_holds_key_time_label_and_features_in_their_order(made):
    found, table = made()
    assert table.columns == ["__key", "__time", "__label", "origin", "tail", "distance", "wind", "hour", "far"]
    assert [field.name for field in found.features] == table.columns[3:]
    assert [field.kind for field in found.features] == [Kind.TEXT, Kind.TEXT, Kind.FLOAT, Kind.INT, Kind.INT, Kind.BOOL]
    assert (found.rows, found.start, found.end) == (99, START, START + 99 * HOUR)
    assert found.made_from[-1] == "sha256:code"
    assert len(found.made_from) == 3


def test_a_row_sees_only_what_was_known_at_its_time(made):
    _, table = made()
    wind = dict(table.select("__key", "wind").iter_rows())
    assert wind["x1"] == 3
    assert wind["x4"] is None, "observed at hour 2, but received at hour 10"
    assert wind["x10"] == 1
    assert wind["x50"] == 1, "observed at hour 50, but received at hour 52"
    assert wind["x52"] == 2


def test_rows_whose_outcome_is_not_known_yet_are_left_out(made):
    found, _ = made(label=Label(FLIGHTS["late"], delay="1d"), now=START + 48 * HOUR)
    assert found.end == START + 24 * HOUR


def test_rows_beyond_the_window_are_left_out(made):
    found, _ = made(window=timedelta(hours=20), now=START + 99 * HOUR)
    assert found.start == START + 79 * HOUR


def test_missing_numbers_are_null_whatever_the_source_calls_them(made):
    _, table = made()
    assert table.filter(pl.col("__key") == "x5")["distance"].to_list() == [None]
    assert table["distance"].is_nan().sum() == 0


def test_inputs_are_each_request_field_once_and_say_what_may_be_missing(made):
    found, _ = made()
    assert found.inputs == (
        Field(name="flight", kind=Kind.TEXT),
        Field(name="at", kind=Kind.TIME),
        Field(name="origin", kind=Kind.TEXT),
        Field(name="tail", kind=Kind.TEXT, required=False),
        Field(name="distance", kind=Kind.FLOAT, required=False),
    )


def test_the_newest_share_judges(made):
    found, table = made(test=0.25)
    judged = table.filter(pl.col("__time") >= found.train_until).height
    assert judged == 24
    assert made(test=0.0)[0].train_until > found.end


def test_rows_of_one_moment_are_never_torn_apart(made):
    lumpy = flights().with_columns(at=pl.col("at").dt.truncate("40h"))
    spec = Dataset("flights", lumpy, key="flight", time="at")
    found, table = made([spec["distance"]], label=Label(spec["late"]), sources=[spec], test=0.1)
    moments = table["__time"].unique().sort()
    assert found.train_until == moments[-2], "the 10 % newest begin within the last moment but one"


def test_categories_are_learned_from_training_rows_only(made):
    moved = flights().with_columns(origin=pl.when(pl.col("at") >= START + 90 * HOUR).then(pl.lit("LGA")).otherwise("origin"))
    spec = Dataset("flights", moved, key="flight", time="at")
    found, table = made([spec["origin"]], label=Label(spec["late"]), sources=[spec])
    assert found.features[0].categories == ("EWR", "JFK")
    assert "LGA" in table["origin"].to_list()


def test_the_same_rows_make_the_same_digest(made):
    assert made()[0] == made()[0]


@pytest.mark.parametrize(
    ("features", "said"),
    [
        ([FLIGHTS["late"]], "is the label"),
        ([FLIGHTS["nothing"]], "no column 'nothing'"),
        ([conditions], "no column 'airport'"),
        ([WEATHER["wind"]], "cannot be features"),
        ([FLIGHTS["distance"], FLIGHTS["distance"]], "two features are named 'distance'"),
        ([conditions.on("origin"), conditions.on("tail")], "two features are named 'wind'"),
        ([on_demand(inputs=["distance"])(lambda rows: rows.head(3).with_columns(x=1))], "made 3 rows of 99"),
        (
            [on_demand(inputs=["at"], name="gap")(lambda rows: rows.with_columns(gap=pl.col("at") - START))],
            "'gap' makes 'gap' of type Duration",
        ),
    ],
)
def test_a_feature_that_cannot_be_is_refused_by_name(made, features, said):
    with pytest.raises(DataInvalid, match=said):
        made(features)


def test_nothing_to_learn_from_is_said(made):
    with pytest.raises(DataInvalid, match="no row of 'flights'"):
        made(now=START - HOUR)
    with pytest.raises(DataInvalid, match="one class only"):
        made(now=START)
    with pytest.raises(DataInvalid, match="no version of dataset 'weather'"):
        made(sources=[FLIGHTS])


@pytest.mark.parametrize(
    ("values", "task", "numbers", "classes"),
    [
        ([True, False, True], Task.BINARY, [1, 0, 1], ("false", "true")),
        ([0, 1, 1], Task.BINARY, [0, 1, 1], ("0", "1")),
        ([0.0, 1.0], Task.BINARY, [0, 1], ("0", "1")),
        (["yes", "no"], Task.BINARY, [1, 0], ("no", "yes")),
        (["b", "c", "a"], Task.MULTICLASS, [1, 2, 0], ("a", "b", "c")),
        ([10, 9, 2], Task.MULTICLASS, [2, 1, 0], ("2", "9", "10")),
        ([0.5, 1.5, 2.5], Task.REGRESSION, [0.5, 1.5, 2.5], ()),
        (list(range(30)), Task.REGRESSION, list(map(float, range(30))), ()),
    ],
)
def test_the_task_is_found_from_the_label(values, task, numbers, classes):
    answers, found, said = encoded(pl.Series("late", values), None)
    assert (answers.to_list(), found, said) == (numbers, task, classes)


@pytest.mark.parametrize(
    ("values", "task", "said"),
    [
        ([1, 1], Task.BINARY, "one class only"),
        ([1, 2, 3], Task.BINARY, "has 3 values"),
        (["a", "b"], Task.REGRESSION, "cannot be regressed"),
    ],
)
def test_a_label_that_does_not_fit_its_task_is_refused(values, task, said):
    with pytest.raises(DataInvalid, match=said):
        encoded(pl.Series("late", values), task)


def test_a_dropped_known_time_is_joined_back_or_asked_for(tmp_path):
    blobs = Files(tmp_path / "blobs")
    twice = pl.concat([weather(), weather().with_columns(pl.col("received") + HOUR)])
    spec = Dataset("weather", twice, key="airport", time="observed", known="received")
    version = snapshot(spec, blobs=blobs, at=START, scratch=tmp_path)
    kept = view_frame(conditions, version, blobs=blobs)
    assert kept.columns == ["airport", "observed", "wind", "received"]
    assert kept["received"].n_unique() == 6
    sampled = feature_view(spec, entity="airport", name="few")(lambda w: w.select("airport", "observed", "wind").head(4))
    with pytest.raises(DataInvalid, match="drops 'received'"):
        view_frame(sampled, version, blobs=blobs)
    blind = feature_view(spec, entity="airport", name="blind")(lambda w: w.select("airport", "wind"))
    with pytest.raises(DataInvalid, match="drops 'observed'"):
        view_frame(blind, version, blobs=blobs)
