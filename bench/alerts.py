"""How often people are told in worlds where nothing is wrong, and where much is: `python bench/alerts.py`.

Simulated loops whose days go together as weather does. Told are the ways to alert, from every
breach to what Noria ships: k of m, one incident per dataset, a budget of pages with a digest.
"""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl

from noria.core.alerting import AlertBook
from noria.core.schema import Field, Kind
from noria.core.watching import Level, MonitorPhase, MonitorState
from noria.stages.monitoring import budget, drift, incidents, reference, states

START = datetime(2013, 1, 1, tzinfo=UTC)
REFERENCE_DAYS, ROWS = 90, 300
WEATHER, PLAIN = ("temp", "dewp", "humid", "wind", "pressure"), ("distance", "hour")
FEATURES = (*WEATHER, *PLAIN)
LINEAGE = dict.fromkeys(WEATHER, "weather") | dict.fromkeys(PLAIN, "flights")
PAGES, DIGEST = 3, timedelta(days=1)


@dataclass(frozen=True, kw_only=True)
class World:
    """How days go together, and what happens after the reference.

    Attributes:
        persistence: From one day to the next.
        shared: Share of a value's variance that its day has in common.
        shocks: Chance per day that the weather jumps for a week, in standard deviations of 3.
        warming: Per day, in standard deviations.
    """

    name: str
    persistence: float = 0.7
    shared: float = 0.8
    shocks: float = 0.0
    warming: float = 0.0


WORLDS = (
    World(name="independent days", persistence=0.0, shared=0.1),
    World(name="quiet: days go together"),
    World(name="harsh: weeks go together", persistence=0.95, shared=0.9),
    World(name="storms: a week of shocks now and then", shocks=0.05),
    World(name="a season creeps in", warming=0.06),
)


@dataclass
class Told:
    """Per way of alerting, how often people were told."""

    counts: Counter[str] = field(default_factory=Counter)
    most_a_week: int = 0


def rows_of(world: World, seed: int, days: int) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    total = REFERENCE_DAYS + days
    noise = rng.normal(size=(total, len(WEATHER)))
    for day in range(1, total):
        noise[day] = world.persistence * noise[day - 1] + np.sqrt(1 - world.persistence**2) * noise[day]
    for day in np.flatnonzero(rng.random(days) < world.shocks):
        noise[REFERENCE_DAYS + day : REFERENCE_DAYS + day + 7] += rng.choice([-3.0, 3.0])
    noise[REFERENCE_DAYS:, :2] += world.warming * np.arange(1, days + 1)[:, None]
    rows = np.sqrt(world.shared) * np.repeat(noise, ROWS, axis=0) + np.sqrt(1 - world.shared) * rng.normal(
        size=(total * ROWS, len(WEATHER))
    )
    table = dict(zip(WEATHER, rows.T, strict=True)) | {name: rng.normal(size=total * ROWS) for name in PLAIN}
    times = np.datetime64("2013-01-01", "ms") + (np.arange(total * ROWS) * (86_400_000 // ROWS)).astype("timedelta64[ms]")
    return pl.DataFrame({"__time": times, **table})


def live(world: World, seed: int, days: int, told: Told) -> None:
    """One loop's life after its reference, by every way at once."""
    frame = rows_of(world, seed, days)
    importance = dict.fromkeys(FEATURES, 1 / len(FEATURES))
    fields = [Field(name=name, kind=Kind.FLOAT) for name in FEATURES]
    compared = reference.build(frame.head(REFERENCE_DAYS * ROWS), fields, importance=importance, scores=None, score_times=None, quality={})
    known, monitors, book = {}, {}, AlertBook(loop="l")
    at_once: list[datetime] = []
    for day in range(REFERENCE_DAYS, REFERENCE_DAYS + days):
        at = START + timedelta(days=day + 1)
        readings = drift.measure(compared, frame.slice(day * ROWS, ROWS), loop="l", at=at)
        told.counts["every breach"] += sum(one.level is Level.BREACH for one in readings)
        for reading in readings:
            place = (reading.monitor, reading.subject)
            before = monitors.get(place) or MonitorState(loop="l", monitor=reading.monitor, subject=reading.subject)
            monitors[place] = after = states.advance(before, reading, k=3, m=5)
            told.counts["3 of 5"] += after.phase is MonitorPhase.FIRING and before.phase in (MonitorPhase.OK, MonitorPhase.PENDING)
        if budget.due(book, at):
            told.counts["digests"] += 1
            book = budget.told(book, at)
        still = [one for one in known.values() if one.closed_at is None]
        for one in incidents.update(
            still,
            list(monitors.values()),
            readings,
            loop="l",
            at=at,
            importance=importance,
            new_id=lambda: f"i{len(known)}",
            lineage=LINEAGE,
        ):
            was = known.get(one.id)
            known[one.id] = one
            told.counts["incidents"] += was is None
            if one.closed_at is None and one.severity == incidents.PAGE and (was is None or was.severity != incidents.PAGE):
                told.counts["pages"] += 1
                book, now = budget.page(book, one.id, at, pages_per_week=PAGES, digest=DIGEST)
                at_once += [at] if now else []
            elif was is None:
                book = budget.hold(book, one.id, at, digest=DIGEST)
    told.counts["pages at once"] += len(at_once)
    most = max((sum(moment <= other < moment + budget.WEEK for other in at_once) for moment in at_once), default=0)
    told.most_a_week = max(told.most_a_week, most)


def main(seeds: int, days: int) -> None:
    ways = ("every breach", "3 of 5", "incidents", "pages", "pages at once", "digests")
    print(f"{seeds} loops of {days} days each, seven features of two datasets; told per loop and 30 days\n")
    print(f"| world | {' | '.join(ways)} | most pages in 7 days |\n|---|{'---:|' * (len(ways) + 1)}")
    for world in WORLDS:
        told = Told()
        for seed in range(seeds):
            live(world, seed, days, told)
        months = seeds * days / 30
        print(f"| {world.name} | {' | '.join(f'{told.counts[way] / months:.2f}' for way in ways)} | {told.most_a_week} |", flush=True)


if __name__ == "__main__":
    main(*(int(one) for one in (sys.argv[1:] or ("30", "60"))))
