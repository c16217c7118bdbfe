"""Which of two interleaved rankers users prefer: a sequential test on queries, each of which judges both at once."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from noria.core.schema import Estimate
from noria.core.turning import GuardReading
from noria.stages.evaluation.measured import Array
from noria.stages.evaluation.sequential import guard_loss_paired
from noria.stages.evaluation.sequential_rates import log_evidence, rate_sequence

GUARD = "preference"


def by_wins(champion: Array, challenger: Array, *, margin: float, alpha: float, min_n: int) -> GuardReading:
    """Compare in how many queries either version's rows gained more; queries that neither won are left out.

    If users do not prefer one, each query that is decided falls to either with chance ½ whatever
    came before, since a coin of its own dealt its teams: a sign test whose confidence sequence is
    exact at any number of queries (a Beta mixture), also where one user sends many.

    Args:
        champion, challenger: What the rows that either drafted gained, shape (queries,).
        margin: The lead of the champion that is tolerated, 0 to 1.
        min_n: Decided queries before anything is said.
    """
    wins, losses = int((challenger > champion).sum()), int((champion > challenger).sum())
    n = wins + losses
    low, high = rate_sequence(losses, n, alpha=alpha)
    value = (losses - wins) / n if n else float("nan")
    difference = Estimate(value=value, low=2 * low - 1, high=2 * high - 1, n=len(champion), level=1 - alpha)
    p = min(1.0, float(np.exp(-max(log_evidence(losses, n, 0.5), 0.0)))) if n else 1.0
    harm = difference.low > 0 and difference.value > margin
    verdict = "harm" if harm else "no-harm" if difference.high < margin else "undecided"
    return GuardReading(
        guard=GUARD,
        difference=difference,
        margin=margin,
        p_value=p,
        verdict="not-enough-data" if n < min_n else verdict,
        champion_n=n,
        challenger_n=n,
        note=f"{wins:,} queries won, {losses:,} lost, {len(champion) - n:,} even",
    )


def by_gain(champion: Array, challenger: Array, *, margin: float, alpha: float, min_n: int) -> GuardReading:
    """Compare what either version's rows gained per query, in pairs; asymptotic, as any test of a mean."""
    reading = guard_loss_paired(GUARD, -champion, -challenger, margin=margin, alpha=alpha, min_n=min_n)
    return replace(
        reading, note=f"{challenger.mean() if len(challenger) else 0:.4g} against {champion.mean() if len(champion) else 0:.4g} per query"
    )
