"""What to expect of retraining: what a probe measured, drawn towards what turns have usually gained."""

from __future__ import annotations

import math
from collections.abc import Sequence

from scipy.special import ndtr

from noria.core.probing import Expectation, PastGain
from noria.core.schema import Estimate

FLOOR = 2.0
"""In usual times the gain is taken to vary by at least this many times what is worth a turn."""

CHANGED, WIDER = 0.2, 4.0
"""How often the world has changed when a signal asks, and how many times as far the gain may then lie from the usual one."""


def expected(measured: Estimate, past: Sequence[PastGain], *, worth: float) -> Expectation:
    """Combine a measured gain with the gains of past turns (empirical Bayes; Efron & Morris 1973).

    Usual gain: mean m₀ = Σ wᵢ gᵢ / (1/τ² + Σ wᵢ) with wᵢ = 1 / (τ² + sᵢ²), which is to say that one
    more turn is invented that gained nothing; spread τ² = max((FLOOR · worth)², Σ max(0, gᵢ² − sᵢ²) / (k + 1)).

    Before the probe is looked at, the gain is m₀ give or take τ, or, with chance 1/5, the world has
    changed and it is m₀ give or take 4 τ. After it, each of the two is weighted by how likely it makes
    what was measured, and gives the gain (d / s² + m₀ / t²) / (1 / s² + 1 / t²) with spread (1 / s² + 1 / t²)^−½,
    t being τ or 4 τ. So a small gain is drawn towards the usual one, and a large one is believed.

    Args:
        measured: Refit − champion on the newest rows, d with its standard error s.
        past: Gains gᵢ of earlier turns with their standard errors sᵢ.
        worth: The gain from which on a turn is worth its cost, > 0.

    >>> found = expected(Estimate(value=0.03, low=0.01, high=0.05, n=900, se=0.01), (), worth=0.005)
    >>> round(found.gain, 3), round(found.chance, 3)
    (0.02, 0.948)
    """
    known = [one for one in past if math.isfinite(one.gain) and math.isfinite(one.se)]
    usual, spread = usual_gain(known, worth)
    parts = [_after(measured, usual, spread, 1.0 - CHANGED), _after(measured, usual, WIDER * spread, CHANGED)]
    total = sum(weight for weight, _, _ in parts)
    gain = sum(weight * mean for weight, mean, _ in parts) / total
    variance = sum(weight * (sd**2 + (mean - gain) ** 2) for weight, mean, sd in parts) / total
    return Expectation(
        usual=usual,
        usual_spread=spread,
        gain=gain,
        spread=math.sqrt(variance),
        worth=worth,
        chance=sum(weight * float(ndtr((mean - worth) / sd)) for weight, mean, sd in parts) / total,
        past=len(known),
    )


def usual_gain(past: Sequence[PastGain], worth: float) -> tuple[float, float]:
    """Mean and spread of what a turn gains in usual times."""
    spread2 = max((FLOOR * worth) ** 2, sum(max(0.0, one.gain**2 - one.se**2) for one in past) / (len(past) + 1))
    weights = [1.0 / (spread2 + one.se**2) for one in past]
    usual = sum(weight * one.gain for weight, one in zip(weights, past, strict=True)) / (1.0 / spread2 + sum(weights))
    return usual, math.sqrt(spread2)


def _after(measured: Estimate, usual: float, spread: float, chance: float) -> tuple[float, float, float]:
    """Weight of a possibility once the gain was measured, and the gain's mean and spread under it."""
    noise2, spread2 = max(measured.se, 1e-9) ** 2, spread**2
    seen2 = noise2 + spread2
    weight = chance * math.exp(-0.5 * min((measured.value - usual) ** 2 / seen2, 1_000.0)) / math.sqrt(seen2)
    mean = (spread2 * measured.value + noise2 * usual) / seen2
    return weight, mean, math.sqrt(noise2 * spread2 / seen2)
