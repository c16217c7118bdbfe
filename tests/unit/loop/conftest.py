"""Traffic of a rollout, as a data plane would log it."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import polars as pl
import pytest

from noria.core.schema import Estimate, Task
from noria.core.turning import Rollout
from noria.loop.evidence import Evidence
from noria.stages.serving.routing import bucket


class Traffic:
    """Requests as a data plane would log them for the rollout's present share."""

    def __init__(
        self,
        *,
        challenger_skill: float = 1.0,
        noise: tuple[float, float] = (0.0, 0.0),
        error_share: float = 0.0,
        slow_ms: float = 2.0,
        told: bool = True,
        revenue: tuple[float, float] | None = None,
        agreement: Estimate | None = None,
        seed: int = 1,
    ) -> None:
        self.random = np.random.default_rng(seed)
        self.champion_noise, self.challenger_noise = noise
        self.skill, self.error_share, self.slow_ms, self.told = challenger_skill, error_share, slow_ms, told
        self.agreement, self.revenue = agreement, revenue
        self.business: list[dict] = []
        self.rows: list[dict] = []
        self.outcomes: list[dict] = []
        self.n = 0

    def flow(self, now: Rollout, at: datetime, count: int, *, share: float | None = None) -> None:
        for k in range(count):
            self.n += 1
            key, time = f"k{self.n}", at + timedelta(seconds=k)
            x = self.random.normal()
            truth = bool(self.random.random() < 1 / (1 + np.exp(-2 * x)))
            mine, theirs = self._answer(x, self.champion_noise), self._answer(x * self.skill, self.challenger_noise)
            failed = self.random.random() < self.error_share
            if bucket(now.id, key) < (now.share if share is None else share):
                self._log(key, time, 2, "challenger", None if failed else theirs, self.slow_ms, "broke" if failed else "")
                if failed:
                    self._log(key, time, 1, "fallback", mine, self.slow_ms + 1, "challenger v2: broke")
                if now.kind == "bluegreen":
                    self._log(key, time, 1, "control", mine, 3.0, "")
                self._earn(key, 1)
            else:
                self._log(key, time, 1, "champion", mine, 1.0, "")
                self._log(key, time, 2, "shadow", None if failed else theirs, self.slow_ms, "broke" if failed else "")
                self._earn(key, 0)
            if self.told:
                self.outcomes.append({"request_id": key, "outcome": float(truth)})

    def evidence(self) -> Evidence:
        schema = {
            "request_id": pl.String,
            "version": pl.Int64,
            "role": pl.String,
            "time": pl.Datetime("ms", "UTC"),
            "key": pl.String,
            "answer": pl.Float64,
            "latency_us": pl.Int64,
            "error": pl.String,
        }
        rows = pl.DataFrame(self.rows, schema=schema)
        told = rows.join(pl.DataFrame(self.outcomes, schema={"request_id": pl.String, "outcome": pl.Float64}), on="request_id")
        business = pl.DataFrame(self.business, schema={"request_id": pl.String, "revenue": pl.Float64})
        return Evidence(rows=rows, outcomes=told, task=Task.BINARY, agreement=self.agreement, business=business)

    def _earn(self, key: str, arm: int) -> None:
        if self.revenue is not None:
            self.business.append({"request_id": key, "revenue": float(self.random.exponential(self.revenue[arm]))})

    def _answer(self, x: float, noise: float) -> float:
        blur = noise * self.random.normal() if noise else 0.0
        return float(1 / (1 + np.exp(-2 * x - blur)))

    def _log(self, key: str, time: datetime, version: int, role: str, answer: float | None, latency_ms: float, error: str) -> None:
        self.rows.append(
            {
                "request_id": key,
                "version": version,
                "role": role,
                "time": time,
                "key": key,
                "answer": answer,
                "latency_us": int(latency_ms * 1000),
                "error": error,
            }
        )


@pytest.fixture()
def new_traffic() -> type[Traffic]:
    """Makes traffic: of what skill the challenger is, how often it fails, how slow it is."""
    return Traffic
