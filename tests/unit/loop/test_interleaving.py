"""Two rankers draft one order for each query, and users say by their clicks whose rows they wanted."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from noria.core.declaration.rollout import Interleave
from noria.core.schema import Task
from noria.core.turning import Rollout, RolloutPhase
from noria.loop.evidence import Evidence
from noria.loop.rollout import begin, look
from noria.stages.serving.drafting import draft

START = datetime(2024, 1, 1, tzinfo=UTC)
STRATEGY = Interleave(min_queries=100, max_queries=1_500, shadow_rows=0, guard=["errors"])
SCHEMA = {
    "request_id": pl.String,
    "version": pl.Int64,
    "role": pl.String,
    "time": pl.Datetime("ms", "UTC"),
    "key": pl.String,
    "group": pl.String,
    "answer": pl.Float64,
    "latency_us": pl.Int64,
    "error": pl.String,
}


def run(noise: tuple[float, float], *, strategy: Interleave = STRATEGY, looks: int = 20, per_look: int = 150, seed: int = 1) -> Rollout:
    """A rollout of a ranker: users click rows that are relevant, the higher the likelier."""
    random = np.random.default_rng(seed)
    now = begin(strategy, id=f"rollout_{seed}", loop="orders", turn="turn_1", champion=1, challenger=2, now=START)
    rows, told = [], []
    for step in range(looks):
        for n in range(per_look):
            time, query = START + timedelta(hours=step, seconds=n), f"q{step}-{n}"
            relevance = random.normal(size=8)
            scores = [relevance + size * random.normal(size=8) for size in noise]
            drafted = draft(scores[0].tolist(), scores[1].tolist(), salt=now.id, query=query)
            for rank, (place, second) in enumerate(zip(drafted.order, drafted.by_challenger, strict=True)):
                id = f"{query}-{place}"
                rows.append(
                    (id, 1 + second, "challenger" if second else "champion", time, id, query, float(scores[second][place]), 900, "")
                )
                if random.random() < 0.8**rank / (1 + np.exp(-2 * relevance[place])):
                    told.append((id, 1.0))
        frame = pl.DataFrame(rows, schema=SCHEMA, orient="row")
        outcomes = frame.join(pl.DataFrame(told, schema={"request_id": pl.String, "outcome": pl.Float64}, orient="row"), on="request_id")
        now = look(
            now, strategy, Evidence(rows=frame, outcomes=outcomes, task=Task.RANKING), START + timedelta(hours=step, minutes=59)
        ).rollout
        if now.ended_at is not None:
            break
    return now


def test_a_ranker_whose_rows_are_chosen_more_often_is_promoted():
    ended = run((1.5, 0.3))
    assert ended.phase is RolloutPhase.PROMOTED
    assert ended.reason.startswith("preferred better by 0.")
    assert ended.looks[-1].challenger_n < 1_000


def test_a_ranker_whose_rows_are_passed_over_is_taken_out():
    ended = run((0.3, 1.5))
    assert ended.reason.startswith("preference: harm")
    assert "queries won" in ended.reason


@pytest.mark.parametrize("metric", ["wins", "gain"])
def test_an_equal_ranker_is_given_up_in_the_end(metric):
    ended = run((0.8, 0.8), strategy=Interleave(metric=metric, min_queries=100, max_queries=1_200, shadow_rows=0, guard=["errors"]))
    assert ended.reason.startswith("no difference shown after 1,")
