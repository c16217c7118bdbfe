"""Read all documents of a kind, however many, page by page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from noria.ports.records import Record, Records

PAGE = 500


def every(records: Records, kind: str, where: Mapping[str, str]) -> Iterator[Record]:
    """Documents of a kind whose index has all of `where`, ordered by key."""
    after = ""
    while True:
        page = records.find(kind, where=where, limit=PAGE, after=after)
        yield from page
        if len(page) < PAGE:
            return
        after = page[-1].key
