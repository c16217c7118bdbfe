"""Images in plain numbers: how bright, how contrasty, how sharp, what colour and what size."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray

from noria.core.content import ImageReference
from noria.core.watching import Reading
from noria.stages.monitoring import described

MONITOR = "image-drift"

LUMA = (0.2126, 0.7152, 0.0722)
"""Weights of red, green and blue in brightness (ITU-R BT.709)."""

_COLOURS = ("red", "green", "blue")
_SCHEMA = dict.fromkeys(
    ("brightness", "contrast", "sharpness", *_COLOURS, *(f"{name}_sd" for name in _COLOURS), "width", "height", "aspect"), pl.Float64
)

Array = NDArray[np.float64]


def descriptors(images: Sequence[ArrayLike | None]) -> pl.DataFrame:
    """Plain numbers of each image, one row an image; all are null for one that is missing or no image.

    Brightness, contrast (its standard deviation) and colours are on the scale 0 to 1; sharpness is
    the variance of the Laplacian of brightness (Pech-Pacheco et al. 2000), width and height are
    pixels, aspect is width over height. A grey image has its brightness in every colour.

    Args:
        images: Arrays of shape (height, width), (height, width, 1), (height, width, 3) or
            (height, width, 4), whole numbers 0 to 255 or fractions 0 to 1.
    """
    return pl.DataFrame([_described(image) for image in images], schema=_SCHEMA, orient="row")


def build(images: Sequence[ArrayLike | None], times: ArrayLike, *, chunk: timedelta = timedelta(days=1)) -> ImageReference:
    """Describe the images of the reference; `times` are their moments, shape (rows,)."""
    frame = descriptors(images).with_columns(pl.Series("__time", np.asarray(times)))
    return ImageReference(rows=frame.height, described=described.describe(frame, chunk=chunk))


def measure(
    reference: ImageReference, images: Sequence[ArrayLike | None], *, loop: str, at: datetime, name: str, min_rows: int = 250
) -> list[Reading]:
    """Read each descriptor of a chunk of images, and how many are missing or none; subjects begin with `name`."""
    frame = descriptors(images)
    return described.measure(reference.described, frame, monitor=MONITOR, name=name, loop=loop, at=at, min_rows=min_rows)


def _described(image: ArrayLike | None) -> tuple[float | None, ...]:
    pixels = _pixels(image)
    if pixels is None:
        return (None,) * len(_SCHEMA)
    height, width = pixels.shape[:2]
    luma = pixels @ np.array(LUMA)
    means, spreads = pixels.mean(axis=(0, 1)), pixels.std(axis=(0, 1))
    return (
        float(luma.mean()),
        float(luma.std()),
        float(laplacian(luma).var()) if min(luma.shape) > 2 else 0.0,
        *(float(one) for one in means),
        *(float(one) for one in spreads),
        float(width),
        float(height),
        width / height,
    )


def laplacian(values: Array) -> Array:
    """The sum of the four neighbours less four times the middle, shape (height − 2, width − 2)."""
    middle = values[1:-1, 1:-1]
    return np.asarray(values[:-2, 1:-1] + values[2:, 1:-1] + values[1:-1, :-2] + values[1:-1, 2:] - 4 * middle)


def _pixels(image: ArrayLike | None) -> Array | None:
    """The image as fractions, shape (height, width, 3); None when it is none."""
    if image is None:
        return None
    raw = np.asarray(image)
    if raw.ndim not in (2, 3) or raw.size == 0 or raw.dtype.kind not in "uifb":
        return None
    values = raw.astype(np.float64) / (255.0 if raw.dtype.kind in "ui" else 1.0)
    if values.ndim == 2 or values.shape[2] in (1, 2):
        grey = values if values.ndim == 2 else values[:, :, 0]
        return np.repeat(grey[:, :, None], 3, axis=2)
    return values[:, :, :3] if values.shape[2] in (3, 4) else None
