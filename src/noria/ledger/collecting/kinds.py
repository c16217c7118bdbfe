"""What a blob that nothing names once was, as far as its first bytes say."""

from __future__ import annotations

from noria.core.errors import BlobMissing
from noria.ports.blobs import Streams

HEAD_BYTES = 2_048

_STARTS = (
    (b"PAR1", "tables"),
    (b"tree\n", "models"),
    (b"\x08", "models"),
    (b"{L", "models"),
    (b"diff --git", "uncommitted changes"),
)
_JSON = (
    (b'"serving_form"', "models"),
    (b'"members"', "models"),
    (b'"made_from"', "examinations"),
    (b'"chunk"', "references of monitors"),
    (b'"distributions"', "environments"),
)
_ZIPPED = ((b"SNAPSHOT.json", "code"), (b".py", "code"), (b"schema.json", "models"))


def kind_of(digest: str, blobs: Streams) -> str:
    """Tables (datasets, features, samples), models, examinations, code …; "other" where it is not clear."""
    try:
        head = b"".join(blobs.pieces(digest, stop=HEAD_BYTES))
    except BlobMissing:
        return "other"
    if head[:1] in (b"{", b"["):
        return next((kind for sign, kind in _JSON if sign in head), "other")
    if head.startswith(b"PK"):
        return next((kind for sign, kind in _ZIPPED if sign in head), "other")
    return next((kind for start, kind in _STARTS if head.startswith(start)), "other")
