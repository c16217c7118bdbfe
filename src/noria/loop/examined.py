"""What was looked at behind a scorecard, read again from where it is kept."""

from __future__ import annotations

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
