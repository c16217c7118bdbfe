"""What a column of texts, images or anything that can be embedded holds, chunk by chunk."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl

from noria.core.content import ImageReference, TextReference
from noria.core.watching import Level, Reading
from noria.loop.beside import converted, name_of
from noria.loop.monitors.span import GIVEN, Span
from noria.ports import wire
from noria.stages.monitoring import embeddings, images, texts
from noria.stages.monitoring.thinning import thinned
from noria.stages.monitoring.vectors import unpacked
from noria.stages.serving import log

TEXTS, VECTORS, IMAGES = texts.MONITOR, embeddings.MONITOR, images.MONITOR

MOST_VALUES = 1_000
"""Values of a chunk that are looked at, spread evenly: user functions may be slow."""

logger = logging.getLogger("noria.monitors")


def read_texts(span: Span) -> list[Reading]:
    """Words and descriptors of the chunk's texts."""

    def look(content: bytes) -> list[Reading]:
        known = wire.load(content, TextReference)
        told = [None if value is None else str(value) for value in values(span)]
        return texts.measure(known, told, loop=span.loop, at=span.end, name=span.watch.column, min_rows=_enough(span))

    return _read(span, TEXTS, look)


def read_vectors(span: Span) -> list[Reading]:
    """The four drifts of what the user's function makes of the chunk's values."""

    def look(content: bytes) -> list[Reading]:
        known = unpacked(content)
        there = [value for value in values(span) if value is not None]
        vectors: Any = converted(span.watch, there) if there else np.zeros((0, len(known.mean)))
        said = [str(value) for value in there]
        return embeddings.measure(known, vectors, loop=span.loop, at=span.end, name=span.watch.column, min_rows=_enough(span), texts=said)

    return _read(span, VECTORS, look)


def read_images(span: Span) -> list[Reading]:
    """Descriptors of the images that the user's function opens."""

    def look(content: bytes) -> list[Reading]:
        known = wire.load(content, ImageReference)
        opened = converted(span.watch, values(span))
        return images.measure(known, opened, loop=span.loop, at=span.end, name=span.watch.column, min_rows=_enough(span))

    return _read(span, IMAGES, look)


def values(span: Span) -> list[Any]:
    """The watched column of the chunk's requests, each request once, at most `MOST_VALUES` of them."""
    places = [f"in:{span.watch.column}", f"f:{span.watch.column}"]
    rows = log.predictions(span.world.log_folder, span.loop, since=span.start, until=span.end, roles=GIVEN, columns=["request_id", *places])
    rows = rows.unique("request_id", keep="any", maintain_order=True)
    there = next((name for name in places if rows.schema[name] != pl.Null), places[0])
    return thinned(rows.select(there), MOST_VALUES, 0)[there].to_list()


def _enough(span: Span) -> int:
    return min(span.watch.min_rows, MOST_VALUES)


def _read(span: Span, monitor: str, look: Callable[[bytes], list[Reading]]) -> list[Reading]:
    """What `look` reads against the version's reference; a user's function that fails is told as a reading that says nothing."""
    content = span.beside
    if content is None:
        return [_untold(span, monitor, "this version keeps nothing to compare with")]
    try:
        return look(content)
    except Exception as error:  # noqa: BLE001 - the user's own function; a monitor that fails must not stop the others, and it is told
        logger.warning("%s of %s cannot be read: %s", name_of(span.watch), span.loop, error)
        return [_untold(span, monitor, f"cannot be read: {type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}")]


def _untold(span: Span, monitor: str, why: str) -> Reading:
    return Reading(
        loop=span.loop,
        monitor=monitor,
        subject=span.watch.column,
        time=span.end,
        value=float("nan"),
        threshold=float("nan"),
        level=Level.NOT_ENOUGH,
        rows=0,
        note=why[:300],
    )
