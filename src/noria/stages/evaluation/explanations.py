"""Explains answers by the best method that a model offers: its own exact one, else sampled Shapley values."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.special import logit

from noria.packaging.reasons import Explained, exact, subject_of, told
from noria.packaging.scorer import Scorer
from noria.stages.evaluation.measured import Array
from noria.stages.evaluation.shapley import BUDGET, shapley

__all__ = ["Explained", "asking", "explain", "odds", "subject_of", "told"]

SMALLEST = 1e-9
"""Probabilities are kept this far from 0 and 1 before their log-odds."""

BACKGROUND_ROWS = 100


def asking(scorer: Scorer, place: int = 0) -> Callable[[Array], Array]:
    """The model as a function of rows to one answer each: of many classes, the probability of class `place`."""

    def ask(X: Array) -> Array:
        answers = scorer.score(np.ascontiguousarray(X))
        return answers[:, place] if answers.ndim == 2 else answers

    return ask


def explain(scorer: Scorer, X: Array, background: Array, *, place: int = 0, seed: int = 0, budget: int = BUDGET) -> Explained:
    """Explain the answers to some rows.

    Args:
        scorer: The model in its native form, which can say more than its compiled one.
        X: Rows, shape (rows, features).
        background: Held-out rows, shape (n, features), n ≥ 1.
        place: Of many classes, the one to explain.
        budget: For models without a method of their own: answers to ask for per row.
    """
    found_exactly = scorer.contributions(X, background)
    answers = asking(scorer, place)(X)
    if found_exactly is not None:
        return exact(found_exactly, answers, scorer.signature, method=scorer.explained_by, place=place)
    on_odds = not scorer.signature.task.numeric
    ask = asking(scorer, place)
    scaled = (lambda rows: odds(ask(rows))) if on_odds else ask
    few = background[:BACKGROUND_ROWS]
    found = [shapley(scaled, row, few, seed=seed, budget=budget) for row in X]
    parts, base = np.array([one.parts for one in found]), np.array([one.base for one in found])
    margin = base + parts.sum(axis=1)
    gap = float(np.abs(margin - (odds(answers) if on_odds else answers)).max(initial=0.0)) if len(few) else float("nan")
    spread = float(np.nanmax([one.spread.max() for one in found])) if found else 0.0
    return Explained(
        parts=parts, base=base, margin=margin, scale="log-odds" if on_odds else "value", method="permutation", gap=gap, spread=spread
    )


def odds(chance: Array) -> Array:
    """Log-odds of probabilities, kept finite."""
    return np.asarray(logit(np.clip(chance, SMALLEST, 1 - SMALLEST)))
