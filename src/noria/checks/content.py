"""`noria.check_texts`, `check_embeddings` and `check_images`: holds texts, vectors or images against a reference, without a deployment."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from noria.core.moments import duration
from noria.core.watching import Reading
from noria.stages.monitoring import embeddings, images, texts

_AT = datetime(1970, 1, 1, tzinfo=UTC)


def check_texts(
    reference: Sequence[str | None],
    current: Sequence[str | None],
    *,
    times: Any = None,
    every: str | timedelta = "1d",
    min_rows: int = 250,
    name: str = "texts",
) -> list[Reading]:
    """Hold texts against a reference: which words tell them apart, and how length, unknown words and the like have moved.

    Args:
        times: Moments of the reference's texts; with them limits are calibrated on its chunks, else chance alone sets them.
        every: Length of a chunk.
        name: Stands before each reading's name.

    Returns:
        Readings whose `level` is "breach" where something changed, with a `note` that says what.
    """
    known = texts.build(reference, _moments(times, len(reference)), chunk=duration(every))
    return texts.measure(known, current, loop="", at=_AT, name=name, min_rows=min_rows)


def check_embeddings(
    reference: Any,
    current: Any,
    *,
    times: Any = None,
    every: str | timedelta = "1d",
    min_rows: int = 250,
    name: str = "embeddings",
    reference_texts: Sequence[str] | None = None,
    current_texts: Sequence[str] | None = None,
) -> list[Reading]:
    """Hold vectors against a reference: their mean, maximum mean discrepancy, separability, and which cluster grew.

    Args:
        reference, current: Numbers, shape (rows, width).
        times, every, name: As for `check_texts`.
        reference_texts, current_texts: What each vector stands for: a cluster that grew is shown by examples.

    Returns:
        Four readings; see `check_texts`.
    """
    moments = None if times is None else np.asarray(times)
    known = embeddings.build(reference, times=moments, chunk=duration(every), texts=reference_texts)
    return embeddings.measure(known, current, loop="", at=_AT, name=name, min_rows=min_rows, texts=current_texts)


def check_images(
    reference: Sequence[Any],
    current: Sequence[Any],
    *,
    times: Any = None,
    every: str | timedelta = "1d",
    min_rows: int = 250,
    name: str = "images",
) -> list[Reading]:
    """Hold images (arrays of pixels) against a reference by brightness, contrast, sharpness, colours and size.

    Args:
        times, every, name: As for `check_texts`.

    Returns:
        A reading for each; see `check_texts`.
    """
    known = images.build(reference, _moments(times, len(reference)), chunk=duration(every))
    return images.measure(known, current, loop="", at=_AT, name=name, min_rows=min_rows)


def _moments(times: Any, rows: int) -> Any:
    return np.zeros(rows, dtype="datetime64[ms]") if times is None else np.asarray(times)
