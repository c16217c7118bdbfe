"""Trains the candidate's recipe again: at earlier moments (backtest, ageing) and without its features (LOFO). Only when a loop asks.

Each training leaves its result on the bench, so that a workshop that is killed does not train it again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from time import perf_counter

import numpy as np

from noria.core.declaration.backtest import Backtest as Wanted
from noria.core.examination.backtest import Backtest, Staleness
from noria.core.examination.baselines import Baselines
from noria.core.examination.importance import Importance
from noria.loop.given import given_of_judged
from noria.loop.materials import Materials
from noria.loop.refitting import Refit, answers_of, refit
from noria.stages.evaluation.backtest import backtest
from noria.stages.evaluation.past import Past
from noria.stages.evaluation.permutation import ordered, without
from noria.stages.evaluation.scorecards import time_blocks
from noria.stages.evaluation.staleness import staleness
from noria.stages.training.splits import LABEL, TIME

LOFO_TIMEOUT_S = 600.0
DAY_S = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """What is kept of one training; its answers lie beside it."""

    rows: int
    seconds: float


def past_of(on: Materials) -> tuple[Past, float, str] | None:
    """Models of several moments and what they answered; the seconds that took, and why some are missing. None where none was asked for."""
    wanted = on.loop.backtest
    if wanted is None:
        return None
    starts, left_out = _starts(on, wanted)
    answers: dict[int, np.ndarray] = {}
    rows: dict[int, int] = {}
    began, spent, span = perf_counter(), 0.0, starts[0] - on.features.start

    def trained(start: datetime) -> Refit:
        return refit(on.loop, on.features, on.frame, on.candidate.recipe.params, at=start, since=start - span)

    for place in reversed(range(len(starts))):
        if answers and perf_counter() - began + spent / len(answers) > wanted.timeout.total_seconds():
            left_out = f"{len(answers)} of {len(starts)} trainings took {spent:.0f} s of the {wanted.timeout.total_seconds():.0f} s allowed"
            break
        on.bench.say("evaluation", f"backtest: training {len(answers) + 1} of {len(starts)}")
        answers[place], kept = _kept(on, f"backtest-{place}", partial(trained, starts[place]))
        rows[place], spent = kept.rows, spent + kept.seconds
    frame = on.frame.sort(TIME, maintain_order=True)
    frame = frame.filter(frame[TIME].dt.epoch("ms") >= round(starts[0].timestamp() * 1000))
    champion = on.order.champion
    given = given_of_judged(on.loop, on.candidate, on.frame, frame.height)
    past = Past(
        task=on.task,
        by=on.metric,
        times=frame[TIME].to_numpy().astype("datetime64[ms]"),
        y=frame[LABEL].to_numpy().astype(np.float64),
        starts=starts,
        end=on.features.end,
        answers=answers,
        trained_rows=rows,
        champion=None if champion is None else answers_of(champion, on.features, frame, on.blobs, alone=True),
        champion_from=None if champion is None else champion.scorecard.start,
        given=given,
        champion_given=replace(given, threshold=on.champion_given.threshold),
    )
    return past, spent, left_out


def backtest_of(on: Materials, found: tuple[Past, float, str] | None) -> Backtest | None:
    """The recipe on the windows before the rows that judge."""
    if found is None:
        return None
    past, seconds, left_out = found
    return backtest(past, until=on.features.train_until, seconds=seconds, left_out=left_out)


def staleness_of(on: Materials, found: tuple[Past, float, str] | None, beside: Baselines | None) -> Staleness | None:
    """How the recipe's models age, on the same windows and the rows that judge."""
    if found is None or on.loop.backtest is None:
        return None
    constant = next((mark.mark.value for mark in beside.marks if mark.name == "constant"), None) if beside else None
    delay = on.loop.label.delay.total_seconds() / DAY_S
    same = beside is not None and beside.metric == found[0].metric.name
    return staleness(found[0], constant=constant if same else None, tolerance=on.loop.backtest.tolerance, delay_days=delay)


def lofo_of(on: Materials, leans: Importance | None) -> Importance | None:
    """By how much the recipe is worse when it is trained again without a feature, for the most important ones; None where none was asked for."""
    if not on.loop.lofo or leans is None:
        return None
    places = {field.name: place for place, field in enumerate(on.features.features)}
    groups = [tuple(places[name] for name in one.features) for one in leans.features[: on.loop.lofo]]
    blocks = time_blocks(on.times)

    def trained(name: str, blank: tuple[int, ...]) -> np.ndarray:
        on.bench.say("evaluation", f"training {name}")
        at = on.features.train_until
        return _kept(on, name, lambda: refit(on.loop, on.features, on.frame, on.candidate.recipe.params, at=at, blank=blank))[0]

    began, full, lost = perf_counter(), trained("lofo-none", ()), {}
    for group in groups:
        if perf_counter() - began > LOFO_TIMEOUT_S:
            break
        less = trained("lofo-" + "-".join(str(place) for place in group), group)
        lost[group] = without(leans.metric, on.y, full, less, task=on.task, clusters=blocks, given=on.given)
    note = f"of {len(leans.features)} features or groups, the {len(lost)} that shuffling found most important"
    return Importance(method="lofo", metric=leans.metric, features=ordered(lost, list(places)), rows=len(on.y), note=note)


def _starts(on: Materials, wanted: Wanted) -> tuple[tuple[datetime, ...], str]:
    """When the windows begin, oldest first, the rows that judge last; each model must have as long to learn from as a window is."""
    last = on.features.train_until
    every = wanted.every or max(on.features.end - last, timedelta(seconds=1))
    room = (last - on.loop.label.delay - on.features.start) / every
    count = max(0, min(wanted.windows, int(room) - 1))
    why = "" if count == wanted.windows else f"{count} of {wanted.windows} windows: the training rows span only {room:.1f} of them"
    return tuple(last - n * every for n in range(count, -1, -1)), why


def _kept(on: Materials, name: str, train: Callable[[], Refit]) -> tuple[np.ndarray, Trained]:
    """Answers and costs of a training, from the bench if they lie there."""
    file: Path = on.bench.folder / f"{name}.npy"
    done = on.bench.result(name, Trained)
    if done is not None and file.exists():
        return np.load(file), done
    made = train()
    file.parent.mkdir(parents=True, exist_ok=True)
    np.save(file, made.score)
    kept = Trained(rows=made.trained_rows, seconds=made.seconds)
    on.bench.keep(name, kept)
    return made.score, kept
