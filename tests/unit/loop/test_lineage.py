from datetime import UTC, datetime
from types import SimpleNamespace

import polars as pl

import noria as nr
from noria.core.data import DatasetVersion
from noria.core.schema import Field, Kind
from noria.ledger.documents import Documents
from noria.loop.lineage import lineage
from noria.testing.memory import MemoryRecords

WEATHER = nr.Dataset("weather", "w.parquet", key="airport", time="at")
FLIGHTS = nr.Dataset("flights", "f.parquet", key="id", time="at")


def version(name):
    schema = (Field(name="airport", kind=Kind.TEXT), Field(name="at", kind=Kind.TIME), Field(name="wind", kind=Kind.FLOAT))
    return DatasetVersion(
        name=name,
        digest="d",
        parts=(),
        schema=schema,
        profile=(),
        rows=0,
        size_bytes=0,
        created_at=datetime(2024, 1, 1, tzinfo=UTC),
        time="at",
    )


def declared(transform):
    view = nr.feature_view(WEATHER, entity="airport")(transform)
    return SimpleNamespace(loop=SimpleNamespace(features=[FLIGHTS["carrier"], view], label=nr.Label(FLIGHTS["late"])))


FEATURES = tuple(Field(name=name, kind=Kind.FLOAT) for name in ("carrier", "gust", "hour"))


def test_what_a_view_gives_comes_from_its_dataset_and_all_else_with_the_request():
    documents = Documents(MemoryRecords())
    documents.put(version("weather"))
    made = declared(lambda w: w.with_columns(gust=pl.col("wind") * 2))
    assert lineage(documents, made, FEATURES) == {"carrier": "flights", "gust": "weather", "hour": "flights"}


def test_a_view_that_fails_or_was_never_read_leaves_its_features_where_they_are():
    documents = Documents(MemoryRecords())

    def fails(w):
        raise RuntimeError("no")

    assert set(lineage(documents, declared(fails), FEATURES).values()) == {"flights"}
    documents.put(version("weather"))
    assert set(lineage(documents, declared(fails), FEATURES).values()) == {"flights"}
