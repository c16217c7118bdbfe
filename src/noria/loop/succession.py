"""How a rollout ends: a new champion with its monitors begun anew, or a challenger that leaves."""

from __future__ import annotations

from collections.abc import Sequence

from noria.core.registry import ModelVersion
from noria.core.turning import Rollout
from noria.core.watching import Incident, MonitorState
from noria.durable.trip import Trip
from noria.loop.incidents import ended
from noria.loop.planning import CHALLENGER, CHAMPION
from noria.loop.story import Story
from noria.loop.world import World
from noria.ports.records import Write
from noria.stages.registry import aliases


def crowned(world: World, story: Story, trip: Trip, version: ModelVersion, before: int | None, reason: str) -> tuple[bool, Sequence[Write]]:
    """Make the version champion: its alias moves once, however often this is tried, and the monitors begin anew."""
    after = "registered" if before is None else "rollout-ended"
    line = story.line(
        "champion",
        "alias.moved",
        [f"champion: {'none' if before is None else f'v{before}'} → v{version.number}", reason],
        after=after,
        subject=f"{version.model}@{version.number}",
        made_from=(version.candidate.artifact,),
    )
    at = trip.clock.now()
    aliases.move(
        world.records,
        version.model,
        CHAMPION,
        version.number,
        expect=before,
        by="noria",
        reason=reason,
        at=at,
        turn=trip.turn.id,
        also=[line],
    )
    _no_challenger(world, trip, version.model, "became champion")
    return True, _answered(world, story, version)


def _answered(world: World, story: Story, version: ModelVersion) -> list[Write]:
    """Open incidents are answered by a new champion, and its monitors have seen nothing yet."""
    writes: list[Write] = []
    for incident in world.documents.find(Incident, where={"loop": version.model, "state": "open"}):
        writes += ended(world, incident, because=f"answered by the promotion of v{version.number}", cause=(story.id("champion"),))
    for state in world.documents.find(MonitorState, where={"loop": version.model}):
        writes.append(world.documents.write(MonitorState(loop=state.loop, monitor=state.monitor, subject=state.subject)))
    return writes


def stepped_down(world: World, story: Story, trip: Trip, version: ModelVersion, rollout: Rollout) -> tuple[bool, Sequence[Write]]:
    """Take the challenger's alias away; the champion never stopped answering. The value says whether the version is champion."""
    _no_challenger(world, trip, version.model, rollout.reason)
    line = story.line(
        "stepped-down",
        "challenger.dismissed",
        [f"v{version.number} leaves, v{rollout.champion} stays champion", rollout.reason],
        after="rollout-ended",
        subject=f"{version.model}@{version.number}",
        numbers={"touched": rollout.touched, "failed over to the champion": rollout.failed},
    )
    return False, [line]


def _no_challenger(world: World, trip: Trip, model: str, reason: str) -> None:
    current = aliases.current(world.records, model, CHALLENGER)
    if current is not None:
        aliases.move(
            world.records, model, CHALLENGER, None, expect=current, by="noria", reason=reason, at=trip.clock.now(), turn=trip.turn.id
        )
