"""The files of the prediction log: what was compacted from where is told by their names alone.

A part is `<start ms>-<end ms>-<rows>--<source>@<from>-<to>.parquet`: the time span and number of its
rows, and the bytes of the journal that they were read from. Part of a name that starts with
`pending-` was not committed yet.
"""

from __future__ import annotations

import contextlib
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

PENDING = "pending-"
PREDICTIONS, OUTCOMES, EXPLANATIONS = "predictions", "outcomes", "explanations"
TABLES = (PREDICTIONS, OUTCOMES, EXPLANATIONS)

LISTINGS = 5
"""How often parts are listed, at most, for one reading."""

_Read = TypeVar("_Read")

_NAME = re.compile(r"(pending-)?(-?\d+)-(-?\d+)-(\d+)--(.+)@(\d+)-(\d+)\.parquet")


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One Parquet file of a deployment's predictions, outcomes or explanations.

    Attributes:
        start_ms, end_ms: Event times of its first and last row.
        source: Names the journal file that the rows came from.
        begin, end: Byte offsets in it.
    """

    folder: Path
    start_ms: int
    end_ms: int
    rows: int
    source: str
    begin: int
    end: int
    pending: bool = False

    @property
    def path(self) -> Path:
        """Where it is."""
        start = PENDING if self.pending else ""
        return self.folder / f"{start}{self.start_ms}-{self.end_ms}-{self.rows}--{self.source}@{self.begin}-{self.end}.parquet"

    def covers(self, other: Part) -> bool:
        """Whether all that the other was compacted from is in this one as well."""
        return self.source == other.source and self.begin <= other.begin and other.end <= self.end and self.path != other.path


def relisted(read: Callable[[], _Read]) -> _Read:
    """What `read` makes of the parts that it lists; it begins again when some were merged away between listing and reading.

    Raises:
        FileNotFoundError: that happened `LISTINGS` times.
    """
    for _ in range(LISTINGS - 1):
        with contextlib.suppress(FileNotFoundError):
            return read()
    return read()


def parts(folder: Path) -> list[Part]:
    """The committed parts in a folder in the order of their time, without those that a merged one covers."""
    by_source: dict[str, list[Part]] = defaultdict(list)
    for part in listed(folder):
        if not part.pending:
            by_source[part.source].append(part)
    current = [part for held in by_source.values() for part in _outermost(held)]
    return sorted(current, key=lambda part: (part.start_ms, part.end_ms, part.source, part.begin))


def covered(folder: Path) -> list[Part]:
    """The committed parts that a merged one has made superfluous."""
    staying = {part.path for part in parts(folder)}
    return [part for part in listed(folder) if not part.pending and part.path not in staying]


def listed(folder: Path) -> Iterator[Part]:
    """Every part in a folder, pending and covered ones too."""
    if not folder.is_dir():
        return
    for entry in folder.iterdir():
        matched = _NAME.fullmatch(entry.name)
        if matched is not None:
            pending, start, end, rows, source, begin, to = matched.groups()
            yield Part(
                folder=folder,
                start_ms=int(start),
                end_ms=int(end),
                rows=int(rows),
                source=source,
                begin=int(begin),
                end=int(to),
                pending=pending is not None,
            )


def all_parts(log: Path) -> Iterator[Part]:
    """Every part of every deployment."""
    for table in TABLES:
        for folder in log.glob(f"*/{table}"):
            yield from listed(folder)


def compacted_to(found: Iterable[Part]) -> dict[str, int]:
    """Source to the byte offset up to which it lies in committed parts."""
    reached: dict[str, int] = {}
    for part in found:
        if not part.pending:
            reached[part.source] = max(reached.get(part.source, 0), part.end)
    return reached


def _outermost(held: list[Part]) -> Iterator[Part]:
    """Of one source's parts those that no other covers: by begin, the longest first, each must reach further."""
    reach = -1
    for part in sorted(held, key=lambda part: (part.begin, -part.end)):
        if part.end > reach:
            reach = part.end
            yield part
