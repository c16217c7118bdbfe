"""Serving from the online store and training from the dataset give the same features, to the bit."""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from noria.adapters.files import Files
from noria.adapters.lmdb import Lmdb
from noria.core.declaration.dataset import Dataset
from noria.core.declaration.features import feature_view, on_demand
from noria.core.errors import DataInvalid
from noria.core.moments import to_ms
from noria.core.schema import Field, Kind
from noria.ports.online import OnlineRow
from noria.stages.data.versions import snapshot
from noria.stages.features.materialise import Materialiser
from noria.stages.features.online import Lookup
from noria.stages.features.parity import compare, recompute

START = datetime(2013, 1, 1, tzinfo=UTC)
INPUTS = (
    Field(name="flight", kind=Kind.TEXT),
    Field(name="at", kind=Kind.TIME),
    Field(name="origin", kind=Kind.TEXT),
    Field(name="distance", kind=Kind.FLOAT),
)


def weather(hours=200, seed=0):
    """Hourly weather of two airports; some of it is told late, some is corrected days after."""
    random = np.random.default_rng(seed)
    rows = []
    for hour in range(hours):
        for airport in ("EWR", "JFK"):
            time = START + timedelta(hours=hour)
            known = time + timedelta(minutes=int(random.choice([10, 10, 10, 300])))
            rows.append((airport, time, known, float(random.normal()), int(random.integers(0, 10))))
            if random.random() < 0.1:
                rows.append((airport, time, known + timedelta(days=1), float(random.normal()), None))
    schema = {"airport": pl.String, "observed": pl.Datetime("us"), "received": pl.Datetime("us"), "wind": pl.Float64, "cloud": pl.Int64}
    return pl.DataFrame([(a, *(m.replace(tzinfo=None) for m in (t, k)), w, c) for a, t, k, w, c in rows], schema=schema, orient="row")


DATASET = Dataset("weather", weather(), key="airport", time="observed", known="received")


@feature_view(DATASET, entity="airport", ttl="3h")
def conditions(w):
    return w.select(
        "airport", "observed", "received", "wind", "cloud", calm=pl.col("wind") < 0, since=pl.col("observed").dt.offset_by("-1h")
    )


@on_demand(inputs=["at", "distance"])
def trip(rows):
    return rows.with_columns(hour=rows["at"].dt.hour(), long=rows["distance"] > 1500, root=rows["distance"].sqrt())


FEATURES = [conditions.on("origin"), trip]


@pytest.fixture
def blobs(tmp_path):
    return Files(tmp_path / "blobs")


@pytest.fixture
def online(tmp_path):
    return Lmdb(tmp_path / "online")


def taken(blobs, tmp_path, dataset=DATASET):
    return snapshot(dataset, blobs=blobs, at=START, scratch=tmp_path / "scratch")


def log_of(asked):
    """A prediction log of (time, inputs, served) triples."""
    return pl.DataFrame(
        [
            {
                "request_id": f"r{n}",
                "time": time,
                "error": "",
                **{f"in:{name}": value for name, value in inputs.items()},
                **{f"f:{name}": column[0] for name, column in served.items()},
            }
            for n, (time, inputs, served) in enumerate(asked)
        ],
        schema_overrides={"time": pl.Datetime("ms", "UTC")},
        infer_schema_length=None,
    )


def replayed(lookup, materialiser, online, minutes=37, rounds=250):
    asked = []
    for n in range(rounds):
        now = START + timedelta(minutes=minutes * n)
        materialiser.advance(online, now)
        inputs = {"flight": f"x{n}", "at": now.isoformat(), "origin": ("EWR", "JFK", "LGA")[n % 3], "distance": 10.0 * n}
        asked.append((now, inputs, lookup.served([inputs], to_ms(now))))
    return log_of(asked)


def test_a_replayed_log_recomputes_to_the_same_bits(blobs, online, tmp_path):
    version = taken(blobs, tmp_path)
    lookup = Lookup(FEATURES, online=online, inputs=INPUTS)
    log = replayed(lookup, Materialiser(conditions, version, blobs=blobs), online)
    report = compare(log, recompute(log, FEATURES, {"weather": version}, blobs=blobs, inputs=INPUTS))
    assert (report.rows, report.equal, report.differing, report.examples) == (250, 1.0, {}, ())
    assert log["f:wind"].null_count() < 150
    assert lookup.defaulted["conditions"] == log["f:wind"].null_count()


def test_a_planted_skew_is_found_counted_and_shown(blobs, online, tmp_path):
    version = taken(blobs, tmp_path)
    log = replayed(Lookup(FEATURES, online=online, inputs=INPUTS), Materialiser(conditions, version, blobs=blobs), online)
    skewed = log.with_columns(
        pl.when(pl.int_range(pl.len()) < 30).then(pl.col("f:root") * 1.0000001 + 1e-9).otherwise(pl.col("f:root")).alias("f:root")
    )
    report = compare(skewed, recompute(log, FEATURES, {"weather": version}, blobs=blobs, inputs=INPUTS))
    assert report.differing == {"root": 30}
    assert report.equal == pytest.approx(1 - 30 / 250)
    assert len(report.examples) == 5
    assert "root served" in report.examples[0]


def test_comparing_other_requests_is_refused(blobs, online, tmp_path):
    version = taken(blobs, tmp_path)
    log = replayed(Lookup(FEATURES, online=online, inputs=INPUTS), Materialiser(conditions, version, blobs=blobs), online, rounds=3)
    with pytest.raises(DataInvalid, match="not the logged ones"):
        compare(log.head(2), recompute(log, FEATURES, {"weather": version}, blobs=blobs, inputs=INPUTS))


def test_steps_of_any_size_lead_to_the_same_store(blobs, tmp_path):
    version = taken(blobs, tmp_path)
    one, many = Lmdb(tmp_path / "one"), Lmdb(tmp_path / "many")
    until = START + timedelta(hours=150)
    Materialiser(conditions, version, blobs=blobs).advance(one, until)
    small = Materialiser(conditions, version, blobs=blobs)
    for hour in range(151):
        small.advance(many, START + timedelta(hours=hour))
    assert one.read("conditions", ["EWR", "JFK"]) == many.read("conditions", ["EWR", "JFK"])
    assert one.watermark("conditions") == many.watermark("conditions") == until.isoformat()


def test_nothing_new_writes_nothing_and_a_step_back_does_nothing(blobs, online, tmp_path):
    materialiser = Materialiser(conditions, taken(blobs, tmp_path), blobs=blobs)
    noon = START + timedelta(hours=12)
    assert materialiser.advance(online, noon) == 2
    assert materialiser.advance(online, noon) == 0
    assert materialiser.advance(online, noon - timedelta(hours=5)) == 0
    assert online.watermark("conditions") == noon.isoformat()


def test_a_newer_version_brings_in_rows_that_are_older_than_the_watermark(blobs, online, tmp_path):
    frame = DATASET.source.drop("received")
    ewr = Dataset("weather", frame.filter(pl.col("airport") == "EWR"), key="airport", time="observed")
    both = Dataset("weather", frame, key="airport", time="observed")
    view = feature_view(ewr, entity="airport", name="wind")(lambda w: w.select("airport", "observed", "wind"))
    noon = START + timedelta(hours=12)
    Materialiser(view, taken(blobs, tmp_path, ewr), blobs=blobs).advance(online, noon)
    Materialiser(view, taken(blobs, tmp_path, both), blobs=blobs).advance(online, noon)
    assert None not in online.read("wind", ["EWR", "JFK"])


def test_a_cleared_store_is_filled_again(blobs, online, tmp_path):
    materialiser = Materialiser(conditions, taken(blobs, tmp_path), blobs=blobs)
    noon = START + timedelta(hours=12)
    materialiser.advance(online, noon)
    online.clear("conditions")
    assert materialiser.advance(online, noon) == 2


def test_values_beyond_their_ttl_or_of_the_future_are_missing(online):
    online.write("conditions", [("EWR", OnlineRow(to_ms(START), {"wind": 1.0}))])
    lookup = Lookup([conditions.on("origin")], online=online, inputs=INPUTS)
    hours = [-1, 0, 3, 4]
    found = [lookup.served([{"origin": "EWR"}], to_ms(START + timedelta(hours=h)))["wind"] for h in hours]
    assert found == [[None], [1.0], [1.0], [None]]
    assert lookup.defaulted == {"conditions": 2}


def test_a_view_without_any_row_still_has_the_columns_of_the_signature(online):
    fields = (Field(name="wind", kind=Kind.FLOAT), Field(name="hour", kind=Kind.INT))
    lookup = Lookup(FEATURES, online=online, inputs=INPUTS, fields=fields)
    found = lookup.served([{"origin": "EWR", "at": START.isoformat(), "distance": 1.0}, {"origin": None, "at": None}], to_ms(START))
    assert found["wind"] == [None, None]
    assert found["hour"] == [0, None]


def test_a_transform_runs_once_per_batch_on_the_types_of_training(online):
    seen = []

    @on_demand(inputs=["at", "distance"])
    def spy(rows):
        seen.append((rows.height, rows.dtypes))
        return rows.with_columns(day=rows["at"].dt.date())

    lookup = Lookup([spy], online=online, inputs=INPUTS)
    found = lookup.served([{"at": START.isoformat(), "distance": 1}, {"at": to_ms(START), "distance": None}], to_ms(START))
    assert seen == [(2, [pl.Datetime("ms", "UTC"), pl.Float64])]
    assert found == {"day": ["2013-01-01T00:00:00+00:00"] * 2}


def test_what_a_transform_raises_goes_through(online):
    @on_demand(inputs=["distance"])
    def broken(rows):
        raise ZeroDivisionError("user code")

    with pytest.raises(ZeroDivisionError, match="user code"):
        Lookup([broken], online=online, inputs=INPUTS).served([{"distance": 1.0}], 0)
