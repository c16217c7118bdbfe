"""Keeps a fixed split until the challenger is shown to be better, or it is clear that it will not be."""

from __future__ import annotations

from noria.core.declaration.rollout import AB, Interleave
from noria.loop.guards import said
from noria.loop.looks import Look, Standing, held_up, moved, promoted, taken_out, waiting


def decide(standing: Standing, ab: AB) -> Look:
    """Win, futility or wait; see `proved`."""
    held = held_up(standing, ab, ab.min_rows)
    if held is not None:
        return held
    if standing.in_shadow:
        return moved(standing.rollout, ab.share, standing.now, (f"{standing.rows:,} rows on shadow without harm",))
    return proved(standing, ab, ab.metric, "rows")


def proved(standing: Standing, strategy: AB | Interleave, what: str, unit: str) -> Look:
    """Promote what is shown to be better, and give up what is not in the end.

    It wins when the whole confidence sequence of the difference lies beyond `min_effect` on the
    good side. The sequence holds at all looks together, so a version that is no better wins with
    probability below 1 − confidence, however often one looks.
    """
    rollout = standing.rollout
    deciding = rollout.looks[-1]
    difference, n = deciding.difference, deciding.challenger_n
    shown = f"{what} better by {-difference.value:.4g} [{-difference.high:.4g}, {-difference.low:.4g}] after {n:,} {unit}"
    if difference.high < -strategy.min_effect and n >= strategy.min_rows:
        return promoted(rollout, standing.now, (shown, *(said(guard) for guard in rollout.looks)))
    if n >= strategy.max_rows:
        return taken_out(rollout, standing.now, [f"no difference shown after {n:,} {unit}", *(said(guard) for guard in rollout.looks)])
    return waiting(rollout, f"not shown to be better yet: {shown}")
