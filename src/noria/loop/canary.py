"""Takes a challenger up step by step as long as nothing speaks of harm."""

from __future__ import annotations

from dataclasses import replace

from noria.core.declaration.rollout import Canary
from noria.loop.guards import said
from noria.loop.looks import Look, Standing, held_up, in_doubt, moved, promoted


def decide(standing: Standing, canary: Canary) -> Look:
    """One step up when the challenger has answered `min_rows` requests of this one and every guard has spoken.

    A guard whose estimate lies beyond its margin holds the challenger where it is until the
    evidence is sure of one or the other: no more users meet what may be a bad model.
    """
    held = held_up(standing, canary, canary.min_rows) or in_doubt(standing, canary.max_rows)
    if held is not None:
        return held
    rollout, following = standing.rollout, standing.rollout.step + 1
    place = "shadow" if standing.in_shadow else f"{rollout.steps[rollout.step]:g} %"
    reasons = (f"{standing.rows:,} rows on {place} without harm", *(said(guard) for guard in rollout.looks))
    if canary.steps[following] >= 100:
        return promoted(replace(rollout, step=following), standing.now, reasons)
    return moved(rollout, canary.steps[following], standing.now, reasons)
