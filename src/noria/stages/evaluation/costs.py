"""A threshold chosen by what right and wrong answers cost."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from noria.core.costs import Costs
from noria.core.errors import DataInvalid
from noria.core.examination.threshold import CostMark, ThresholdChoice
from noria.core.schema import THRESHOLD, Estimate, Task
from noria.stages.evaluation.binary import cost_of
from noria.stages.evaluation.estimates import estimate
from noria.stages.evaluation.given import Given
from noria.stages.evaluation.intervals import critical, spread_of
from noria.stages.evaluation.measured import Array, mean_of
from noria.stages.evaluation.metric import arrays

MOST_THRESHOLDS = 200
NEVER, ALWAYS = 1.0 + 1e-9, 0.0


def choose(y: ArrayLike, score: ArrayLike, costs: Costs, *, clusters: NDArray | None = None, level: float = 0.95) -> ThresholdChoice:
    """Choose the threshold of the lowest expected cost that the capacity allows.

    Candidates lie between neighbouring scores (of many, at 200 equal shares of the rows), besides
    "never" and the threshold that costs alone would choose. Of thresholds that cost the same the one
    nearest to the latter is taken. The one that is lowest on these rows looks cheaper than it is, so
    its cost is marked again on the rows that judge.

    Args:
        y: Outcomes 0/1, shape (rows,), of rows that the model was not trained on.
        score: P(1), shape (rows,).
        clusters: Shape (rows,), as in `estimate`.

    Raises:
        DataInvalid: there is one class only, or no row.
    """
    outcomes, scores = arrays(y, score)
    if not len(outcomes) or outcomes.min() == outcomes.max():
        raise DataInvalid("a threshold can be chosen only on rows of both classes", fix="let more labelled rows come in")
    thresholds = _candidates(scores, costs)
    said = np.searchsorted(np.sort(scores), thresholds, side="left")
    alerts = 1.0 - said / len(scores)
    expected = _expected(outcomes, scores, thresholds, costs)
    allowed = alerts <= costs.capacity + 1e-12
    free = _lowest(expected, thresholds, np.ones(len(thresholds), dtype=np.bool_), costs)
    best = _lowest(expected, thresholds, allowed, costs)
    not_shown_dearer = _not_shown_dearer(outcomes, scores, thresholds, best, costs, clusters, level) & allowed
    chosen = float(thresholds[best])
    cost = _cost(outcomes, scores, chosen, costs, clusters)
    bound = not allowed[free]
    return ThresholdChoice(
        threshold=chosen,
        cost=cost,
        low=float(thresholds[not_shown_dearer].min()),
        high=float(thresholds[not_shown_dearer].max()),
        calibrated=costs.threshold,
        rows=len(outcomes),
        capacity=costs.capacity,
        bound=bool(bound),
        costs=costs,
        reason=_reason(chosen, costs, float(alerts[best]), bool(bound), cost.value),
    )


def judged(y: ArrayLike, score: ArrayLike, costs: Costs, threshold: float, *, clusters: NDArray | None = None) -> tuple[CostMark, ...]:
    """What the chosen threshold costs on the rows that judge, beside plain ones."""
    outcomes, scores = arrays(y, score)
    marks = {"chosen": threshold, "calibrated": costs.threshold, "half": THRESHOLD, "never": NEVER, "always": ALWAYS}
    return tuple(
        CostMark(
            name=name,
            threshold=at,
            cost=_cost(outcomes, scores, at, costs, clusters),
            alerts=float((scores >= at).mean()) if len(scores) else float("nan"),
        )
        for name, at in marks.items()
    )


def _cost(y: Array, score: Array, threshold: float, costs: Costs, clusters: NDArray | None) -> Estimate:
    return estimate("expected_cost", y, score, task=Task.BINARY, clusters=clusters, given=Given(costs=costs, threshold=threshold))


def _candidates(score: Array, costs: Costs) -> Array:
    levels = np.unique(score)
    if len(levels) > MOST_THRESHOLDS:
        levels = np.unique(np.quantile(score, np.linspace(0.0, 1.0, MOST_THRESHOLDS), method="lower"))
        below = np.array([score[score < level].max(initial=-np.inf) for level in levels])
    else:
        below = np.concatenate([[-np.inf], levels[:-1]])
    between = np.where(np.isfinite(below), (levels + below) / 2.0, 0.0)
    return np.unique(np.concatenate([between, [costs.threshold, NEVER]]))


def _expected(y: Array, score: Array, thresholds: Array, costs: Costs) -> Array:
    """Expected cost per row at each threshold, by counting along one sort."""
    order = np.argsort(score, kind="stable")
    positive = np.concatenate([[0.0], np.cumsum(y[order] > 0.5)])
    below = np.searchsorted(score[order], thresholds, side="left")
    missed, left = positive[below], below - positive[below]
    found, wasted = positive[-1] - missed, (len(y) - positive[-1]) - left
    total = costs.false_negative * missed + costs.true_negative * left + costs.true_positive * found + costs.false_positive * wasted
    return np.asarray(total / len(y))


def _lowest(expected: Array, thresholds: Array, allowed: NDArray[np.bool_], costs: Costs) -> int:
    lowest = expected[allowed].min()
    level = np.flatnonzero(allowed & (expected <= lowest + 1e-12))
    return int(level[np.argmin(np.abs(thresholds[level] - costs.threshold))])


def _not_shown_dearer(
    y: Array, score: Array, thresholds: Array, best: int, costs: Costs, clusters: NDArray | None, level: float
) -> NDArray[np.bool_]:
    """Thresholds whose paired difference to the best one's cost has an interval that reaches down to 0."""
    kept = np.zeros(len(thresholds), dtype=np.bool_)
    own = cost_of(y, (score >= thresholds[best]).astype(np.float64), costs)
    for at, threshold in enumerate(thresholds):
        more = mean_of(cost_of(y, (score >= threshold).astype(np.float64), costs) - own)
        spread = spread_of(more.influence, None, clusters)
        kept[at] = at == best or not more.value - critical(level, spread.freedom) * spread.se > 0
    return kept


def _reason(threshold: float, costs: Costs, alerts: float, bound: bool, cost: float) -> str:
    why = f"no more than {costs.capacity:.1%} of rows can be" if bound else "it costs least"
    return f"from {threshold:.3g} on the answer is yes, for {alerts:.1%} of rows, since {why}: {cost:.4g} per row; of a calibrated score it would be {costs.threshold:.3g}"
