"""What an examination holds of rivals: the champion, simple models, and the model without one of its features."""

from __future__ import annotations

import numpy as np
import polars as pl

from noria.core.examination.baselines import Baselines
from noria.core.examination.comparing import Rivalry
from noria.core.examination.importance import Importance
from noria.core.judging import Scorecard
from noria.core.schema import Task
from noria.loop.materials import Materials
from noria.stages.evaluation import permutation as shuffling
from noria.stages.evaluation.baselines import baselines, of_the_past
from noria.stages.evaluation.rivals import rivalry
from noria.stages.evaluation.scorecards import time_blocks
from noria.stages.evaluation.simple_models import Lesson
from noria.stages.training import splits

MARGINS = ("beats-champion", "not-worse-than-champion", "equivalent-to-champion")
"""Gates whose margin says what the loop counts as not worse."""

CLASSES = (Task.BINARY, Task.MULTICLASS)


def rivalry_of(on: Materials, card: Scorecard) -> Rivalry | None:
    """The candidate against the champion by every test that fits; None without a champion that answers the same question."""
    if on.champion_score is None:
        return None
    return rivalry(
        f"{on.loop.name} candidate",
        on.champion,
        on.y,
        (on.score, on.champion_score),
        card.versus_champion,
        task=on.task,
        metric=on.metric,
        days=on.times.astype("datetime64[D]").astype(np.int64),
        clusters=time_blocks(on.times),
        given=on.given,
        second_given=on.champion_given,
        margins={gate.metric: gate.margin for gate in on.loop.gates if gate.check in MARGINS},
    )


def baselines_of(on: Materials) -> Baselines:
    """The candidate beside simple models that were trained on its own rows."""
    split = splits.for_training(on.features, on.frame)
    lesson = Lesson(
        X=split.X,
        y=split.y.astype(np.float64),
        columns=split.columns,
        categorical=frozenset(split.categorical),
        classes=max(2, len(on.features.classes)) if on.task in CLASSES else 0,
    )
    return baselines(
        lesson,
        on.X,
        on.y.astype(np.float64),
        on.score,
        task=on.task,
        by=on.metric,
        clusters=time_blocks(on.times),
        more=None if on.task in CLASSES else _repeating(on),
        seed=on.loop.seed,
        given=on.given,
    )


def importance_of(on: Materials) -> Importance:
    """What the candidate leans on, by shuffling."""
    return shuffling.permutation(
        on.scorer.score,
        on.X,
        on.y.astype(np.float64),
        [feature.name for feature in on.features.features],
        task=on.task,
        by=on.metric,
        clusters=time_blocks(on.times),
        seed=on.loop.seed,
        given=on.given,
    )


def _repeating(on: Materials) -> dict[str, tuple[str, np.ndarray]]:
    """Models that repeat what was known of the same series, or of the same key, when the row came."""
    frame = on.frame.sort(splits.TIME, maintain_order=True)
    return of_the_past(
        frame[splits.GROUP if splits.GROUP in frame.columns else splits.KEY].to_list(),
        frame[splits.TIME].dt.epoch("ms").to_numpy(),
        frame[splits.LABEL].cast(pl.Float64).to_numpy(),
        np.arange(frame.height) >= frame.height - on.judged.height,
        delay_ms=round(on.loop.label.delay.total_seconds() * 1000),
    )
