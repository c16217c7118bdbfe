"""Copies of a file as it was, taken while others read and write it."""

from __future__ import annotations

import os
import re
import sqlite3
from contextlib import closing, suppress
from pathlib import Path

from noria.core.errors import Unavailable

KEPT = 3
"""Copies from before migrations; the oldest goes first."""

_NAME = re.compile(r"noria-(\d{4,})-before-.*\.db")


def before_migration(path: Path, why: str) -> Path:
    """Copy a file into `backups/` beside it and return where; nobody may write to it meanwhile.

    Args:
        why: What it is about to become, for the name.

    Raises:
        Unavailable: there is no room for it, or no right to.
    """
    folder = path.parent / "backups"
    there = _numbered(folder)
    number = (there[-1][0] if there else 0) + 1
    place = folder / f"noria-{number:04d}-before-{why}.db"
    copy(path, place)
    for _, old in _numbered(folder)[:-KEPT]:
        old.unlink(missing_ok=True)
    return place


def copy(path: Path, place: Path) -> None:
    """Copy a file as it is at one moment, whole or not at all, by SQLite's own backup; readers and writers go on.

    Raises:
        Unavailable: it cannot be read, or the copy not be written.
    """
    unfinished = place.with_name(f".{place.name}.{os.getpid()}.new")
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with (
            closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as source,
            closing(sqlite3.connect(unfinished)) as target,
        ):
            source.backup(target)
            target.execute("PRAGMA journal_mode = DELETE")
            (sound,) = target.execute("PRAGMA quick_check(1)").fetchone()
        if sound != "ok":
            raise Unavailable(f"the copy of {path} is damaged, and so may the file be: {sound}", fix="restore an earlier backup")
        with unfinished.open("rb") as written:
            os.fsync(written.fileno())
        unfinished.replace(place)
    except (OSError, sqlite3.Error) as error:
        raise Unavailable(f"{path} could not be copied to {place}: {error}", fix="make room there; nothing was changed") from error
    finally:
        with suppress(OSError):
            unfinished.unlink(missing_ok=True)


def _numbered(folder: Path) -> list[tuple[int, Path]]:
    return sorted((int(found[1]), file) for file in folder.glob("noria-*.db") if (found := _NAME.fullmatch(file.name)))
