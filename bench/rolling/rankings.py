"""Users who click in rankings that two versions drafted: examined from the top, clicked by relevance, a few by anything."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import polars as pl

from noria.core.schema import Task
from noria.loop.evidence import Evidence
from noria.stages.serving.drafting import draft
from rolling.traffic import START

ROWS, PER_HOUR, RANDOM_CLICKS = 8, 120, 0.05


class Rankings:
    """Queries of a rollout that interleaves; `noise` is what hides the relevance from champion and challenger."""

    def __init__(self, noise: tuple[float, float], random: np.random.Generator, salt: str) -> None:
        self.noise, self.random, self.salt, self.hours = noise, random, salt, 0
        self.rows: list[tuple] = []
        self.clicks: list[tuple[str, float]] = []

    def hour(self) -> None:
        """One more hour of queries."""
        for n in range(PER_HOUR):
            time, query = START + timedelta(hours=self.hours, seconds=n), f"q{self.hours}-{n}"
            relevance = self.random.normal(size=ROWS)
            scores = [relevance + size * self.random.normal(size=ROWS) for size in self.noise]
            drafted = draft(scores[0].tolist(), scores[1].tolist(), salt=self.salt, query=query)
            for rank, (place, second) in enumerate(zip(drafted.order, drafted.by_challenger, strict=True)):
                id = f"{query}-{place}"
                role = "challenger" if second else "champion"
                self.rows.append((id, 1 + second, role, time, id, query, float(scores[second][place]), 4_000, ""))
                likes = 1 / (1 + np.exp(3 - 2 * relevance[place]))
                if self.random.random() < 0.85**rank * (RANDOM_CLICKS + (1 - RANDOM_CLICKS) * likes):
                    self.clicks.append((id, 1.0))
        self.hours += 1

    def evidence(self) -> Evidence:
        """All that is known by now."""
        schema = {
            "request_id": pl.String, "version": pl.Int64, "role": pl.String, "time": pl.Datetime("ms", "UTC"), "key": pl.String,
            "group": pl.String, "answer": pl.Float64, "latency_us": pl.Int64, "error": pl.String,
        }  # fmt: skip
        rows = pl.DataFrame(self.rows, schema=schema, orient="row")
        told = pl.DataFrame(self.clicks, schema={"request_id": pl.String, "outcome": pl.Float64}, orient="row")
        return Evidence(rows=rows, outcomes=rows.join(told, on="request_id"), task=Task.RANKING)
