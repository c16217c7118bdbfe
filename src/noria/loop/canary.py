"""Takes a challenger up step by step as long as nothing speaks of harm."""

from __future__ import annotations

from dataclasses import replace

from noria.core.declaration.rollout import Canary
from noria.loop.guards import said
from noria.loop.looks import Look, Standing, held_up, moved, promoted


def decide(standing: Standing, canary: Canary) -> Look:
    """One step up when the challenger has answered `min_rows` requests of this one and every guard has spoken."""
    held = held_up(standing, canary, canary.min_rows)
    if held is not None:
        return held
    rollout, following = standing.rollout, standing.rollout.step + 1
    place = "shadow" if standing.in_shadow else f"{rollout.steps[rollout.step]:g} %"
    reasons = (f"{standing.rows:,} rows on {place} without harm", *(said(guard) for guard in rollout.looks))
    if canary.steps[following] >= 100:
        return promoted(replace(rollout, step=following), standing.now, reasons)
    return moved(rollout, canary.steps[following], standing.now, reasons)
