"""How a data-plane process is put together: from the home's folder alone, without the control plane's code or records."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from noria.adapters.files import Files
from noria.adapters.journal_files import FileJournalWriter
from noria.adapters.lmdb import Lmdb
from noria.app.settings import Settings
from noria.core.traffic import ServedVersion
from noria.loop.source import load, named, scoped
from noria.packaging import package
from noria.packaging.scorer import Scorer
from noria.ports.blobs import Blobs
from noria.ports.journal import JournalWriter
from noria.stages.features.online import Lookup
from noria.stages.training.snapshot import restore_code


def stored_blobs(settings: Settings) -> Blobs:
    """The home's blob store."""
    return Files(settings.folder / "blobs")


def data_plane_journal(settings: Settings) -> JournalWriter:
    """The process's own end of the prediction journal."""
    return FileJournalWriter(settings.folder / "journal", "predictions")


def scorers(blobs: Blobs) -> Callable[[str], Scorer]:
    """Artifact digest to its serving form."""
    return lambda artifact: package.load(artifact, blobs=blobs)


def lookups(home: Path, blobs: Blobs, cache: Path) -> Callable[[ServedVersion], Lookup | None]:
    """Version to what looks its features up, by the code that the version was made with; None where all inputs are plain."""

    def make(version: ServedVersion) -> Lookup | None:
        if not version.code:
            return None
        file = restore_code(version.code, cache / "code" / version.code.removeprefix("sha256:")[:16], blobs=blobs)
        loop = named(load(file), version.loop)
        return Lookup(
            scoped(loop, version.code),
            online=Lmdb(home / "online.lmdb", readonly=True),
            inputs=version.signature.inputs,
            fields=version.signature.features,
        )

    return make
