"""Finds which version answered a request, in whichever deployment's log it is."""

from __future__ import annotations

from noria.loop.world import World
from noria.stages.serving import log

SEEN = ("champion", "challenger", "fallback", "asked", "control", "shadow")
"""Roles by who saw the answer: users' first."""


def answered_by(world: World, request_id: str) -> tuple[str, int, str] | None:
    """Deployment, version and role of a request's answer; None where no log has it (or not yet: logs are a few seconds behind)."""
    if not world.log_folder.is_dir() or not request_id or len(request_id) > 500:
        return None
    for folder in sorted(world.log_folder.iterdir()):
        rows = log.find(world.log_folder, folder.name, request_id) if folder.is_dir() else None
        if rows is None or not rows.height:
            continue
        first = min(rows.select("role", "version").rows(), key=lambda row: SEEN.index(row[0]) if row[0] in SEEN else len(SEEN))
        return folder.name, int(first[1]), str(first[0])
    return None
