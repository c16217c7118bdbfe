"""Which blobs are named by something: documents, tables, files of the home, and blobs that name others."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from noria.core.errors import BlobMissing
from noria.ledger.collecting.telling import Told
from noria.ledger.documents import SHELVES
from noria.ports.blobs import BlobStore
from noria.ports.records import Records
from noria.ports.sql import Sql

_NAMED = re.compile(rb"sha256:([0-9a-f]{64})")
_LONGEST = 71
_AT_ONCE = 1_000
_READERS = 8


def marked(
    records: Records,
    sql: Sql | None,
    blobs: BlobStore,
    files: Iterable[Path],
    *,
    leaving: frozenset[tuple[str, str]] = frozenset(),
    told: Told = lambda said, share: None,
) -> set[str]:
    """Every digest that is named, each as it is written (`sha256:…`).

    What is filed after this began may be missed: see `noria.ports.blobs.Collectable` for why nothing is lost by that.

    Args:
        files: Text files that name blobs.
        leaving: Project and folder of artifacts that are taken for deleted.
    """
    roots: set[str] = set()
    for n, shelf in enumerate(SHELVES.values()):
        told("reading documents", n / len(SHELVES))
        for body in _bodies(records, shelf.kind):
            roots.update(named_in(body))
    for file in files:
        try:
            roots.update(named_in(file.read_bytes()))
        except FileNotFoundError:
            continue
    found = roots | _within(roots, blobs, told)
    if sql is not None:
        told("reading artifacts", 1.0)
        found.update(_of_artifacts(sql, leaving))
    return found


def named_in(content: bytes) -> Iterator[str]:
    """The digests in a text."""
    return (f"sha256:{name.decode()}" for name in _NAMED.findall(content))


def _bodies(records: Records, kind: str) -> Iterator[bytes]:
    after = ""
    while some := records.find(kind, after=after, limit=_AT_ONCE):
        yield from (record.body for record in some)
        after = some[-1].key


def _of_artifacts(sql: Sql, leaving: frozenset[tuple[str, str]]) -> Iterator[str]:
    query = """SELECT project, folder, name, digest FROM noria_artifacts WHERE (project, folder, name) > (?, ?, ?)
        ORDER BY project, folder, name LIMIT ?"""
    after = ("", "", "")
    while rows := sql.read(query, (*after, _AT_ONCE)):
        for project, folder, _, digest in rows:
            parts = folder.split("/")
            if not leaving or not any((project, "/".join(parts[:n])) in leaving for n in range(1, len(parts) + 1)):
                yield digest
        after = rows[-1][:3]


def _within(roots: set[str], blobs: BlobStore, told: Told) -> set[str]:
    """What blobs name that are named: manifests their files, families their members, examinations their samples, and so on."""
    seen, new = set(roots), set(roots)
    with ThreadPoolExecutor(_READERS) as readers:
        while new:
            fresh: set[str] = set()
            for n, named in enumerate(readers.map(lambda digest: _named_by(digest, blobs), new)):
                told("reading what blobs name", n / len(new))
                fresh |= named
            new = fresh - seen
            seen |= new
    return seen - roots


def _named_by(digest: str, blobs: BlobStore) -> set[str]:
    """What a blob names; only JSON names anything."""
    try:
        if b"".join(blobs.pieces(digest, stop=1)) not in (b"{", b"["):
            return set()
        found: set[str] = set()
        rest = b""
        for piece in blobs.pieces(digest):
            text = rest + piece
            found.update(named_in(text))
            rest = text[-_LONGEST + 1 :]
        return found
    except BlobMissing:
        return set()
