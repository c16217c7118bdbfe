"""Keeps two rankers drafting together until users are shown to prefer the challenger's rows, or it is clear that they do not."""

from __future__ import annotations

from noria.core.declaration.rollout import Interleave
from noria.loop.ab import proved
from noria.loop.looks import Look, Standing, held_up, moved


def decide(standing: Standing, interleave: Interleave) -> Look:
    """Win, futility or wait, as an A/B test does; what is counted are queries."""
    held = held_up(standing, interleave, 0)
    if held is not None:
        return held
    if standing.in_shadow:
        return moved(standing.rollout, 50.0, standing.now, (f"{standing.rows:,} rows on shadow without harm",))
    return proved(standing, interleave, "preferred" if interleave.metric == "wins" else "gain", "queries")
