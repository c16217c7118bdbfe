"""What texts and images of the reference look like: values that a version keeps for their monitors."""

from __future__ import annotations

from dataclasses import dataclass

from noria.core.joint import ChunkLimit
from noria.core.watching import DriftReference


@dataclass(frozen=True, slots=True, kw_only=True)
class TextReference:
    """What the texts of one column look like; a blob of its own, bounded in size.

    Attributes:
        words: Words that are known: in at least two of the texts that they were learnt from.
        sample: Texts of the reference, cut.
        described: Length, share of unknown words and the like, as numbers with their limits.
        domain: Of the AUC of a classifier on words that tells one chunk from the rest.
    """

    chunk: str
    rows: int
    words: tuple[str, ...]
    sample: tuple[str, ...]
    described: DriftReference
    domain: ChunkLimit


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageReference:
    """What the images of one column look like, in plain numbers with their limits; a blob of its own."""

    rows: int
    described: DriftReference
