"""Each feature's part in an answer of any model: Shapley values by sampled orders, for models that cannot say by themselves.

Sources: Štrumbelj & Kononenko 2014, "Explaining prediction models and individual predictions with
feature contributions"; antithetic orders: Mitchell et al. 2022, "Sampling permutations for Shapley value estimation".
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from noria.stages.evaluation.measured import Array, Codes

BUDGET = 20_000
"""Answers that may be asked of the model for one row."""

Ask = Callable[[Array], Array]
"""Rows, shape (n, features), to answers on an additive scale, shape (n,)."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Parts:
    """The parts of one answer: `base` + the sum of `parts` is the answer, exactly.

    Attributes:
        parts: Shape (features,).
        spread: Standard error of each, from pairs of orders; shape (features,), NaN with a single pair.
    """

    base: float
    parts: Array
    spread: Array


def shapley(ask: Ask, row: Array, background: Array, *, seed: int = 0, budget: int = BUDGET) -> Parts:
    """Share an answer's distance from the background's mean answer out among the features.

    A feature's part is how much the answer moves when its value is put in, averaged over orders of
    putting them in and over background rows. Orders come in pairs, each with its reverse.

    Args:
        row: Shape (features,).
        background: Rows that "without the feature" means, shape (rows, features); as many are used as the budget allows.
        budget: Most answers that are asked for; at least one pair of orders is made, whatever it says.
    """
    width = len(row)
    random = np.random.default_rng(seed)
    most = max(budget // (2 * (width + 1)), 1)
    used = background if len(background) <= most else background[random.choice(len(background), most, replace=False)]
    pairs = max(budget // (2 * len(used) * (width + 1)), 1)
    found = np.empty((pairs, width))
    for pair in range(pairs):
        order = random.permutation(width)
        found[pair] = (_along(ask, row, used, order) + _along(ask, row, used, order[::-1])) / 2
    spread = found.std(axis=0, ddof=1) / np.sqrt(pairs) if pairs > 1 else np.full(width, np.nan)
    return Parts(base=float(ask(used).mean()), parts=found.mean(axis=0), spread=spread)


def _along(ask: Ask, row: Array, background: Array, order: Codes) -> Array:
    """What each feature moves when they are put in one after the other, mean over the background, shape (features,)."""
    steps = np.repeat(background[None], len(order) + 1, axis=0)
    for place, feature in enumerate(order, 1):
        steps[place:, :, feature] = row[feature]
    answers = ask(steps.reshape(-1, len(row))).reshape(len(order) + 1, len(background)).mean(axis=1)
    parts = np.empty(len(order))
    parts[order] = np.diff(answers)
    return parts
