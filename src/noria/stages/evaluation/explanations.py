"""Explains answers by the best method that a model offers: its own exact one, else sampled Shapley values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import logit, softmax

from noria.core.explaining import Contribution, Explanation
from noria.core.schema import Signature, Task
from noria.packaging.scorer import Scorer
from noria.stages.evaluation.measured import Array
from noria.stages.evaluation.partial import raw
from noria.stages.evaluation.shapley import BUDGET, shapley

SMALLEST = 1e-9
"""Probabilities are kept this far from 0 and 1 before their log-odds."""

BACKGROUND_ROWS = 100


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Explained:
    """Parts of the answers to some rows.

    Attributes:
        parts: Shape (rows, features).
        base, margin: Shape (rows,), on the scale.
        gap: Largest distance between base + parts and the answer, on the answer's own scale.
    """

    parts: Array
    base: Array
    margin: Array
    scale: str
    method: str
    gap: float
    spread: float = 0.0


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
    exact = scorer.contributions(X, background)
    answers = asking(scorer, place)(X)
    if exact is not None:
        return _exact(scorer, exact, answers, place)
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


def told(
    found: Explained, at: int, row: Array, signature: Signature, answer: float, *, version: str, background: str, place: int = 0
) -> Explanation:
    """One row's explanation as a value, largest parts first."""
    parts = [
        Contribution(feature=feature.name, value=raw(feature, value), part=float(part))
        for feature, value, part in zip(signature.features, row, found.parts[at], strict=True)
    ]
    return Explanation(
        version=version,
        subject=subject_of(signature, place),
        answer=answer,
        scale=found.scale,
        margin=float(found.margin[at]),
        base=float(found.base[at]),
        parts=tuple(sorted(parts, key=lambda one: -abs(one.part))),
        method=found.method,
        background="" if found.method == "tree-shap" else background,
        gap=found.gap,
        spread=found.spread,
    )


def subject_of(signature: Signature, place: int) -> str:
    """What is explained, in words."""
    if signature.task.numeric:
        return "value"
    return signature.classes[1 if signature.task is Task.BINARY else place] if len(signature.classes) > 1 else "1"


def _exact(scorer: Scorer, exact: Array, answers: Array, place: int) -> Explained:
    """Parts by the model's own method, on whichever scale they add up on."""
    margins = exact.sum(axis=2)
    output = place if exact.shape[1] > 1 else 0
    margin = margins[:, output]
    if exact.shape[1] > 1:
        scale, back = "score", softmax(margins, axis=1)[:, output]
    elif not scorer.signature.task.numeric:
        scale, back = "log-odds", 1 / (1 + np.exp(-margin))
    else:
        with np.errstate(over="ignore"):
            scales = {"value": margin, "log": np.exp(margin)}
        scale = min(scales, key=lambda name: float(np.abs(scales[name] - answers).max(initial=0.0)))
        back = scales[scale]
    return Explained(
        parts=exact[:, output, :-1],
        base=exact[:, output, -1],
        margin=margin,
        scale=scale,
        method=scorer.explained_by,
        gap=float(np.abs(back - answers).max(initial=0.0)),
    )
