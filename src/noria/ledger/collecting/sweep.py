"""One collection: purge what was deleted long ago, mark what is named, and delete what is neither named nor young."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from noria.core.errors import NoriaError
from noria.ledger.collecting.kinds import kind_of
from noria.ledger.collecting.marks import marked
from noria.ledger.collecting.purging import Doomed, Purged, purge, to_purge
from noria.ledger.collecting.telling import Told
from noria.ports.blobs import BlobStore, Held
from noria.ports.records import Records
from noria.ports.sql import Sql

GRACE = timedelta(days=1)
"""A blob that was put or renewed since stays: whoever put it may not have filed yet what names it."""

BROKEN = "broken uploads"
DELETED = "artifacts of what was deleted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Freed:
    """How much of one kind."""

    kind: str
    blobs: int
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Collected:
    """What a collection deleted, or would.

    Attributes:
        dry: Whether nothing was deleted.
        kept_blobs: Named ones.
        young_blobs: Not named, but put too lately to be sure.
        failed: Deletions that did not work, by what was said; the next collection tries them again.
    """

    dry: bool
    blobs: int
    size_bytes: int
    kinds: tuple[Freed, ...]
    kept_blobs: int
    kept_bytes: int
    young_blobs: int
    young_bytes: int
    purged: Purged = field(default_factory=Purged)
    failed: tuple[str, ...] = ()


def collect(
    records: Records,
    sql: Sql | None,
    blobs: BlobStore,
    *,
    files: Iterable[Path],
    now: datetime,
    grace: timedelta = GRACE,
    older_than: timedelta | None = None,
    dry: bool = False,
    told: Told = lambda said, share: None,
) -> Collected:
    """Collect garbage. Safe while others write, and after a collection that was killed: it only goes on.

    Args:
        sql: The tables of runs and artifacts; None where there are none.
        files: Text files beside the records that name blobs.
        now: Wall time.
        older_than: Also purge runs and experiments that were deleted longer ago than this.
        dry: Only tell.
    """
    cutoff = now - grace
    doomed = to_purge(sql, now - older_than) if sql is not None and older_than is not None else Doomed(before_ms=0)
    if sql is not None and not dry:
        purge(sql, doomed, told=told)
    named = marked(records, sql, blobs, files, leaving=doomed.folders if dry else frozenset(), told=told)
    told("looking at blobs", 0.0)
    held = list(blobs.held())
    old = [one for one in held if one.digest not in named and one.put_at < cutoff]
    young = [one for one in held if one.digest not in named and one.put_at >= cutoff]
    gone, failed = _swept(old, blobs, cutoff, doomed.digests, dry=dry, told=told)
    freed = [*gone, *_broken(blobs.room, cutoff, dry=dry)]
    kept = [one for one in held if one.digest in named]
    return Collected(
        dry=dry,
        blobs=len(freed),
        size_bytes=sum(size for _, size in freed),
        kinds=_by_kind(freed),
        kept_blobs=len(kept),
        kept_bytes=sum(one.size_bytes for one in kept),
        young_blobs=len(young),
        young_bytes=sum(one.size_bytes for one in young),
        purged=doomed.purged,
        failed=failed,
    )


def _swept(
    old: list[Held], blobs: BlobStore, cutoff: datetime, of_purged: frozenset[str], *, dry: bool, told: Told
) -> tuple[list[tuple[str, int]], tuple[str, ...]]:
    gone: list[tuple[str, int]] = []
    failed: list[str] = []
    for n, one in enumerate(old):
        told("looking closer" if dry else "deleting", n / len(old))
        kind = DELETED if one.digest in of_purged else kind_of(one.digest, blobs)
        try:
            if dry or blobs.delete(one.digest, before=cutoff):
                gone.append((kind, one.size_bytes))
        except (NoriaError, OSError) as error:
            failed.append(f"{one.digest}: {error}"[:300])
    return gone, tuple(failed)


def _broken(room: Path, cutoff: datetime, *, dry: bool) -> Iterator[tuple[str, int]]:
    """What uploads that were broken off left in the room."""
    for place in room.glob("*"):
        try:
            inside = [place, *place.rglob("*")]
            if max(datetime.fromtimestamp(one.stat().st_mtime, UTC) for one in inside) >= cutoff:
                continue
            size = sum(one.stat().st_size for one in inside if one.is_file())
            if not dry:
                shutil.rmtree(place) if place.is_dir() else place.unlink()
        except FileNotFoundError:
            continue
        yield BROKEN, size


def _by_kind(freed: list[tuple[str, int]]) -> tuple[Freed, ...]:
    blobs, sizes = Counter(kind for kind, _ in freed), Counter[str]()
    for kind, size in freed:
        sizes[kind] += size
    return tuple(Freed(kind=kind, blobs=blobs[kind], size_bytes=size) for kind, size in sizes.most_common())
