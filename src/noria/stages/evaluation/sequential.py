"""Sequential tests that a rollout may look at as often as it likes.

Every guard compares a challenger with the champion and answers with a `GuardReading`. Its
interval is a confidence sequence: it covers the true difference at all looks together with
probability 1 − alpha, so looking often costs nothing. For rates that is exact; for means and
metrics it holds as the central limit theorem does, which is why a verdict waits for `min_n` rows.

The verdict, with the difference signed so that positive is worse for the challenger:

- "harm": the whole interval lies above zero *and* the estimate lies beyond the margin. If the
  challenger is no worse at all, this happens with probability below alpha over all looks.
- "no-harm": the whole interval lies below the margin (non-inferior, again with 1 − alpha).
- "not-enough-data" with fewer than `min_n` rows in either arm; otherwise "undecided".

Give a guard rows of one period only, in which both versions answered at an unchanged share:
pooling days of 1 % with days of 50 % would compare different days (Simpson's paradox).
"""

from __future__ import annotations

from dataclasses import replace
from math import sqrt

import numpy as np
from numpy.typing import NDArray

from noria.core.schema import Estimate, Task
from noria.core.turning import GuardReading
from noria.stages.evaluation.agreement import agreement
from noria.stages.evaluation.given import PLAIN, Given
from noria.stages.evaluation.measured import Array, Codes
from noria.stages.evaluation.sequential_marks import Mark, auc_mark, guarded, mean_mark, metric_mark, signed
from noria.stages.evaluation.sequential_mixture import always_valid_p, confidence_sequence, sharpest_tau
from noria.stages.evaluation.sequential_rates import higher_rate_p, rate_sequence, split_p

Scored = tuple[Array, Array]
"""Outcomes and answers of the same rows; answers are (rows, classes) for multi-class."""

Versions = tuple[Given, Given]
"""What is known of the champion, and of the challenger."""


def guard_rate(
    guard: str, *, champion_events: int, champion_n: int, challenger_events: int, challenger_n: int, margin: float, alpha: float, min_n: int
) -> GuardReading:
    """Compare two rates of failure, exactly, also when nothing has failed yet.

    Each rate has an exact confidence sequence at alpha / 2 (a Beta mixture); the difference lies
    between their ends. No normal approximation is made, so harm is called below `min_n` too: a
    challenger that crashes is stopped within a dozen requests. No-harm waits for `min_n`.
    """
    champion_low, champion_high = rate_sequence(champion_events, champion_n, alpha=alpha / 2)
    low, high = rate_sequence(challenger_events, challenger_n, alpha=alpha / 2)
    known = champion_n > 0 and challenger_n > 0
    value = challenger_events / challenger_n - champion_events / champion_n if known else float("nan")
    difference = Estimate(value=value, low=low - champion_high, high=high - champion_low, n=champion_n + challenger_n, level=1 - alpha)
    verdict = _verdict(difference, margin)
    if min(champion_n, challenger_n) < min_n and verdict != "harm":
        verdict = "not-enough-data"
    p = higher_rate_p(
        champion_events=champion_events, champion_n=champion_n, challenger_events=challenger_events, challenger_n=challenger_n
    )
    return GuardReading(
        guard=guard, difference=difference, margin=margin, p_value=p, verdict=verdict, champion_n=champion_n, challenger_n=challenger_n
    )


def guard_mean(
    guard: str,
    champion: Array,
    challenger: Array,
    *,
    margin: float,
    alpha: float,
    min_n: int,
    higher_is_worse: bool = True,
    tau: float | None = None,
) -> GuardReading:
    """Compare two means of different rows, such as log-latencies with margin log(1 + tolerated slowdown).

    Both arms are winsorised at the champion's 0.5 and 99.5 percentiles, widened by four margins or
    by their own distance if that is more: a freak request counts as a slow one, and a challenger
    that is slow on every request still shows it.
    """
    champion, challenger = _finite(champion), _finite(challenger)
    if len(champion):
        low, high = np.quantile(champion, (0.005, 0.995))
        wider = max(4 * margin, high - low)
        champion, challenger = (np.clip(arm, low - wider, high + wider) for arm in (champion, challenger))
    sign = 1.0 if higher_is_worse else -1.0
    return _unpaired(guard, mean_mark(sign * champion), mean_mark(sign * challenger), margin=margin, alpha=alpha, min_n=min_n, tau=tau)


def guard_auc(
    guard: str, champion: Scored, challenger: Scored, *, margin: float, alpha: float, min_n: int, tau: float | None = None
) -> GuardReading:
    """Compare two areas under the ROC curve on different rows (DeLong's variances)."""
    one, other = auc_mark(*_answered(*champion)), auc_mark(*_answered(*challenger))
    return _unpaired(guard, one, other, margin=margin, alpha=alpha, min_n=min_n, tau=tau)


def guard_auc_paired(
    guard: str,
    y: Array,
    champion_score: Array,
    challenger_score: Array,
    *,
    margin: float,
    alpha: float,
    min_n: int,
    tau: float | None = None,
) -> GuardReading:
    """Compare two areas under the ROC curve on the same rows (DeLong's covariance), as in shadow."""
    y, champion_score, challenger_score = _both_answered(y, champion_score, challenger_score)
    one, other = auc_mark(y, champion_score), auc_mark(y, challenger_score)
    return _paired(guard, one, other, margin=margin, alpha=alpha, min_n=min_n, tau=tau)


def guard_loss(
    guard: str, champion: Array, challenger: Array, *, margin: float, alpha: float, min_n: int, tau: float | None = None
) -> GuardReading:
    """Compare mean losses of different rows, as they are (no winsorising: a large loss is what is asked about)."""
    one, other = mean_mark(_finite(champion)), mean_mark(_finite(challenger))
    return _unpaired(guard, one, other, margin=margin, alpha=alpha, min_n=min_n, tau=tau)


def guard_loss_paired(
    guard: str, champion: Array, challenger: Array, *, margin: float, alpha: float, min_n: int, tau: float | None = None
) -> GuardReading:
    """Compare mean losses of the same rows, difference by difference."""
    both = np.isfinite(champion) & np.isfinite(challenger)
    return _paired(guard, mean_mark(champion[both]), mean_mark(challenger[both]), margin=margin, alpha=alpha, min_n=min_n, tau=tau)


def guard_metric(
    name: str,
    *,
    task: Task,
    champion: Scored,
    challenger: Scored,
    paired: bool,
    margin: float,
    alpha: float,
    min_n: int,
    design_effect: float = 1.0,
    given: Versions = (PLAIN, PLAIN),
) -> GuardReading:
    """Compare two versions by a metric of the task; `paired` when row i is the same request in both.

    Args:
        champion, challenger: Outcomes and answers; binary outcomes are 0/1 and answers probabilities,
            multi-class outcomes are class codes. Rows without an answer, or with an outcome that is
            no number or no class that the answers have, are left out.
        margin: In units of the metric.
        design_effect: How many times the variance of the difference is that of independent rows (Kish
            1965): rows of one day have their weather in common. Measured beforehand, on held-out days.
        given: What the metric needs to know of the champion and of the challenger: thresholds, costs.

    Raises:
        NotFound: the task does not offer the metric.
        ValueError: the metric has no sequential test.
    """
    known = guarded(name, task)
    if paired:
        y, one, other = _both_answered(champion[0], champion[1], challenger[1])
        one_mark, other_mark = metric_mark(known, y, one, given[0]), metric_mark(known, y, other, given[1])
        s2 = _paired_variance(one_mark, other_mark)
    else:
        one_mark, other_mark = metric_mark(known, *_answered(*champion), given[0]), metric_mark(known, *_answered(*challenger), given[1])
        s2 = _unpaired_variance(one_mark, other_mark)
    return _reading(name, one_mark, other_mark, s2 * max(design_effect, 1.0), margin=margin, alpha=alpha, min_n=min_n, tau=None)


def guard_agreement(champion: Array, challenger: Array, *, expected: Estimate, margin: float, alpha: float, min_n: int) -> GuardReading:
    """Compare how far two versions agree on the same requests with how far they did on held-out rows.

    An honest challenger disagrees here and there, and did so on held-out rows too. One that answers
    nonsense disagrees everywhere, and that is seen long before any outcome comes.

    Args:
        champion, challenger: Answers to the same requests, shape (rows,) or (rows, classes).
        expected: Their agreement on held-out rows, see `noria.stages.evaluation.agreement`.
    """
    kept = _known(np.zeros(len(champion)), champion) & _known(np.zeros(len(champion)), challenger)
    measured = agreement(champion[kept], challenger[kept])
    live = signed(measured, int(kept.sum()), sign=-1.0)
    held = Mark(value=-expected.value, parts=np.zeros(len(live.parts)))
    s2 = float(np.square(live.parts).sum()) + (expected.se**2 if np.isfinite(expected.se) else 0.0)
    return _reading("agreement", held, live, s2, margin=margin, alpha=alpha, min_n=min_n, tau=None)


def guard_arms(
    name: str,
    *,
    task: Task,
    champion: Scored,
    challenger: Scored,
    units: tuple[Codes, Codes],
    margin: float,
    alpha: float,
    min_n: int,
    common: float = 0.0,
    given: Versions = (PLAIN, PLAIN),
) -> GuardReading:
    """Compare two versions by a metric, each on the requests that it answered itself, split at random by unit.

    Rows of one unit (a sticky key) go together, so errors are summed within units before they are
    squared; it waits for `min_n` units in each arm.

    Args:
        units: Codes from 0 of the unit that each row belongs to, of either arm.
        common: Variance that whole arms have in common beyond that, such as that of days; added.
        given: As in `guard_metric`.

    Source: Deng, Knoblich & Lu 2018, "Applying the delta method in metric analytics".

    Raises:
        NotFound: the task does not offer the metric.
        ValueError: the metric has no sequential test.
    """
    known = guarded(name, task)
    kept = [_known(np.asarray(y, dtype=np.float64), np.asarray(score, dtype=np.float64)) for y, score in (champion, challenger)]
    one, other = metric_mark(known, *_answered(*champion), given[0]), metric_mark(known, *_answered(*challenger), given[1])
    sums = [np.bincount(of[k], weights=mark.parts) for of, k, mark in zip(units, kept, (one, other), strict=True)]
    fewest = min(len(np.unique(of[k])) for of, k in zip(units, kept, strict=True))
    s2 = float(sum(np.square(total).sum() for total in sums)) + common
    waits = max(min_n, 2) > fewest
    return _reading(name, one, replace(other, ready=other.ready and not waits), s2, margin=margin, alpha=alpha, min_n=min_n, tau=None)


def sample_ratio(challenger_n: int, champion_n: int, *, share: float) -> float:
    """Always-valid p-value of "requests fall on the challenger with probability `share`".

    A small one (below 0.001, say) means that the split itself is broken and nothing else can be
    trusted. Count what was assigned independently: keys, where one key sends many requests.

    Source: Lindon & Malek 2022, "Anytime-valid inference for multinomial count data".
    """
    if not 0 < share < 1:
        return 1.0
    return split_p(challenger_n, champion_n, share=share)


def _unpaired(
    guard: str, champion: Mark, challenger: Mark, *, margin: float, alpha: float, min_n: int, tau: float | None = None
) -> GuardReading:
    s2 = _unpaired_variance(champion, challenger)
    return _reading(guard, champion, challenger, s2, margin=margin, alpha=alpha, min_n=min_n, tau=tau)


def _paired(
    guard: str, champion: Mark, challenger: Mark, *, margin: float, alpha: float, min_n: int, tau: float | None = None
) -> GuardReading:
    s2 = _paired_variance(champion, challenger)
    return _reading(guard, champion, challenger, s2, margin=margin, alpha=alpha, min_n=min_n, tau=tau)


def _unpaired_variance(champion: Mark, challenger: Mark) -> float:
    return float(np.square(champion.parts).sum() + np.square(challenger.parts).sum())


def _paired_variance(champion: Mark, challenger: Mark) -> float:
    return float(np.square(challenger.parts - champion.parts).sum())


def _reading(
    guard: str, champion: Mark, challenger: Mark, s2: float, *, margin: float, alpha: float, min_n: int, tau: float | None
) -> GuardReading:
    sizes = len(champion.parts), len(challenger.parts)
    d, n = challenger.value - champion.value, min(sizes)
    difference, p, verdict = Estimate(value=d, low=float("nan"), high=float("nan"), n=sum(sizes), level=1 - alpha), 1.0, "not-enough-data"
    if n >= max(min_n, 2) and champion.ready and challenger.ready and np.isfinite(d):
        s2 = max(s2, ((abs(d) + margin) / n) ** 2)
        width = tau or sharpest_tau(s2, n=n, at=min_n, alpha=alpha)
        low, high = confidence_sequence(d, s2, tau=width, alpha=alpha)
        difference = Estimate(value=d, low=low, high=high, n=sum(sizes), se=sqrt(s2), level=1 - alpha)
        p = always_valid_p(d, s2, tau=width) if d > 0 else 1.0
        verdict = _verdict(difference, margin)
    return GuardReading(
        guard=guard, difference=difference, margin=margin, p_value=p, verdict=verdict, champion_n=sizes[0], challenger_n=sizes[1]
    )


def _verdict(difference: Estimate, margin: float) -> str:
    if difference.low > 0 and difference.value > margin:
        return "harm"
    return "no-harm" if difference.high < margin else "undecided"


def _finite(values: Array) -> Array:
    values = np.asarray(values, dtype=np.float64)
    return values[np.isfinite(values)]


def _answered(y: Array, score: Array) -> Scored:
    y, score = np.asarray(y, dtype=np.float64), np.asarray(score, dtype=np.float64)
    kept = _known(y, score)
    return y[kept], score[kept]


def _both_answered(y: Array, one: Array, other: Array) -> tuple[Array, Array, Array]:
    y, one, other = (np.asarray(values, dtype=np.float64) for values in (y, one, other))
    kept = _known(y, one) & _known(y, other)
    return y[kept], one[kept], other[kept]


def _known(y: Array, score: Array) -> NDArray[np.bool_]:
    if score.ndim == 1:
        return np.isfinite(y) & np.isfinite(score)
    return (y >= 0) & (y < score.shape[1]) & np.logical_and.reduce(np.isfinite(score), axis=1)
