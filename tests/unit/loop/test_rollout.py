"""The rollout takes a good challenger up and a bad one out, at whatever moment it looks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from noria.core.declaration.rollout import Canary
from noria.core.schema import Task
from noria.core.turning import Rollout, RolloutPhase
from noria.loop.evidence import Evidence
from noria.loop.rollout import begin, look, out
from noria.stages.serving.routing import bucket

START = datetime(2024, 1, 1, tzinfo=UTC)
CANARY = Canary(steps=[10, 50, 100], min_rows=100, shadow_rows=100, guard=["errors", "latency", "roc_auc"], margin={"roc_auc": 0.05})


def rollout() -> Rollout:
    return begin(CANARY, id="rollout_1", loop="orders", turn="turn_1", champion=1, challenger=2, now=START)


class Traffic:
    """Requests as a data plane would log them for the rollout's present share."""

    def __init__(
        self, *, challenger_skill: float = 1.0, error_share: float = 0.0, slow_ms: float = 2.0, told: bool = True, seed: int = 1
    ) -> None:
        self.random = np.random.default_rng(seed)
        self.skill, self.error_share, self.slow_ms, self.told = challenger_skill, error_share, slow_ms, told
        self.rows: list[dict] = []
        self.outcomes: list[dict] = []
        self.n = 0

    def flow(self, now: Rollout, at: datetime, count: int, *, share: float | None = None) -> None:
        for k in range(count):
            self.n += 1
            key, time = f"k{self.n}", at + timedelta(seconds=k)
            x = self.random.normal()
            truth = bool(self.random.random() < 1 / (1 + np.exp(-2 * x)))
            mine, theirs = 1 / (1 + np.exp(-2 * x)), 1 / (1 + np.exp(-2 * x * self.skill))
            failed = self.random.random() < self.error_share
            if bucket(now.id, key) < (now.share if share is None else share):
                self._log(key, time, 2, "challenger", None if failed else theirs, self.slow_ms, "broke" if failed else "")
                if failed:
                    self._log(key, time, 1, "fallback", mine, self.slow_ms + 1, "challenger v2: broke")
            else:
                self._log(key, time, 1, "champion", mine, 1.0, "")
                self._log(key, time, 2, "shadow", None if failed else theirs, self.slow_ms, "broke" if failed else "")
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
        return Evidence(rows=rows, outcomes=told, task=Task.BINARY, classes=("false", "true"))

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


def climb(traffic: Traffic, looks: int = 60, per_look: int = 100) -> Rollout:
    now = rollout()
    for n in range(looks):
        at = START + timedelta(hours=n + 1)
        traffic.flow(now, at, per_look)
        now = look(now, CANARY, traffic.evidence(), at + timedelta(minutes=59)).rollout
        if now.ended_at is not None:
            break
    return now


def test_an_equal_challenger_climbs_every_step_and_is_promoted():
    ended = climb(Traffic())
    assert ended.phase is RolloutPhase.PROMOTED
    assert ended.failed == 0


def test_a_wrong_challenger_is_taken_out():
    ended = climb(Traffic(challenger_skill=-1.0))
    assert ended.phase is RolloutPhase.ROLLED_BACK
    assert ended.reason.startswith("roc_auc: harm")


def test_a_failing_challenger_is_taken_out_and_its_failures_are_counted():
    traffic = Traffic(error_share=0.3, told=False)
    ended = climb(traffic)
    assert ended.phase is RolloutPhase.ROLLED_BACK
    assert ended.reason.startswith("errors: harm")
    assert ended.failed == sum(row["role"] == "fallback" for row in traffic.rows)


def test_a_slow_challenger_is_taken_out_once_users_feel_it():
    ended = climb(Traffic(slow_ms=300.0))
    assert ended.phase is RolloutPhase.ROLLED_BACK
    assert ended.reason.startswith("latency: harm")
    assert ended.touched > 0


def test_without_outcomes_a_step_waits_and_ends_in_rollback_at_last():
    canary = Canary(steps=[10, 100], min_rows=50, shadow_rows=50, guard=["errors", "roc_auc"], max_rows=300)
    now, traffic = begin(canary, id="rollout_1", loop="orders", turn="turn_1", champion=1, challenger=2, now=START), Traffic(told=False)
    for n in range(60):
        at = START + timedelta(hours=n + 1)
        traffic.flow(now, at, 100)
        now = look(now, canary, traffic.evidence(), at + timedelta(minutes=59)).rollout
        if now.ended_at is not None:
            break
    assert now.phase is RolloutPhase.ROLLED_BACK
    assert "not enough data on roc_auc" in now.reason


def test_rows_that_an_old_plan_routed_are_not_held_against_the_split():
    traffic, now = Traffic(), rollout()
    traffic.flow(now, START + timedelta(hours=1), 150)
    now = look(now, CANARY, traffic.evidence(), START + timedelta(hours=2)).rollout
    assert now.share == 0.1
    traffic.flow(now, START + timedelta(hours=2), 300, share=0.0)
    traffic.flow(now, START + timedelta(hours=3), 300)
    assert look(now, CANARY, traffic.evidence(), START + timedelta(hours=4)).rollout.phase is RolloutPhase.CANARY


def test_a_broken_split_ends_the_rollout():
    traffic, now = Traffic(), rollout()
    traffic.flow(now, START + timedelta(hours=1), 150)
    now = look(now, CANARY, traffic.evidence(), START + timedelta(hours=2)).rollout
    traffic.flow(now, START + timedelta(hours=2), 1_000, share=0.4)
    ended = look(now, CANARY, traffic.evidence(), START + timedelta(hours=4)).rollout
    assert ended.phase is RolloutPhase.ROLLED_BACK
    assert ended.reason.startswith("sample ratio")


def test_a_person_may_end_it_at_any_time():
    ended = out(rollout(), START, "woken at night").rollout
    assert (ended.phase, ended.share, ended.reason) == (RolloutPhase.ROLLED_BACK, 0.0, "woken at night")


@pytest.mark.parametrize("seed", range(8))
def test_an_equal_challenger_is_not_taken_out_by_chance(seed):
    assert climb(Traffic(seed=seed), looks=40).phase is RolloutPhase.PROMOTED
