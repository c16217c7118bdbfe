"""Families raised on tables whose truth is known: who differs keeps a model of its own, who does not is left to the parent."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression

import noria as nr
from noria.adapters.files import Files
from noria.core.schema import Field, Kind, Signature, Task
from noria.core.traffic import Family
from noria.core.training import Candidate, FeatureSet, Members, Provenance, Recipe
from noria.loop.families import raised
from noria.loop.workshop import Bench
from noria.packaging.manifest import verified
from noria.ports import wire

START = datetime(2024, 1, 1, tzinfo=UTC)
SHOP = nr.Dataset("shop", "shop.parquet", key="id", time="at")
FIELDS = (Field(name="a", kind=Kind.FLOAT), Field(name="b", kind=Kind.FLOAT))


def linear(data: nr.Split, params: dict[str, object]) -> object:
    return LinearRegression().fit(data.X, data.y)


def logistic(data: nr.Split, params: dict[str, object]) -> object:
    return LogisticRegression().fit(data.X, data.y)


@pytest.fixture
def raise_family(tmp_path):
    """Raise a family of partitions, whose slopes are given, on 30 days of rows."""
    blobs = Files(tmp_path / "blobs")

    def make(slopes: dict[str, float], *, train=linear, task=Task.REGRESSION, rows: int = 300, seed: int = 1, **how) -> Members:
        random = np.random.default_rng(seed)
        names = np.repeat(list(slopes), rows)
        moments = random.uniform(0, 30 * 86_400, len(names))
        x = random.normal(0, 1, (len(names), 2))
        signal = x[:, 0] * np.array([slopes[name] for name in names]) + x[:, 1] + random.normal(0, 1, len(names))
        label = signal if task.numeric else np.digitize(signal, [0.0] if task is Task.BINARY else [-1.0, 1.0])
        classes = () if task.numeric else ("no", "yes") if task is Task.BINARY else ("low", "mid", "high")
        if "one-class" in slopes:
            label = np.where(names == "one-class", 0, label)
        frame = pl.DataFrame(
            {
                "__key": [f"k{k}" for k in range(len(names))],
                "__time": [START + timedelta(seconds=float(moment)) for moment in moments],
                "__label": label,
                "a": x[:, 0],
                "b": x[:, 1],
                "shop": names,
            },
            schema_overrides={"__time": pl.Datetime("ms", "UTC")},
        ).sort("__time")
        features = FeatureSet(
            digest="", made_from=(), inputs=FIELDS, features=FIELDS, task=task, classes=classes, rows=frame.height, start=START,
            end=START + timedelta(days=30), train_until=START + timedelta(days=24),
        )  # fmt: skip
        candidate = Candidate(
            artifact="", made_from=(), signature=Signature(inputs=FIELDS, features=FIELDS, task=task, classes=classes),
            recipe=Recipe(params={}, metric=""), provenance=Provenance(code="", commit="", diff="", environment="", seed=0),
            format="skops", serving_form="onnx", size_bytes=1, parity_max_diff=0.0, run="",
        )  # fmt: skip
        loop = nr.Loop("sales", features=[SHOP["a", "b"]], label=nr.Label(SHOP["sold"]), train=train)
        loop = replace(loop, family=nr.Family("shop", **{"min_rows": 100, **how}))
        (tmp_path / "bench").mkdir(exist_ok=True)
        made = raised(loop, features, frame, candidate, blobs, tmp_path, Bench(tmp_path / "bench"))
        if made.family:
            assert len(wire.load(verified(made.family, blobs=blobs), Family).members) == made.kept
        return made

    return make


def test_where_no_partition_differs_hardly_any_keeps_a_model_of_its_own(raise_family) -> None:
    made = [raise_family({f"s{k}": 1.0 for k in range(15)}, seed=seed) for seed in range(5)]
    assert sum(one.kept for one in made) <= 2
    assert made[0].tried == 15


def test_partitions_that_differ_keep_theirs_and_hardly_any_other(raise_family) -> None:
    made = raise_family({f"s{k:02}": -1.0 if k < 3 else 1.0 for k in range(20)}, fdr=0.05)
    assert {"s00", "s01", "s02"} <= set(made.named)
    assert made.kept < 20 and made.size_bytes > 0
    assert raise_family({f"s{k:02}": -1.0 if k < 3 else 1.0 for k in range(20)}, keep=0.4).named == ("s00", "s01", "s02")


def test_partitions_with_few_rows_are_not_tried(raise_family) -> None:
    made = raise_family({"a": -1.0, "b": 1.0}, min_rows=1_000)
    assert (made.tried, made.kept, made.family, made.left_out) == (0, 0, "", {"with too few rows": 2})


@pytest.mark.parametrize("task", [Task.BINARY, Task.MULTICLASS])
def test_a_partition_without_every_class_is_left_to_the_parent(raise_family, task) -> None:
    made = raise_family({"one-class": 1.0, "b": -3.0, "c": 3.0}, train=logistic, task=task)
    assert made.named == ("b", "c")
    assert "not every class among them" in next(iter(made.left_out))


def test_a_partition_whose_training_fails_costs_nobody_else_anything(raise_family) -> None:
    def fussy(data: nr.Split, params: dict[str, object]) -> object:
        if data.frame["shop"].n_unique() == 1 and data.frame["shop"][0] == "bad":
            raise ValueError("not this one")
        return linear(data, params)

    made = raise_family({"bad": -1.0, "b": -1.0, "c": 1.0}, train=fussy)
    assert "b" in made.named
    assert made.left_out == {"whose training failed": 1}
    assert "1 whose training failed" in made.said
