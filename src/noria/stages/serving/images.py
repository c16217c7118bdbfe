"""Pictures in requests, as PNG or JPEG, turned into the array that a model takes: no resizing, no guessing."""

from __future__ import annotations

import io
from math import prod

import numpy as np

from noria.stages.serving.misfit import Misfit

PIXEL_LIMIT = 16_000_000
"""Pixels of one picture: a small file may unfold to very many."""

FORMATS = ("PNG", "JPEG")
_MODES = {(): "L", (1,): "L", (3,): "RGB", (4,): "RGBA"}


def pixels(content: bytes, shape: tuple[int, ...]) -> np.ndarray:
    """A picture's pixels, 0 to 255: (height, width), or with 1, 3 or 4 channels last or first, as the shape has them.

    Raises:
        Misfit: it is no PNG or JPEG, is larger than any that is taken, or the field's shape is no picture's.
    """
    first, channels = _channels(shape)
    array = _opened(content, _MODES[channels])
    if channels and array.ndim == 2:
        array = array[:, :, None]
    return np.ascontiguousarray(np.moveaxis(array, -1, 0)) if first else array


def _channels(shape: tuple[int, ...]) -> tuple[bool, tuple[int, ...]]:
    """Whether channels come first, and how many there are; none where the shape has two dimensions."""
    if len(shape) == 2:
        return False, ()
    if len(shape) == 3 and shape[-1:] in _MODES:
        return False, shape[-1:]
    if len(shape) == 3 and shape[:1] in _MODES:
        return True, shape[:1]
    raise Misfit(f"is a picture, and its field takes arrays of shape {list(shape)}")


def _opened(content: bytes, mode: str) -> np.ndarray:
    try:
        from PIL import Image, UnidentifiedImageError
    except ImportError:
        raise Misfit('is a picture, which this server cannot open (pip install "noria[images]"); send its pixels as an array') from None
    try:
        with Image.open(io.BytesIO(content), formats=FORMATS) as picture:
            if prod(picture.size) > PIXEL_LIMIT:
                raise Misfit(f"is a picture of {picture.size[0]} x {picture.size[1]} pixels; at most {PIXEL_LIMIT:,} are taken")
            return np.asarray(picture.convert(mode))
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        if isinstance(error, Misfit):
            raise
        raise Misfit(f"is no {' or '.join(FORMATS)} picture that can be opened: {str(error)[:80]}") from None
