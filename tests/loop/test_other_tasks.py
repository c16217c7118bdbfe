"""Loops that rank within queries, and loops that forecast series."""

from __future__ import annotations

import json
from datetime import datetime, timedelta

import numpy as np
import polars as pl
import pytest

from noria.core.examination.curves import CurveKind
from noria.core.examination.examination import Examination
from noria.core.schema import Task
from noria.core.turning import TurnState
from noria.core.watching import Level, Reading
from noria.ports import wire
from noria.stages.registry import versions

RANKING = """
import noria as nr
import numpy as np
from lightgbm import LGBMRanker

shop = nr.Dataset("shop", "history.parquet", key="order", time="at")

def train(data, params):
    return LGBMRanker(n_estimators=15, min_child_samples=5, verbose=-1).fit(data.X, data.y, group=np.bincount(data.groups))

loop = nr.Loop(
    "orders",
    features=[shop["a", "b"]],
    label=nr.Label(shop["returned"], delay="1d", task="ranking", group="query"),
    train=train,
    tune=nr.Tune({"unused": nr.real(0, 1)}, trials=2, parallel=1),
    backtest=nr.Backtest(windows=2, every="5d"),
    gates=[nr.at_least(ndcg_3=0.5), nr.beats_champion("ndcg_10", margin=0.2)],
    rollout=nr.Canary(steps=[50, 100], min_rows=100, shadow_rows=100, guard=["errors", "latency"]),
    watch=[nr.drift(min_rows=150), nr.quality("ndcg_10", drop=0.1, window="5d", min_rows=300)],
    retrain=nr.Retrain(cooldown="5d", min_labels=1_000, window="60d"),
)
"""

FORECAST = """
import noria as nr
from sklearn.linear_model import LinearRegression

sales = nr.Dataset("sales", "sales.parquet", key="id", time="at")

def train(data, params):
    return LinearRegression().fit(data.X, data.y)

loop = nr.Loop(
    "orders",
    features=[sales["a_week_ago", "two_weeks_ago", "three_weeks_ago"]],
    label=nr.Label(sales["sold"], delay="1d", task="forecast", series="store"),
    train=train,
    gates=[nr.at_most(mase=1.0), nr.at_least(skill=0.05), nr.not_worse_than_champion("mae", margin=0.5)],
    rollout=nr.Canary(steps=[100], min_rows=100, guard=["errors", "mae"]),
    watch=[nr.quality("wape", drop=0.1)],
)
"""


@pytest.fixture()
def queries(noria):
    """A noria whose shop shows its orders eight to a query."""
    one = noria(declaration=RANKING)
    plain = one.shop.orders

    def orders(day: datetime, n: int) -> pl.DataFrame:
        found = plain(day, n)
        return found.with_columns(query=pl.Series([f"q{int(order[1:]) // 8}" for order in found["order"]])).drop("city")

    one.shop.orders = orders
    start = datetime(2024, 1, 1, tzinfo=one.today.tzinfo)
    history = pl.concat([orders(start + timedelta(days=k), 304) for k in range(30)])
    history.with_columns(at=pl.col("at").min().over("query")).write_parquet(one.folder / "history.parquet")
    return one


def examination_of(one, number: int) -> Examination:
    version = versions.get(one.world.records, "orders", number)
    return wire.load(one.world.blobs.read(version.scorecard.examination), Examination)


def test_a_ranking_is_trained_judged_served_and_watched_within_queries(queries):
    one = queries
    one.be_born()
    assert one.states() == [TurnState.DONE], [event.reasons for event in one.events("turn.refused")]
    version = versions.get(one.world.records, "orders", 1)
    assert version.candidate.signature.task is Task.RANKING and version.candidate.signature.group == "query"
    assert {"ndcg_10", "ndcg_3", "mrr", "map_10"} <= set(version.scorecard.metrics)
    assert version.scorecard.metrics["ndcg_10"].low > 0.6
    found = examination_of(one, 1)
    assert found.curves.of(CurveKind.PLACES) is not None
    assert found.baselines is not None and found.untold == {}
    assert found.backtest is not None and found.backtest.mark.low > 0.5
    one.days(6)
    assert one.failed == 0
    told = [
        r for r in one.world.documents.find(Reading, where={"loop": "orders"}) if r.monitor == "quality" and r.level is not Level.NOT_ENOUGH
    ]
    assert told and 0.5 < told[-1].value < 1.0
    one.verbs.turn("orders", by="test", reason="to see it compared")
    one.days(3)
    assert versions.get(one.world.records, "orders", 2).scorecard.versus_champion["ndcg_10"].n > 0
    assert one.failed == 0


def test_a_forecast_is_held_against_the_value_one_season_ago(noria):
    one = noria(declaration=FORECAST)
    random, days, stores = np.random.default_rng(3), 220, ("ulm", "bonn", "jena")
    start = one.today - timedelta(days=days)
    sold = {s: 50 + 10 * np.sin(2 * np.pi * np.arange(days) / 7) + random.normal(0, 3, days) for s in stores}
    rows = [
        {
            "id": f"{s}-{k}",
            "at": start + timedelta(days=k),
            "store": s,
            "a_week_ago": sold[s][k - 7],
            "two_weeks_ago": sold[s][k - 14],
            "three_weeks_ago": sold[s][k - 21],
            "sold": sold[s][k],
        }
        for k in range(21, days)
        for s in stores
    ]
    pl.DataFrame(rows, schema_overrides={"at": pl.Datetime("ms", "UTC")}).write_parquet(one.folder / "sales.parquet")
    one.be_born()
    assert one.states() == [TurnState.DONE], [event.reasons for event in one.events("turn.refused")]
    version = versions.get(one.world.records, "orders", 1)
    marks = version.scorecard.metrics
    assert version.candidate.signature.group == "store"
    assert marks["mase"].value < 1.0 and marks["skill"].value > 0.05 and marks["rmsse"].value < 1.0
    found = examination_of(one, 1)
    assert found.curves.of(CurveKind.RESIDUALS_OVER_TIME) is not None
    assert "seasonal" in {mark.name for mark in found.baselines.marks}
    assert found.untold == {}
    assert json.loads(wire.dump(version))["scorecard"]["task"] == "forecast"
