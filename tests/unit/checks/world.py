"""Two tables from one world, with what a test wants changed."""

from datetime import UTC, datetime

import numpy as np
import polars as pl

TEXTS = np.array(["red", "green", "blue", "grey"])


def table(seed, rows=2_000, *, shift=0.0, fade=0.0):
    dice = np.random.default_rng(seed)
    first, second = dice.normal(size=rows), dice.normal(size=rows)
    chance = 1 / (1 + np.exp(-(1.5 * first - 0.5)))
    return pl.DataFrame(
        {
            "normal": first + shift,
            "other": (1 - fade) * 0.8 * first + second,
            "count": dice.poisson(3.0, rows),
            "colour": TEXTS[dice.choice(4, rows, p=[0.5, 0.3, 0.15, 0.05])],
            "flag": dice.random(rows) < 0.3,
            "late": (dice.random(rows) < chance).astype(int),
            "p": 1 / (1 + np.exp(-(1.5 * (1 - fade) * first + 1.5 * fade * second - 0.5))),
        }
    )


def days(seed, count, rows=300, *, mood=0.6, shift=0.0):
    """Rows of several days; each day has a mood that all its rows share."""
    dice = np.random.default_rng(seed)
    frames = []
    for day in range(count):
        start = int(datetime(2024, 1, 1, tzinfo=UTC).timestamp() * 1000) + day * 86_400_000
        values = dice.normal(size=rows) + mood * dice.normal() + shift
        at = start + np.sort(dice.integers(0, 86_400_000, rows))
        frames.append(pl.DataFrame({"value": values, "calm": dice.normal(size=rows), "at": at}))
    return pl.concat(frames).with_columns(pl.col("at").cast(pl.Datetime("ms", "UTC")))
