"""Realised performance as of any moment: what an honest report of that day would have said."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl

from noria.core.errors import NotAllowed
from noria.core.performance import MaturityCurve, QualityWindow, RealisedQuality
from noria.core.schema import Signature, Task
from noria.core.training import Candidate
from noria.loop.given import given_of
from noria.loop.outcomes import GIVEN, answers, coded
from noria.loop.states import state_of
from noria.loop.world import World
from noria.stages.evaluation.estimates import estimate
from noria.stages.evaluation.metrics import main_metric, metric
from noria.stages.monitoring.maturity import MATURE, maturity_curve, maturity_of
from noria.stages.registry import aliases, versions
from noria.stages.serving import log

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def realised_as_of(
    world: World,
    loop: str,
    *,
    as_of: datetime | None = None,
    name: str = "",
    window: timedelta = timedelta(days=7),
    since: datetime | None = None,
    version: int | None = None,
    delay: timedelta = timedelta(0),
    mature: float = MATURE,
) -> RealisedQuality:
    """Measure a metric over windows of time with nothing but what was known at a moment.

    An outcome counts if it had been told before `as_of`, with the value that it had then. All that
    users were given counts: the champion's answers, and a challenger's share of requests.

    Args:
        as_of: None = now.
        name: The metric; "" = the one that the loop's pages show.
        window: Length of a window; windows end where the days of `window` since 1970 do.
        since: Predictions from then on; None = all.
        version: Only this version's answers.
        delay: How late outcomes are said to come, see `maturity_of`.
        mature: Share of a window's outcomes that must have come for its value to count as final.

    Raises:
        NotFound: no such loop, or its task has no such metric.
        NotAllowed: it has never had a champion, so nothing was predicted.
    """
    now = world.clock.now() if as_of is None else as_of
    candidate = _candidate(world, loop, version)
    signature = candidate.signature
    name = name or state_of(world.documents, loop).quality_metric or main_metric(signature.task)
    meaning = metric(name, signature.task)
    rows = known_rows(world.log_folder, loop, signature, as_of=now, since=since, version=version)
    curve = curve_of(rows, loop, now)
    return RealisedQuality(
        loop=loop,
        metric=name,
        as_of=now,
        higher_is_better=meaning.higher_is_better,
        windows=tuple(_window(name, part, start, window, candidate, curve, delay, mature) for start, part in _windows(rows, window)),
        curve=curve,
    )


def known_rows(
    folder: Path, loop: str, signature: Signature, *, as_of: datetime, since: datetime | None = None, version: int | None = None
) -> pl.DataFrame:
    """Every answer that a user was given before `as_of`, with what was known of it then.

    Returns:
        The prediction log's columns with `outcome`, as metrics want it (null = not known yet), `came` and `age_s`.
    """
    wanted = [
        "request_id",
        "time",
        "version",
        "role",
        "answer",
        *(["answers"] if signature.task is Task.MULTICLASS else []),
        *([f"in:{signature.group}"] if signature.group else []),
    ]
    given = log.predictions(
        folder,
        loop,
        since=since,
        until=as_of,
        roles=GIVEN,
        versions=None if version is None else [version],
        columns=wanted,
    )
    answered = given.drop_nulls("answers" if signature.task is Task.MULTICLASS else "answer").unique(
        "request_id", keep="last", maintain_order=True
    )
    last = log.outcomes(folder, loop, until=as_of).select("request_id", outcome="value")
    first = log.outcomes(folder, loop, until=as_of, keep="first").select("request_id", told_at="time")
    rows = answered.join(last, on="request_id", how="left", maintain_order="left").join(
        first, on="request_id", how="left", maintain_order="left"
    )
    age = (pl.col("told_at").fill_null(as_of) - pl.col("time")).dt.total_milliseconds() / 1000
    return rows.with_columns(
        outcome=coded(rows["outcome"], signature), came=pl.col("told_at").is_not_null(), age_s=age.clip(lower_bound=0.0)
    )


def curve_of(rows: pl.DataFrame, loop: str, at: datetime) -> MaturityCurve:
    """How soon the outcomes of these rows came (see `known_rows`)."""
    return maturity_curve(rows["age_s"].to_numpy(), rows["came"].to_numpy(), loop=loop, at=at)


def _candidate(world: World, loop: str, version: int | None) -> Candidate:
    state_of(world.documents, loop)
    number = version if version is not None else aliases.current(world.records, loop, "champion")
    if number is None:
        raise NotAllowed(f"{loop} has no champion yet, so nothing was predicted", fix="`noria status` shows what is under way")
    return versions.get(world.records, loop, number).candidate


def _windows(rows: pl.DataFrame, window: timedelta) -> Iterator[tuple[datetime, pl.DataFrame]]:
    if rows.is_empty():
        return
    places = ((rows["time"] - EPOCH).dt.total_milliseconds() // round(window.total_seconds() * 1000)).alias("place")
    for (place,), part in rows.with_columns(places).group_by("place", maintain_order=True):
        yield EPOCH + int(str(place)) * window, part


def _window(
    name: str,
    rows: pl.DataFrame,
    start: datetime,
    window: timedelta,
    candidate: Candidate,
    curve: MaturityCurve,
    delay: timedelta,
    mature: float,
) -> QualityWindow:
    ages = (curve.at - rows["time"]).dt.total_milliseconds().to_numpy() / 1000
    share = maturity_of(curve, ages, delay_s=delay.total_seconds())
    known, signature = rows.drop_nulls("outcome"), candidate.signature
    days = known["time"].dt.epoch("d").to_numpy()
    found = estimate(
        name,
        known["outcome"].cast(pl.Float64).to_numpy(),
        answers(known, signature.task)
        if known.height
        else np.empty((0, len(signature.classes)) if signature.task is Task.MULTICLASS else 0),
        task=signature.task,
        clusters=days,
        given=given_of(candidate, known),
    )
    return QualityWindow(
        start=start,
        end=start + window,
        rows=rows.height,
        labelled=known.height,
        maturity=share,
        mature=share >= mature,
        quality=found,
        versions=tuple(rows["version"].unique().sort().to_list()),
    )
