"""Do rollouts keep their promises? Every strategy on simulated traffic, beside the usual rules: `python bench/rollouts.py [runs]`.

Traffic has a daily rhythm, drifts while the rollout runs, comes from sticky users who differ (some send
hundreds of requests), and outcomes are told hours later. Told are false alarms, power, users who met the
challenger, and hours to the decision. The same runs are judged by a t-test that is peeked at each hour and
by "more than twice the errors". With --write the tables take the place of those in docs/rollouts-measured.md, whose words stay.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import numpy as np
import polars as pl

from noria.core.declaration.rollout import AB, Bandit, BlueGreen, Canary, Interleave, Shadow, Strategy
from noria.core.turning import Rollout, RolloutPhase
from noria.loop.rollout import begin, look
from rolling.rankings import Rankings
from rolling.traffic import START, Newcomer, Traffic
from rolling.usual import peeked_t_test, twice_the_errors

MOST_HOURS = 60
GUARD = ["errors", "latency", "agreement", "nan", "distribution", "roc_auc"]
REVENUE = {"business:revenue": 0.25}
STRATEGIES: dict[str, Strategy] = {
    "shadow": Shadow(2_000, then="promote", guard=["errors", "agreement", "distribution", "roc_auc"]),
    "canary": Canary([20, 50, 100], min_rows=300, shadow_rows=300, guard=[*GUARD, "business:revenue"], margin=REVENUE),
    "blue/green": BlueGreen("6h", min_rows=500, shadow_rows=500, guard=GUARD),
    "A/B": AB(50, metric="roc_auc", min_rows=500, max_rows=6_000, shadow_rows=300, guard=[*GUARD[:4], "business:revenue"], margin=REVENUE),
    "bandit": Bandit(metric="roc_auc", floor=0.1, step=0.2, min_rows=500, max_rows=6_000, shadow_rows=300, guard=GUARD[:4]),
}
NEWCOMERS = [
    Newcomer(name="equal"),
    Newcomer(name="worse within margins: AUC −0.01, 0.2 % more errors, 1.3 × slower", noise=1.15, failing=0.0025, slower=1.3),
    Newcomer(name="AUC −0.06", noise=1.8),
    Newcomer(name="AUC −0.13", noise=3.5),
    Newcomer(name="2 % errors", failing=0.02),
    Newcomer(name="10 % errors", failing=0.1),
    Newcomer(name="12 × slower", slower=12.0),
    Newcomer(name="revenue −40 %", earns=0.6),
    Newcomer(name="better: AUC +0.03", noise=0.5),
]
RANKERS = {"equal": (1.0, 1.0), "slightly worse": (1.0, 1.1), "worse": (0.7, 1.3), "better": (1.3, 0.7)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """One rollout that was played to its end."""

    end: str
    hours: int
    touched: int
    t_test: bool = False
    twice: bool = False


def play(strategy: Strategy, newcomer: Newcomer, seed: int) -> Played:
    """One rollout, looked at every hour, and what the usual rules say of the same traffic."""
    now = begin(strategy, id=f"rollout_{seed}", loop="l", turn="t", champion=1, challenger=2, now=START)
    traffic = Traffic(newcomer, np.random.default_rng(seed), now.id)
    t_test = twice = False
    for hour in range(MOST_HOURS):
        traffic.hour(now)
        evidence = traffic.evidence()
        in_arms = now.phase is RolloutPhase.CANARY and now.share < 1
        now = look(now, strategy, evidence, START + timedelta(hours=hour + 1)).rollout
        t_test, twice = t_test or (in_arms and peeked_t_test(evidence)), twice or (in_arms and twice_the_errors(evidence))
        if now.ended_at is not None:
            break
    rows = pl.concat(traffic.answered)
    touched = rows.filter(pl.col("role") == "challenger")["key"].n_unique()
    return Played(end=_end(now), hours=hour + 1, touched=touched, t_test=t_test, twice=twice)


def play_ranking(noise: tuple[float, float], seed: int) -> Played:
    """One interleaving, looked at every hour."""
    strategy = Interleave(min_queries=200, max_queries=4_000, shadow_rows=0, guard=["errors"])
    now = begin(strategy, id=f"rollout_{seed}", loop="l", turn="t", champion=1, challenger=2, now=START)
    rankings = Rankings(noise, np.random.default_rng(seed), now.id)
    for hour in range(MOST_HOURS):
        rankings.hour()
        now = look(now, strategy, rankings.evidence(), START + timedelta(hours=hour + 1)).rollout
        if now.ended_at is not None:
            break
    return Played(end=_end(now), hours=hour + 1, touched=now.looks[-1].challenger_n)


def main(runs: int) -> None:
    """Play everything and print the tables."""
    started, lines = time.perf_counter(), list[str]()
    for name, strategy in STRATEGIES.items():
        lines += _table(
            name,
            "users touched",
            [(one.name, _many(lambda seed, one=one, strategy=strategy: play(strategy, one, seed), runs)) for one in NEWCOMERS],
        )
        print(f"{name}: {time.perf_counter() - started:.0f} s", file=sys.stderr, flush=True)
    lines += _table(
        "interleaving",
        "decided queries",
        [(name, _many(lambda seed, n=noise: play_ranking(n, seed), runs)) for name, noise in RANKERS.items()],
    )
    told = "\n".join(lines)
    print(told)
    if "--write" in sys.argv:
        file = Path(__file__).parents[1] / "docs" / "rollouts-measured.md"
        words = file.read_text(encoding="utf-8").partition("\n## ")[0]
        file.write_text(words.rstrip() + "\n" + told + "\n", encoding="utf-8")


def _many(one: Callable[[int], Played], runs: int) -> list[Played]:
    return [one(seed) for seed in range(runs)]


def _table(name: str, touched: str, played: list[tuple[str, list[Played]]]) -> list[str]:
    usual = any(one.t_test or one.twice for _, ones in played for one in ones)
    more = (" peeked t-test alarms | twice the errors alarms |", "---|---|") if usual else ("", "")
    lines = [
        "",
        f"## {name[0].upper()}{name[1:]}",
        "",
        f"| challenger | out: harm | promoted | undecided at the end | hours, median | {touched}, median |{more[0]}",
    ]
    lines.append(f"|---|---|---|---|---|---|{more[1]}")
    for what, ones in played:
        n = len(ones)
        ends = [sum(one.end == end for one in ones) for end in ("harm", "promoted", "undecided")]
        hours, users = np.median([one.hours for one in ones]), np.median([one.touched for one in ones])
        row = f"| {what} | {ends[0]} of {n} | {ends[1]} | {ends[2]} | {hours:.0f} | {users:,.0f} |"
        lines.append(row + (f" {sum(one.t_test for one in ones)} of {n} | {sum(one.twice for one in ones)} |" if usual else ""))
    return lines


def _end(now: Rollout) -> str:
    if now.phase is RolloutPhase.PROMOTED:
        return "promoted"
    better = now.better is not None and now.better <= 0.01
    return "harm" if now.ended_at is not None and (": harm" in now.reason or better or "still looks worse" in now.reason) else "undecided"


if __name__ == "__main__":
    main(int(next((one for one in sys.argv[1:] if one.isdigit()), "40")))
