"""Moves all traffic to a warm challenger at once, and keeps the old version ready until the new one has proved itself."""

from __future__ import annotations

from noria.core.declaration.rollout import BlueGreen
from noria.core.moments import spoken
from noria.loop.guards import said
from noria.loop.looks import Look, Standing, held_up, in_doubt, moved, promoted, waiting


def decide(standing: Standing, strategy: BlueGreen) -> Look:
    """Switch when the challenger is warm; promote it after the bake, if every guard has spoken for it by then."""
    held = held_up(standing, strategy, strategy.min_rows)
    if held is not None:
        return held
    rollout, now = standing.rollout, standing.now
    if standing.in_shadow:
        return in_doubt(standing, strategy.max_rows) or moved(
            rollout, 100.0, now, (f"warm after {standing.rows:,} rows on shadow without harm",)
        )
    left = strategy.bake - (now - rollout.step_started_at)
    if left.total_seconds() > 0:
        return waiting(rollout, f"bakes for {spoken(left)} more: {standing.rows:,} rows without harm; v{rollout.champion} stays ready")
    doubted = in_doubt(standing, 0)
    if doubted is not None:
        return doubted
    shown = f"{standing.rows:,} rows of all traffic in {spoken(now - rollout.step_started_at)} without harm"
    return promoted(rollout, now, (shown, *(said(guard) for guard in rollout.looks)))
