"""Requests as a data plane would log them: a daily rhythm, drift, users who differ, and outcomes that come late."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl

from noria.core.schema import Estimate, Task
from noria.core.turning import Rollout, RolloutPhase
from noria.loop.evidence import Evidence
from noria.stages.serving.routing import bucket

START = datetime(2026, 3, 1, tzinfo=UTC)
PER_HOUR, USERS, DELAY_H = 300, 4_000, 3.0
COLUMNS = ("request_id", "version", "role", "time", "key", "answer", "latency_us", "error")


@dataclass(frozen=True, slots=True, kw_only=True)
class Newcomer:
    """What a challenger is like, beside a champion whose answers have noise 1 and whose requests take 4 ms and fail once in 2,000.

    Attributes:
        noise: Of its answers' log-odds.
        failing: Share of requests that it fails on.
        slower: Times the champion's latency.
        earns: Times the revenue per request that the champion's answers bring.
    """

    name: str
    noise: float = 1.0
    failing: float = 0.0005
    slower: float = 1.0
    earns: float = 1.0


@dataclass(slots=True)
class Traffic:
    """One rollout's traffic, hour by hour."""

    newcomer: Newcomer
    random: np.random.Generator
    salt: str
    hours: int = 0
    users: list[str] = field(init=False)
    buckets: np.ndarray = field(init=False)
    weights: np.ndarray = field(init=False)
    taste: np.ndarray = field(init=False)
    pace: np.ndarray = field(init=False)
    answered: list[pl.DataFrame] = field(default_factory=list)
    told: list[pl.DataFrame] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.users = [f"u{n}" for n in range(USERS)]
        self.buckets = np.array([bucket(self.salt, user) for user in self.users])
        activity = self.random.lognormal(0, 1, USERS)
        self.weights = activity / activity.sum()
        self.taste = 0.7 * self.random.normal(size=USERS)
        self.pace = self.random.lognormal(0, 0.3, USERS)

    def hour(self, now: Rollout) -> None:
        """One more hour under the rollout's present share."""
        t, self.hours = self.hours, self.hours + 1
        n = int(self.random.poisson(PER_HOUR * (1 + 0.6 * np.sin(2 * np.pi * t / 24))))
        who = self.random.choice(USERS, size=n, p=self.weights)
        x = self.random.normal(0.01 * t, 1 + 0.005 * t, n)
        truth = (self.random.random(n) < _sigmoid(1.5 * x + self.taste[who] + 0.3 * np.sin(2 * np.pi * t / 24))).astype(float)
        mine, theirs = (_sigmoid(1.5 * x + noise * self.random.normal(size=n)) for noise in (1.0, self.newcomer.noise))
        busy = 4.0 * self.pace[who] * (1 + 0.5 * np.sin(2 * np.pi * t / 24)) * self.random.lognormal(0, 0.4, n)
        times = [START + timedelta(hours=t, seconds=float(s)) for s in np.sort(self.random.uniform(0, 3_600, n))]
        ids = [f"r{t}-{k}" for k in range(n)]
        broke = [self.random.random(n) < failing for failing in (0.0005, self.newcomer.failing)]
        dealt = self.buckets[who] < now.share
        lane = {"ids": ids, "times": times, "who": who}
        self._log(lane, ~dealt, 1, "champion", mine, busy, broke[0])
        self._log(lane, dealt, 2, "challenger", theirs, busy * self.newcomer.slower, broke[1])
        if now.phase is not RolloutPhase.PROMOTED:
            self._log(lane, ~dealt, 2, "shadow", theirs, busy * self.newcomer.slower, broke[1])
        if now.kind == "bluegreen":
            self._log(lane, dealt, 1, "control", mine, busy, broke[0])
        spent = (
            self.random.exponential(3.0, n)
            * (self.random.random(n) < 0.3)
            * np.where(dealt, self.newcomer.earns, 1.0)
            * np.exp(self.taste[who])
        )
        late = self.random.exponential(DELAY_H, n)
        self.told.append(pl.DataFrame({"request_id": ids, "outcome": truth, "revenue": spent, "known": t + 1 + late}))

    def evidence(self) -> Evidence:
        """All that is known by now."""
        rows = pl.concat(self.answered).sort("time")
        known = pl.concat(self.told).filter(pl.col("known") <= self.hours)
        return Evidence(
            rows=rows,
            outcomes=rows.join(known.select("request_id", "outcome"), on="request_id"),
            task=Task.BINARY,
            agreement=Estimate(value=0.72, low=0.70, high=0.74, n=5_000, se=0.01),
            business=known.select("request_id", "revenue"),
        )

    def _log(self, lane: dict, chosen: np.ndarray, version: int, role: str, answer: np.ndarray, ms: np.ndarray, broke: np.ndarray) -> None:
        at = np.flatnonzero(chosen)
        failed = broke[at]
        self.answered.append(
            pl.DataFrame(
                {
                    "request_id": [lane["ids"][k] for k in at],
                    "version": np.full(len(at), version),
                    "role": [role] * len(at),
                    "time": pl.Series([lane["times"][k] for k in at], dtype=pl.Datetime("ms", "UTC")),
                    "key": [self.users[lane["who"][k]] for k in at],
                    "answer": pl.Series(np.where(failed, np.nan, answer[at])).fill_nan(None),
                    "latency_us": (ms[at] * 1_000).astype(np.int64),
                    "error": ["broke" if one else "" for one in failed],
                }
            ).select(COLUMNS)
        )


def _sigmoid(logit: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-logit))
