"""The index of artifacts: put, found, listed and deleted by path. Who puts has put the blob, or renewed it, first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from noria.core.errors import NotFound, RequestInvalid
from noria.ledger.artifacts.paths import file_path, joined, safe
from noria.ports.sql import Sql, Tx

_AT_ONCE = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """A file.

    Attributes:
        path: Below the project's root.
    """

    path: str
    digest: str
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What a folder holds.

    Attributes:
        name: Within the folder.
        size_bytes: None of a folder.
    """

    name: str
    size_bytes: int | None

    @property
    def is_folder(self) -> bool:
        """Whether it is a folder."""
        return self.size_bytes is None


def put(tx: Tx, project: str, artifact: Artifact, *, now_ms: int) -> None:
    """Let a path name this content, whatever it named before.

    Raises:
        RequestInvalid: the path is not allowed, is a folder, or leads through a file.
    """
    folder, name = file_path(artifact.path)
    if tx.run(f"SELECT 1 FROM noria_artifacts WHERE project = ? AND {_BELOW} LIMIT 1", (project, *_below(safe(artifact.path)))):
        raise RequestInvalid(f"{artifact.path!r} is a folder")
    above = folder
    while above:
        upper, _, last = above.rpartition("/")
        if tx.run("SELECT 1 FROM noria_artifacts WHERE project = ? AND folder = ? AND name = ?", (project, upper, last)):
            raise RequestInvalid(f"{above!r} is a file, so that nothing can lie below it")
        above = upper
    tx.run(
        """INSERT INTO noria_artifacts VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (project, folder, name)
        DO UPDATE SET digest = excluded.digest, size_bytes = excluded.size_bytes, put_ms = excluded.put_ms""",
        (project, folder, name, artifact.digest, artifact.size_bytes, now_ms),
    )


def find(sql: Sql, project: str, path: str) -> Artifact:
    """One file.

    Raises:
        NotFound: there is none under that path.
        RequestInvalid: the path is not allowed.
    """
    folder, name = file_path(path)
    rows = sql.read("SELECT digest, size_bytes FROM noria_artifacts WHERE project = ? AND folder = ? AND name = ?", (project, folder, name))
    if not rows:
        raise NotFound(f"No such artifact: '{path[:300]}'", fix="list the folder that it should be in")
    return Artifact(path=safe(path), digest=rows[0][0], size_bytes=rows[0][1])


def listed(sql: Sql, project: str, folder: str) -> list[Entry]:
    """What lies directly in a folder, by name; nothing where there is no such folder.

    Raises:
        RequestInvalid: the path is not allowed.
    """
    folder = safe(folder)
    query = "SELECT name, size_bytes FROM noria_artifacts WHERE project = ? AND folder = ?"
    files = [Entry(name=name, size_bytes=size) for name, size in sql.read(query, (project, folder))]
    return sorted([*files, *(Entry(name=name, size_bytes=None) for name in _folders(sql, project, folder))], key=lambda entry: entry.name)


def tree(sql: Sql, project: str, folder: str) -> list[Artifact]:
    """All files of a folder and of those below it, by path."""
    folder = safe(folder)
    query = f"SELECT folder, name, digest, size_bytes FROM noria_artifacts WHERE project = ? AND {_BELOW} ORDER BY folder, name"
    rows = sql.read(query, (project, *(_below(folder) if folder else ("", "", _LAST))))
    return [Artifact(path=joined(place, name), digest=digest, size_bytes=size) for place, name, digest, size in rows]


def delete(tx: Tx, project: str, path: str) -> int:
    """Delete a file, or a folder with all that is below it; how many files went. Their blobs go with the next collection.

    Raises:
        RequestInvalid: the path is not allowed, or is the root of all.
    """
    path = safe(path)
    if not path:
        raise RequestInvalid("Invalid path: all artifacts of a project are not deleted at once")
    folder, _, name = path.rpartition("/")
    return len(
        tx.run(
            f"DELETE FROM noria_artifacts WHERE project = ? AND ((folder = ? AND name = ?) OR {_BELOW}) RETURNING name",
            (project, folder, name, *_below(path)),
        )
    )


def _folders(sql: Sql, project: str, folder: str) -> Sequence[str]:
    """The folders directly below one. Each read takes up to a thousand folders at any depth; what is below the last found is leapt over."""
    start = len(folder) + 1 if folder else 0
    after, end = (folder + "/", folder + "0") if folder else ("", _LAST)
    found: list[str] = []
    while True:
        rows = sql.read(
            "SELECT DISTINCT folder FROM noria_artifacts WHERE project = ? AND folder > ? AND folder < ? ORDER BY folder LIMIT ?",
            (project, after, end, _AT_ONCE),
        )
        found += dict.fromkeys(place[start:].partition("/")[0] for (place,) in rows)
        if len(rows) < _AT_ONCE:
            return sorted(set(found))
        after = joined(folder, found[-1]) + "/" + _LAST


_LAST = "\U0010ffff"
_BELOW = "(folder = ? OR (folder > ? AND folder < ?))"
"""A folder and those below it; "0" follows "/" in the order of characters."""


def _below(folder: str) -> tuple[str, str, str]:
    return folder, folder + "/", folder + "0"
