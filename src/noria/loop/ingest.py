"""Brings what the data plane wrote into the prediction log, and counts it for people to see."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta

import polars as pl

from noria.core.state import TrafficPoint
from noria.core.traffic import Role
from noria.loop.world import World
from noria.stages.serving import log

FRAMES_AT_ONCE = 200_000
"""Journal frames that are compacted in one go; each holds a row at least, so fewer rows mean that there were no more."""


def ingest(world: World) -> int:
    """Compact the journal frames that are there and refresh the traffic points that they touch; returns rows taken in.

    What comes in meanwhile is left for the next time: under steady load there is always more.
    """
    taken = 0
    while True:
        compacted = log.compact(world.journal, world.log_folder, limit=FRAMES_AT_ONCE)
        rows = compacted.rows
        taken += rows
        for deployment, arrived in compacted.arrived.items():
            if arrived.predictions and arrived.start and arrived.end:
                count_traffic(world, deployment, arrived.start, arrived.end)
        if rows < FRAMES_AT_ONCE:
            return taken


def tidy_log(world: World, loops: Iterable[str], now: datetime) -> None:
    """Merge the prediction log's small files, so that reading a month stays quick."""
    for name in loops:
        log.tidy(world.log_folder, name, now)


def count_traffic(world: World, loop: str, since: datetime, until: datetime) -> None:
    """Count again every bucket from `since` to `until`: right whatever was counted before."""
    width = world.cadence.bucket
    start = floor(since, width)
    rows = log.predictions(
        world.log_folder,
        loop,
        since=start,
        until=floor(until, width) + width,
        columns=["request_id", "version", "role", "time", "answer", "latency_us", "error"],
    )
    if rows.is_empty():
        return
    buckets = rows.group_by(pl.col("time").dt.truncate(f"{round(width.total_seconds())}s").alias("bucket"))
    world.records.commit(*(world.documents.write(_point(loop, key[0], width, part)) for key, part in buckets))


def floor(moment: datetime, width: timedelta) -> datetime:
    """The start of the bucket that a moment falls in."""
    seconds = width.total_seconds()
    return datetime.fromtimestamp(moment.timestamp() // seconds * seconds, tz=UTC)


def _point(loop: str, start: object, width: timedelta, rows: pl.DataFrame) -> TrafficPoint:
    assert isinstance(start, datetime)
    given = rows.filter(pl.col("role").is_in([Role.CHAMPION, Role.CHALLENGER, Role.FALLBACK, Role.ASKED]) & (pl.col("error") == ""))
    fallbacks = rows.filter(pl.col("role") == Role.FALLBACK)
    answered = pl.concat([given, fallbacks]).unique("request_id")
    latency = answered["latency_us"]
    by_version = answered.group_by("version").agg(pl.len().alias("n"), pl.col("answer").mean().alias("mean"))
    asked = rows.filter(~pl.col("role").is_in([Role.SHADOW, Role.CONTROL]))["request_id"].n_unique()
    return TrafficPoint(
        loop=loop,
        start=start,
        seconds=width.total_seconds(),
        requests={str(version): n for version, n in by_version.select("version", "n").sort("version").iter_rows()},
        shadowed=rows.filter(pl.col("role").is_in([Role.SHADOW, Role.CONTROL])).height,
        fallbacks=fallbacks.height,
        failed=asked - answered.height,
        latency_p50_us=float(latency.quantile(0.5) or 0.0),
        latency_p99_us=float(latency.quantile(0.99) or 0.0),
        mean_answer=_by_version((v, m) for v, m in by_version.select("version", "mean").iter_rows() if m is not None),
    )


def _by_version(pairs: Iterable[tuple[int, float]]) -> Mapping[str, float]:
    return {str(version): number for version, number in sorted(pairs)}
