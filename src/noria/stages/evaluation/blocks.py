"""Steps of time whose neighbours resemble each other: how sure a sum over them is, and how to draw them again."""

from __future__ import annotations

import math

import numpy as np

from noria.stages.evaluation.measured import Array, Codes

FEWEST_STEPS = 8
"""Fewer steps of time than this say nothing about how neighbours resemble each other."""


def by_cosines(moved: Array) -> tuple[float, int]:
    """The standard error of a sum of correlated steps, and its degrees of freedom, from its 0.4 · steps^(2/3) slowest cosines.

    Lazarus, Lewis, Stock & Watson (2018), equations 4 and 10: the statistic has Student's t with as
    many degrees of freedom as there are cosines.
    """
    count = len(moved)
    waves = max(4, round(0.4 * count ** (2 / 3)))
    phases = np.pi * np.arange(1, waves + 1)[:, None] * (np.arange(count) + 0.5) / count
    heights = math.sqrt(2.0 / count) * np.cos(phases) @ moved
    return math.sqrt(float(count * (heights**2).mean())), waves


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


def runs(random: np.random.Generator, resamples: int, count: int, length: float) -> Codes:
    """Which steps were drawn, shape (resamples, count): runs of neighbours of this mean length, round the end (Politis & Romano 1994)."""
    picked = random.integers(count, size=(resamples, count))
    begins = random.random((resamples, count)) < 1.0 / length
    begins[:, 0] = True
    began = np.maximum.accumulate(np.where(begins, np.arange(count), 0), axis=1)
    return (np.take_along_axis(picked, began, axis=1) + np.arange(count) - began) % count


def _autocovariances(centred: Array, most: int) -> Array:
    """At lags 0 to `most`, each over the whole length, by the fast Fourier transform."""
    size = 1 << (2 * len(centred) - 1).bit_length()
    spectrum = np.abs(np.fft.rfft(centred, size)) ** 2
    return np.asarray(np.fft.irfft(spectrum, size)[: most + 1]) / len(centred)
