"""A shop for whole loops to be tried on: its orders, its history as files, and its loop file.

Loaded by path (tests are no package), by tests that run the loop in one process and by those that run it in many.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl

START = datetime(2024, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)

DECLARATION = """
import noria as nr
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.impute import SimpleImputer

shop = nr.Dataset("shop", "history.parquet", key="order", time="at", expect=[nr.expect.not_null("a"), nr.expect.unique("order")])
town = nr.Dataset("town", "town.parquet", key="city", time="at", known="known")

@nr.feature_view(town, entity="city", ttl="3d")
def heat(t):
    return t.select("city", "at", "heat")

@nr.on_demand(inputs=["a", "b"])
def product(rows):
    return rows.with_columns(ab=rows["a"] * rows["b"])

def train(data, params):
    return make_pipeline(SimpleImputer(), StandardScaler(), LogisticRegression(**params)).fit(data.X, data.y)

loop = nr.Loop(
    "orders",
    features=[shop["a", "b"], heat, product],
    label=nr.Label(shop["returned"], delay="1d"),
    train=train,
    params={"C": 1.0},
    gates=[nr.at_least(roc_auc=0.6), nr.beats_champion("roc_auc", margin=MARGIN)],
    rollout=nr.Canary(steps=[20, 50, 100], min_rows=100, shadow_rows=100, guard=["errors", "latency", "agreement", "roc_auc"], margin={"roc_auc": 0.05}),
    watch=[nr.drift(min_rows=150), nr.quality("roc_auc", drop=0.05, window="5d", min_rows=300), nr.freshness("400d")],
    retrain=nr.Retrain(cooldown="5d", min_labels=1_000, window="60d"),
)
"""


class Shop:
    """The world outside: orders come in, and a day later it is known which were returned."""

    def __init__(self, seed: int = 7) -> None:
        self.random = np.random.default_rng(seed)
        self.weights = np.array([1.2, -1.0])
        self.shift = np.zeros(2)
        self.number = 0
        self.day_noise = np.zeros(2)

    def orders(self, day: datetime, n: int) -> pl.DataFrame:
        """One day's orders: what sort of day it is moves all of them a little (days are not independent)."""
        self.day_noise = 0.5 * self.day_noise + self.random.normal(0, 0.15, 2)
        x = self.random.normal(0, 1, (n, 2)) + self.shift + self.day_noise
        logit = x @ self.weights + 0.3 * x[:, 0] * x[:, 1]
        returned = self.random.random(n) < 1 / (1 + np.exp(-logit))
        self.number += n
        return pl.DataFrame(
            {
                "order": [f"o{k}" for k in range(self.number - n, self.number)],
                "at": [day + timedelta(seconds=86_000 * k // n) for k in range(n)],
                "city": self.random.choice(["ulm", "bonn"], n).tolist(),
                "a": x[:, 0],
                "b": x[:, 1],
                "returned": returned,
            },
            schema_overrides={"at": pl.Datetime("ms", "UTC")},
        )


def write_history(folder: Path, shop: Shop, *, days: int, per_day: int) -> None:
    """What the shop knows of the past, and how warm its towns were and will be."""
    past = [shop.orders(START + k * DAY, per_day) for k in range(days)]
    pl.concat(past).write_parquet(folder / "history.parquet")
    moments = [START + k * DAY / 2 for k in range(2 * (days + 200))]
    pl.DataFrame(
        {
            "city": ["ulm", "bonn"] * len(moments),
            "at": [moment for moment in moments for _ in range(2)],
            "known": [moment + timedelta(minutes=5) for moment in moments for _ in range(2)],
            "heat": np.random.default_rng(1).normal(20, 5, 2 * len(moments)),
        },
        schema_overrides={"at": pl.Datetime("ms", "UTC"), "known": pl.Datetime("ms", "UTC")},
    ).write_parquet(folder / "town.parquet")


def as_request(order: dict[str, object]) -> dict[str, object]:
    """An order as the data plane is asked about it: before anybody knows whether it will be returned."""
    at = order["at"]
    assert isinstance(at, datetime)
    inputs = {name: value for name, value in order.items() if name != "returned"}
    return {"id": order["order"], "inputs": inputs | {"at": at.isoformat(timespec="milliseconds").replace("+00:00", "Z")}}
