"""Chooses the threshold of a yes-or-no model by the loop's costs, on rows that neither train the model nor judge it."""

from __future__ import annotations

import polars as pl

from noria.core.costs import Costs
from noria.core.declaration.loop import Loop
from noria.core.errors import DataInvalid
from noria.core.examination.threshold import ThresholdChoice
from noria.core.schema import Estimate, Task
from noria.core.training import FeatureSet, Recipe
from noria.loop.native import native_score
from noria.stages.evaluation.costs import choose
from noria.stages.evaluation.scorecards import time_blocks
from noria.stages.training import fit, splits


def chosen(loop: Loop, features: FeatureSet, frame: pl.DataFrame, recipe: Recipe) -> ThresholdChoice | None:
    """The threshold of the lowest expected cost; None where the loop states no costs.

    The recipe is trained once more without its newest rows, which then decide: a model is too sure
    of itself on rows that it has learnt from. Where these rows hold one class only, costs alone decide.
    """
    if loop.costs is None or features.task is not Task.BINARY:
        return None
    split = splits.for_tuning(features, frame)
    model = fit.fit(loop.train, split, {**loop.params, **recipe.params}, seed=loop.seed)
    times = splits.before_judging(features, frame)[splits.TIME].to_numpy()[-len(split.y_valid) :]
    try:
        return choose(split.y_valid, native_score(model, split, features.task), loop.costs, clusters=time_blocks(times))
    except DataInvalid as error:
        return _by_costs_alone(loop.costs, error.message)


def _by_costs_alone(costs: Costs, because: str) -> ThresholdChoice:
    nothing = float("nan")
    return ThresholdChoice(
        threshold=costs.threshold,
        cost=Estimate(value=nothing, low=nothing, high=nothing, n=0),
        low=costs.threshold,
        high=costs.threshold,
        calibrated=costs.threshold,
        rows=0,
        capacity=costs.capacity,
        costs=costs,
        reason=f"from {costs.threshold:.3g} on the answer is yes, by the costs alone: {because}",
    )
