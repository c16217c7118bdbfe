"""Keeps the code of a loop: its file and the local modules that it imports, as one blob."""

from __future__ import annotations

import io
import json
import shutil
import tempfile
import zipfile
from pathlib import Path, PurePosixPath

from noria.core.errors import Conflict, DataInvalid
from noria.packaging.sources import closure
from noria.ports.blobs import Blobs

VERSION = 1
CARD = "SNAPSHOT.json"
"""The member, and after restoring the file, that says what the snapshot is; written last, so its presence means all is there."""

_LONG_AGO = (1980, 1, 1, 0, 0, 0)


def snapshot_code(file: Path, *, blobs: Blobs) -> str:
    """Keep a loop file with every `.py` in its folder that it imports, directly or not; returns the digest.

    The same sources give the same digest, on any machine and at any time. Data and installed packages stay out.
    """
    folder = file.resolve().parent
    main = file.resolve()
    sources = {place.relative_to(folder).as_posix(): place.read_bytes() for place in closure(main, folder)}
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(sources):
            archive.writestr(_member(name), sources[name])
        archive.writestr(_member(CARD), json.dumps({"version": VERSION, "main": main.name}))
    return blobs.put(content.getvalue())


def restore_code(digest: str, into: Path, *, blobs: Blobs) -> Path:
    """Put a snapshot's files into the folder `into`, all or none, and return the path of the loop file.

    Idempotent, and safe when several processes restore at once.

    Raises:
        BlobMissing: the snapshot is not there.
        DataInvalid: the blob is no snapshot, or names a place outside `into`.
        Conflict: the folder holds something else.
    """
    there = _restored(digest, into)
    if there is not None:
        return there
    into.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=into.parent, prefix=f".{into.name}-") as folder:
        fresh = Path(folder) / "code"
        _unfold(digest, blobs.read(digest), fresh)
        try:
            fresh.rename(into)
        except OSError as error:
            there = _restored(digest, into)
            if there is None:
                raise Conflict(f"{into} holds something other than code snapshot {digest}", fix=f"remove {into}") from error
    there = _restored(digest, into)
    assert there is not None
    return there


def _restored(digest: str, into: Path) -> Path | None:
    try:
        card = json.loads((into / CARD).read_bytes())
    except (OSError, ValueError):
        return None
    return into / card["main"] if card.get("digest") == digest else None


def _unfold(digest: str, content: bytes, into: Path) -> None:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            card = json.loads(archive.read(CARD))
            names = [name for name in archive.namelist() if name != CARD]
            if card["version"] > VERSION:
                raise DataInvalid(
                    f"code snapshot {digest} has layout {card['version']}; this Noria reads up to {VERSION}", fix="upgrade Noria"
                )
            for name in [*names, card["main"]]:
                _inside(name, digest)
            for name in names:
                place = into / name
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_bytes(archive.read(name))
            if card["main"] not in names:
                raise DataInvalid(f"code snapshot {digest} lacks its own loop file")
    except (zipfile.BadZipFile, KeyError, TypeError, ValueError) as error:
        if isinstance(error, DataInvalid):
            raise
        shutil.rmtree(into, ignore_errors=True)
        raise DataInvalid(f"blob {digest} is no code snapshot: {error}") from error
    (into / CARD).write_text(json.dumps({**card, "digest": digest}))


def _inside(name: str, digest: str) -> None:
    parts = PurePosixPath(name).parts
    if not parts or name.startswith("/") or ".." in parts or "\\" in name or ":" in name:
        raise DataInvalid(f"code snapshot {digest} names a place outside its folder: {name[:100]!r}")


def _member(name: str) -> zipfile.ZipInfo:
    member = zipfile.ZipInfo(name, _LONG_AGO)
    member.external_attr = 0o644 << 16
    return member
