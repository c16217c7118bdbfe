"""How sure a mean of steps of time is whose neighbours resemble each other."""

from __future__ import annotations

import math

import numpy as np

from noria.stages.evaluation.measured import Array

FEWEST_STEPS = 5
"""Fewer steps of time than this say nothing about how neighbours resemble each other."""


def serial_spread(steps: Array) -> tuple[float, int]:
    """The standard error of a sum of influences by step of time, and its degrees of freedom.

    The variance is that of the stationary bootstrap (Politis & Romano 1994, lemma 1): a weighted sum
    of autocovariances, so nothing need be drawn. Two corrections for short series: what is lost by
    taking the mean off first is given back, and the degrees of freedom are those of a spectral
    estimate with these weights (Priestley 1981, section 6.2). NaN with too few steps.

    Args:
        steps: Sums of influences within each step, in order of time, shape (steps,).
    """
    count = len(steps)
    if count < FEWEST_STEPS:
        return math.nan, 0
    stay = 1.0 - 1.0 / block_length(steps)
    lags = np.arange(1, count)
    weights = (1.0 - lags / count) * stay**lags + (lags / count) * stay ** (count - lags)
    covariances = _autocovariances(steps - steps.mean(), count - 1)
    variance = covariances[0] + 2.0 * float(weights @ covariances[1:])
    reach = (1.0 + stay) / (1.0 - stay)
    lost = max(1.0 - reach / count, 0.1)
    freedom = 2.0 * count * (1.0 - stay**2) / (1.0 + stay**2)
    return math.sqrt(max(variance, 0.0) * count / lost), max(1, min(count - 1, round(freedom)))


def block_length(steps: Array) -> float:
    """Mean length of runs that the stationary bootstrap should draw (Politis & White 2004, corrected by Patton et al. 2009); at least 1."""
    count = len(steps)
    centred = steps - steps.mean()
    most = max(1, min(math.ceil(3.0 * math.sqrt(count)), count // 3))
    patience = max(5, math.ceil(math.sqrt(math.log10(count)))) if count > 1 else 5
    covariances = _autocovariances(centred, min(count - 1, math.ceil(math.sqrt(count)) + 2 * patience))
    if not covariances[0] > 0:
        return 1.0
    small = np.abs(covariances[1:] / covariances[0]) < 2.0 * math.sqrt(math.log10(count) / count)
    quiet = [at for at in range(len(small) - patience + 1) if small[at : at + patience].all()]
    last = quiet[0] if quiet else (int(np.flatnonzero(~small).max()) + 1 if (~small).any() else 0)
    width = min(max(2 * last, 1), len(covariances) - 1)
    lags = np.arange(1, width + 1)
    flat_top = np.clip(2.0 * (1.0 - lags / width), 0.0, 1.0) if width > 1 else np.zeros(1)
    level = covariances[0] + 2.0 * float(flat_top @ covariances[1 : width + 1])
    slope = 2.0 * float((flat_top * lags) @ covariances[1 : width + 1])
    if not level > 0:
        return float(most)
    return float(min(max(1.0, (slope**2 / level**2 * count) ** (1.0 / 3.0)), most))


def _autocovariances(centred: Array, most: int) -> Array:
    """At lags 0 to `most`, each over the whole length, by the fast Fourier transform."""
    size = 1 << (2 * len(centred) - 1).bit_length()
    spectrum = np.abs(np.fft.rfft(centred, size)) ** 2
    return np.asarray(np.fft.irfft(spectrum, size)[: most + 1]) / len(centred)
