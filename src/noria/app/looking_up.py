"""Opens what looks a version's features up: the user's code and the online store, for versions that need them."""

from __future__ import annotations

from pathlib import Path

from noria.adapters.lmdb import Lmdb
from noria.core.traffic import ServedVersion
from noria.loop.source import load, named, scoped
from noria.ports.blobs import Blobs
from noria.stages.features.online import Lookup
from noria.stages.training.snapshot import restore_code


def open_lookup(version: ServedVersion, home: Path, blobs: Blobs, cache: Path) -> Lookup:
    """What looks a version's features up, by the code that it was made with."""
    file = restore_code(version.code, cache / "code" / version.code.removeprefix("sha256:")[:16], blobs=blobs)
    loop = named(load(file), version.loop)
    return Lookup(
        scoped(loop, version.code),
        online=Lmdb(home / "online.lmdb", readonly=True),
        inputs=version.signature.inputs,
        fields=version.signature.features,
    )
