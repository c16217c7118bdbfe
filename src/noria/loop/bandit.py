"""Lets traffic follow the evidence: the challenger's share becomes the chance that it is better."""

from __future__ import annotations

from dataclasses import replace
from math import sqrt
from statistics import NormalDist

from noria.core.declaration.rollout import Bandit
from noria.core.turning import GuardReading, Rollout
from noria.loop.evidence import GUARD_ROWS
from noria.loop.guards import said
from noria.loop.looks import Look, Standing, held_up, moved, promoted, taken_out, waiting

SURE = 0.99
STAYS_ROWS = GUARD_ROWS
"""Pairs over which the chance must stay as good as certain."""
LEAST_MOVE = 0.02


def decide(standing: Standing, bandit: Bandit) -> Look:
    """Win, leave, or move the share by at most one `step` towards the chance of being better.

    A share is kept until every guard has spoken on it, so errors and latency are always compared
    under one share.
    """
    rollout, pairs = _believed(standing.rollout, bandit)
    standing = replace(standing, rollout=rollout)
    chance = "too early to say which is better" if rollout.better is None else f"{bandit.metric} better with chance {rollout.better:.1%}"
    reasons = (f"{chance} after {pairs:,} pairs", *(said(guard) for guard in rollout.looks))
    if rollout.better is not None and rollout.better <= 1 - SURE:
        return taken_out(rollout, standing.now, reasons)
    held = held_up(standing, bandit, 0)
    if held is not None:
        return held
    if standing.in_shadow:
        return moved(rollout, 100 * bandit.floor, standing.now, reasons)
    if rollout.sure_since and pairs >= max(bandit.min_rows, rollout.sure_since + STAYS_ROWS):
        return promoted(rollout, standing.now, reasons)
    if pairs >= bandit.max_rows:
        return taken_out(rollout, standing.now, [f"undecided after {pairs:,} pairs", *reasons])
    share = next_share(rollout.share, rollout.better, bandit)
    if abs(share - rollout.share) < LEAST_MOVE:
        return waiting(rollout, reasons[0])
    return moved(rollout, round(100 * share, 1), standing.now, reasons, happened="moved")


def chance_better(reading: GuardReading, min_rows: int) -> float | None:
    """Probability that the challenger is better; None before there is enough data.

    Under a normal prior around "no difference" that weighs as much as `min_rows` rows, the
    posterior of the difference is normal too, and its mean's distance from zero is the z score
    shrunk by the root of n / (n + min_rows).
    """
    if reading.verdict == "not-enough-data":
        return None
    difference, n = reading.difference, reading.challenger_n
    return NormalDist().cdf(-difference.value / difference.se * sqrt(n / (n + min_rows)))


def next_share(share: float, better: float | None, bandit: Bandit) -> float:
    """Thompson sampling by probability matching, within the floor and one step at most.

    Source: Thompson 1933; Russo et al. 2018, "A tutorial on Thompson sampling".
    """
    if better is None:
        return share
    wanted = min(max(better, bandit.floor), 1 - bandit.floor)
    return min(max(wanted, share - bandit.step), share + bandit.step)


def _believed(rollout: Rollout, bandit: Bandit) -> tuple[Rollout, int]:
    deciding = rollout.looks[-1]
    better, pairs = chance_better(deciding, bandit.min_rows), deciding.challenger_n
    sure = better is not None and better >= SURE
    return replace(rollout, better=better, sure_since=(rollout.sure_since or pairs) if sure else 0), pairs
