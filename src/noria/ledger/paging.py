"""Reads all documents of a class, however many, page by page."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeVar

from noria.ledger.documents import SHELVES
from noria.ports import wire
from noria.ports.records import Records

T = TypeVar("T")
PAGE = 500


def every(records: Records, kind_class: type[T], **where: str) -> Iterator[T]:
    """Values whose index has all of `where`, ordered by key."""
    after = ""
    while True:
        page = records.find(SHELVES[kind_class].kind, where=where, limit=PAGE, after=after)
        yield from (wire.load(record.body, kind_class) for record in page)
        if len(page) < PAGE:
            return
        after = page[-1].key
