"""Lets a challenger compute unseen, and then does what was declared: ask a person, promote it, or let it leave."""

from __future__ import annotations

from dataclasses import replace

from noria.core.declaration.rollout import Shadow
from noria.loop.guards import said
from noria.loop.looks import Look, Standing, held_up, in_doubt, promoted, taken_out, waiting


def decide(standing: Standing, shadow: Shadow) -> Look:
    """When `rows` requests were computed and every guard has spoken for the challenger, what was declared follows."""
    rollout = replace(standing.rollout, asks=False)
    standing = replace(standing, rollout=rollout)
    held = held_up(standing, shadow, shadow.rows) or in_doubt(standing, shadow.max_rows)
    if held is not None:
        return held
    shown = f"{standing.rows:,} requests computed unseen without harm"
    reasons = (shown, *(said(guard) for guard in rollout.looks))
    if shadow.then == "promote":
        return promoted(rollout, standing.now, reasons)
    if shadow.then == "leave":
        return taken_out(rollout, standing.now, [f"it was only to be seen: {shown}", *reasons[1:]])
    return waiting(replace(rollout, asks=True), f"{shown}: a person decides, `noria approve {rollout.loop}`")
