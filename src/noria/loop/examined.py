"""What was looked at behind a scorecard, read again from where it is kept."""

from __future__ import annotations

from functools import lru_cache

from noria.core.errors import BlobMissing, DataInvalid
from noria.core.examination.examination import Examination
from noria.core.judging import Scorecard
from noria.ports import wire
from noria.ports.blobs import Blobs


def examination_of(card: Scorecard, blobs: Blobs) -> Examination | None:
    """The examination behind a scorecard; None for one from before there were any.

    Raises:
        BlobMissing: it was kept, and is gone.
    """
    return wire.load(blobs.read(card.examination), Examination) if card.examination else None


def kept_background(card: Scorecard, blobs: Blobs) -> str:
    """Digest of the held-out rows that a version's answers are explained against; "" where none were kept, or they are gone."""
    return _background(card.examination, blobs) if card.examination else ""  # type: ignore[arg-type]  # stores are hashed by identity


@lru_cache(maxsize=10_000)
def _background(examination: str, blobs: Blobs) -> str:
    try:
        kept = wire.load(blobs.read(examination), Examination)
    except (BlobMissing, DataInvalid):
        return ""
    return kept.explained.background if kept.explained else ""
