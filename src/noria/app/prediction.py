"""How a data-plane process is put together: from the home's folder alone, without the control plane's code or records."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from noria.adapters.journal_files import FileJournalWriter
from noria.app.settings import Settings
from noria.app.storing import open_blobs
from noria.core.errors import RequestInvalid
from noria.core.traffic import Family, ServedVersion
from noria.packaging import package
from noria.packaging.footprint import footprint_bytes
from noria.packaging.manifest import verified
from noria.packaging.scorer import Scorer
from noria.ports import wire
from noria.ports.blobs import Blobs
from noria.ports.journal import JournalWriter
from noria.stages.serving.explaining import Explains
from noria.stages.serving.model import Lookup

EXACT = ("lightgbm", "xgboost", "catboost", "skops")
"""Formats whose models may have an exact method; what was saved otherwise is not even opened for it."""


def stored_blobs(settings: Settings) -> Blobs:
    """The home's blob store."""
    return open_blobs(settings)


def data_plane_journal(settings: Settings) -> JournalWriter:
    """The process's own end of the prediction journal."""
    return FileJournalWriter(settings.folder / "journal", "predictions")


def scorers(blobs: Blobs, *, python: bool = False) -> Callable[[str], Scorer]:
    """Artifact digest to its serving form.

    Args:
        python: Whether the process is a version's own, where the code of a Python model may run.
    """
    return lambda artifact: package.load(artifact, blobs=blobs, python=python)


def explainers(blobs: Blobs) -> Callable[[ServedVersion], Explains]:
    """Version to its native form, ready to explain."""

    def make(version: ServedVersion) -> Explains:
        kept = package.manifest(version.artifact, blobs=blobs).format
        scorer = package.load(version.artifact, blobs=blobs, form="native") if kept in EXACT else None
        if scorer is None or not scorer.explained_by:
            raise _inexact(version, kept)
        features = getattr(scorer, "signature", version.signature).features
        if scorer.explained_by == "tree-shap":
            return Explains(scorer=scorer, background=np.empty((0, len(features))))
        if not version.background:
            why = f"version {version.number} kept no rows to hold its answers against"
            raise RequestInvalid(why, fields={"explain": "must be left out"}, fix="a newer turn of its loop keeps them")
        from noria.packaging.encoding import encode
        from noria.ports.tables import kept_frame

        background = encode(kept_frame(version.background, blobs), features)
        if scorer.contributions(background[:1], background) is None:
            raise _inexact(version, kept)
        return Explains(scorer=scorer, background=background, digest=version.background)

    return make


def _inexact(version: ServedVersion, kept: str) -> RequestInvalid:
    why = f"version {version.number} ({kept}) has no exact method of its own"
    return RequestInvalid(why, fields={"explain": 'must be "later" or left out'}, fix='ask with "explain": "later"')


def families(blobs: Blobs) -> Callable[[str], Family]:
    """Digest to the family that the blob holds."""
    return lambda digest: wire.load(verified(digest, blobs=blobs), Family)


def weights(blobs: Blobs) -> Callable[[ServedVersion], int]:
    """Version to the memory that it takes, about."""
    return lambda version: footprint_bytes(version.artifact, blobs=blobs)


def lookups(home: Path, blobs: Blobs, cache: Path) -> Callable[[ServedVersion], Lookup | None]:
    """Version to what looks its features up, by the code that the version was made with; None where all inputs are plain.

    For those neither the user's code nor a library of data frames is loaded.
    """

    def make(version: ServedVersion) -> Lookup | None:
        asked = {field.name for field in version.signature.inputs}
        if not version.code or all(feature.name in asked for feature in version.signature.features):
            return None
        from noria.app.looking_up import open_lookup

        return open_lookup(version, home, blobs, cache)

    return make
