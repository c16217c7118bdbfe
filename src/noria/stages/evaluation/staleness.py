"""How fast models of a recipe age: models of several ages on the same rows, each against the freshest."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from noria.core.examination.backtest import AgePoint, Staleness
from noria.core.schema import Estimate
from noria.stages.evaluation.past import Past, Pooled

DAY_S = 86_400.0
OF_SKILL = 0.1
"""Share of what the fresh model gains over a constant that may be lost, where the loop states no tolerance."""


def staleness(past: Past, *, constant: float | None, tolerance: float | None, delay_days: float = 0.0) -> Staleness | None:
    """Tell what models lose with age, and how often to retrain.

    Every window is answered by its own model and by those trained before it, all on equally long
    spans, so that age is told apart from amount. The loss over age is fitted by a straight line
    through the youngest, each age weighted by its certainty. Its error is that of the line as one
    number of all rows, days being independent: ages share their rows, and are not added up as if they did not.

    Args:
        constant: The metric of a constant answer on such rows, for the half-life; None = not known.
        tolerance: The loss that may be borne; a tenth of what the fresh model gains over the constant when None.
        delay_days: Between the newest row that trained and the start of the window.

    Returns:
        None with fewer than two windows.
    """
    windows = past.windows
    ages = [[(model, window) for model in windows for window in windows if window - model == age] for age in range(len(past.starts))]
    ages = [pairs for pairs in ages if pairs]
    if len(ages) < 2:
        return None
    days = [float(np.average([_age(past, *p) for p in pairs], weights=[past.length(p[1]) for p in pairs])) + delay_days for pairs in ages]
    losses = [past.lost(pairs) for pairs in ages]
    points = tuple(
        AgePoint(
            age_days=day,
            windows=len(pairs),
            mark=past.estimate(past.value(pairs)),
            lost=past.estimate(loss)
            if place
            else Estimate(value=0.0, low=0.0, high=0.0, n=int(sum(past.length(w) for _, w in pairs)), se=0.0),
        )
        for place, (day, pairs, loss) in enumerate(zip(days, ages, losses, strict=True))
    )
    slope = past.estimate(_slope(points, losses, days))
    known = past.metric
    skill = math.nan if constant is None else known.goodness(points[0].mark.value) - known.goodness(constant)
    borne = tolerance if tolerance is not None else OF_SKILL * skill if skill > 0 else OF_SKILL * abs(points[0].mark.value)
    found = Staleness(metric=known.name, points=points, lost_per_day=slope, tolerance=borne)
    if not slope.low > 0:
        return replace(found, advice=_not_shown(found))
    half = _until(0.5 * skill, slope) if skill > 0 else None
    every = _until(borne, slope)
    return replace(found, half_life_days=half, retrain_every_days=every, advice=_advice(found, half, every))


def _slope(points: tuple[AgePoint, ...], losses: list[Pooled], days: list[float]) -> Pooled:
    """Slope of the loss through the youngest point."""
    older = [
        (days[place] - days[0], 1.0 / points[place].lost.se ** 2, losses[place])
        for place in range(1, len(points))
        if points[place].lost.se > 0
    ]
    total = sum(weight * age**2 for age, weight, _ in older)
    if not total:
        return Pooled(value=math.nan, influence=np.zeros(0), windows=())
    value = sum(weight * age * loss.value for age, weight, loss in older) / total
    influence = np.sum([weight * age / total * loss.influence for age, weight, loss in older], axis=0)
    return Pooled(value=value, influence=influence, windows=tuple({window for _, _, loss in older for window in loss.windows}))


def _age(past: Past, model: int, window: int) -> float:
    """Days from the moment of training to the middle of the window."""
    start = past.starts[window]
    end = past.starts[window + 1] if window + 1 < len(past.starts) else past.end
    return ((start - past.starts[model]) + (end - start) / 2).total_seconds() / DAY_S


def _until(loss: float, slope: Estimate) -> Estimate:
    """When so much is lost, in days."""
    return Estimate(value=loss / slope.value, low=loss / slope.high, high=loss / slope.low, n=slope.n, level=slope.level)


def _advice(found: Staleness, half: Estimate | None, every: Estimate) -> str:
    slope = found.lost_per_day
    said = (
        f"a model loses {30 * slope.value:.2g} of {found.metric} in 30 days ({30 * slope.low:.2g} to {30 * slope.high:.2g}): "
        f"retrain every {_days(every.value)} ({_days(every.low)} to {_days(every.high)}) to lose less than {found.tolerance:.2g}"
    )
    oldest = found.points[-1].age_days
    said += f", which is beyond the {_days(oldest)} that were looked at" if every.value > oldest else ""
    return said + (f"; half of what it knows is gone after {_days(half.value)}" if half else "")


def _not_shown(found: Staleness) -> str:
    oldest = found.points[-1]
    if math.isnan(found.lost_per_day.value):
        return "ageing could not be told: the models answer alike, or there are too few rows"
    return (
        f"no ageing is shown: models {_days(oldest.age_days)} old lost {oldest.lost.value:+.2g} of {found.metric} "
        f"({oldest.lost.low:+.2g} to {oldest.lost.high:+.2g}); retraining sooner has not been shown to help"
    )


def _days(days: float) -> str:
    return f"{days:.0f} days" if days >= 1.5 else f"{24 * days:.0f} hours"
