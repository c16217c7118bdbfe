"""Collects a home's garbage and writes down that it was done."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from noria.ledger.collecting.sweep import GRACE, Collected
from noria.ledger.collecting.sweep import collect as swept
from noria.ledger.collecting.telling import Told
from noria.loop.world import World


def collect(
    world: World,
    *,
    grace: timedelta | None = None,
    older_than: timedelta | None = None,
    dry: bool = False,
    by: str,
    told: Told = lambda said, share: None,
) -> Collected:
    """See `noria.ledger.collecting.sweep.collect`; a day of grace where none is given."""
    collected = swept(
        world.records,
        world.store,
        world.blobs,
        files=naming_files(world.home),
        now=world.wall.now(),
        grace=GRACE if grace is None else grace,
        older_than=older_than,
        dry=dry,
        told=told,
    )
    if not dry:
        numbers = {one.kind: float(one.size_bytes) for one in collected.kinds}
        purged = collected.purged
        event = world.ledger.event(
            "store.collected",
            loop="",
            subject="blobs",
            by=by,
            reasons=(
                f"freed {collected.size_bytes:,} bytes in {collected.blobs:,} blobs",
                f"purged {purged.runs:,} deleted runs and {purged.models:,} logged models",
            ),
            numbers={
                "size_bytes": float(collected.size_bytes),
                "blobs": float(collected.blobs),
                "purged_runs": float(purged.runs),
                "purged_models": float(purged.models),
                **numbers,
            },
        )
        world.ledger.write(event)
    return collected


def naming_files(home: Path) -> Iterator[Path]:
    """Files of a home that name blobs: orders and results of jobs, and the plan that is out."""
    yield from (home / "jobs").rglob("*.json")
    yield from (file for file in (home / "plan").rglob("*") if file.is_file())
