"""Files of a run that wait for the server: a copy in the run's folder, and beside it what it is to be called."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from noria.client.kept import FILES

_DATA, _NOTE = ".data", ".json"


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingFile:
    """One file that the server does not have yet.

    Attributes:
        content: The copy.
        note: The note that says so.
        path: Its path among the run's files.
    """

    content: Path
    note: Path
    path: str

    def forget(self) -> None:
        """Remove the copy and its note: the server has it."""
        self.note.unlink(missing_ok=True)
        self.content.unlink(missing_ok=True)


def keep_file(folder: Path, source: Path, path: str) -> None:
    """Copy a file, as it is now, to the run's folder.

    Raises:
        OSError: it cannot be read, or the disk takes no copy.
    """
    content = _new(folder)
    try:
        shutil.copyfile(source, content)
        _note(content, path)
    except BaseException:
        content.unlink(missing_ok=True)
        raise


def keep_bytes(folder: Path, content: bytes, path: str) -> None:
    """Keep bytes as a file of the run.

    Raises:
        OSError: the disk does not take them.
    """
    kept = _new(folder)
    try:
        kept.write_bytes(content)
        _note(kept, path)
    except BaseException:
        kept.unlink(missing_ok=True)
        raise


def waiting_in(folder: Path) -> Iterator[WaitingFile]:
    """The files that wait in a run's folder, in the order in which they came."""
    for note in sorted((folder / FILES).glob(f"*{_NOTE}")):
        try:
            path = str(json.loads(note.read_bytes())["path"])
        except (OSError, ValueError, KeyError):
            continue
        yield WaitingFile(content=note.with_suffix(_DATA), note=note, path=path)


def inside(path: str) -> str:
    """A path as it stands among a run's files: relative, with slashes, nowhere above.

    >>> inside("./plots/roc.png")
    'plots/roc.png'

    Raises:
        ValueError: it leads out, or names nothing.
    """
    parts = [part for part in PurePosixPath(path.replace("\\", "/")).parts if part != "."]
    if not parts or parts[0].startswith("/") or ".." in parts:
        raise ValueError(f"{path!r} is no path among a run's files")
    return "/".join(parts)


def _new(folder: Path) -> Path:
    (folder / FILES).mkdir(parents=True, exist_ok=True)
    name = f"{time.time_ns():020d}-{os.urandom(6).hex()}"
    return folder / FILES / (name + _DATA)


def _note(content: Path, path: str) -> None:
    unfinished = content.with_suffix(".new")
    unfinished.write_text(json.dumps({"path": path}))
    unfinished.replace(content.with_suffix(_NOTE))
