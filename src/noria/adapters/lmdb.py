"""Online features in LMDB: lock-free readers in any number of processes, one writer at a time."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Lock

import lmdb
import msgspec

from noria.core.errors import NotAllowed, Unavailable
from noria.core.traffic import Scalar
from noria.ports.online import OnlineRow

MAP_SIZE = 8 << 30
"""Ceiling of the store in bytes; the file is sparse, so an unused ceiling costs nothing."""

_TIME = struct.Struct(">q")
_KEY_LIMIT = 511
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(dict[str, Scalar]).decode

_environments: dict[Path, lmdb.Environment] = {}
_opening = Lock()


def _environment(folder: Path, map_size: int) -> lmdb.Environment:
    """The one environment of a folder in this process: LMDB allows no second."""
    place = folder.resolve()
    with _opening:
        if place not in _environments:
            place.mkdir(parents=True, exist_ok=True)
            opened = lmdb.open(str(place), map_size=map_size, sync=False, max_readers=512, max_spare_txns=8)
            opened.reader_check()
            _environments[place] = opened
        return _environments[place]


class Lmdb:
    """`Online` in one LMDB folder.

    Every process opens it for writing, so that whichever comes first makes it; `readonly` keeps
    an object from being written through. Not to be used across a fork.

    Raises:
        NotAllowed: a write through a read-only object.
        Unavailable: the store is full.
    """

    def __init__(self, folder: Path, *, map_size: int = MAP_SIZE, readonly: bool = False) -> None:
        self._folder = folder
        self._readonly = readonly
        self._env = _environment(folder, map_size)

    def write(self, view: str, rows: Iterable[tuple[str, OnlineRow]], *, watermark: str = "") -> int:
        """Keep rows that are not older than what is there, and the watermark, in one transaction; returns rows kept."""
        kept = 0
        with self._writing() as txn:
            for entity, row in rows:
                key = _key(view, entity)
                held = txn.get(key)
                if held is not None and _TIME.unpack_from(held)[0] > row.time_ms:
                    continue
                txn.put(key, _TIME.pack(row.time_ms) + _encode(row.values))
                kept += 1
            if watermark:
                txn.put(_watermark_key(view), watermark.encode())
        return kept

    def read(self, view: str, entities: Sequence[str]) -> list[OnlineRow | None]:
        """Newest rows in the order of `entities`; None where there is none."""
        with self._env.begin() as txn:
            held = [txn.get(_key(view, entity)) for entity in entities]
        return [None if value is None else OnlineRow(_TIME.unpack_from(value)[0], _decode(value[8:])) for value in held]

    def watermark(self, view: str) -> str:
        """What the last `write` said, or ""."""
        with self._env.begin() as txn:
            held = txn.get(_watermark_key(view))
        return "" if held is None else held.decode()

    def clear(self, view: str) -> None:
        """Forget a view."""
        prefix = view.encode() + b"\0"
        with self._writing() as txn:
            txn.delete(_watermark_key(view))
            cursor = txn.cursor()
            found = cursor.set_range(prefix)
            while found and bytes(cursor.key()).startswith(prefix):
                found = cursor.delete()

    def copy(self, prefix: str, into: Path) -> int:
        """Write the rows and watermarks of every view whose name begins so into a new folder; returns the number of rows."""
        start, rows = prefix.encode(), 0
        into.mkdir(parents=True, exist_ok=True)
        with self._env.begin() as txn, lmdb.open(str(into), map_size=MAP_SIZE) as fresh, fresh.begin(write=True) as writing:
            for begin in (start, _watermark_key(prefix)):
                cursor = txn.cursor()
                found = cursor.set_range(begin)
                while found and bytes(cursor.key()).startswith(begin):
                    writing.put(bytes(cursor.key()), bytes(cursor.value()))
                    rows += begin == start
                    found = cursor.next()
        return rows

    @contextmanager
    def _writing(self) -> Iterator[lmdb.Transaction]:
        if self._readonly:
            raise NotAllowed(f"the online store {self._folder} is open for reading only")
        try:
            with self._env.begin(write=True) as txn:
                yield txn
        except lmdb.MapFullError as error:
            raise Unavailable(f"the online store {self._folder} is full", fix="give it a larger map_size") from error


def _key(view: str, entity: str) -> bytes:
    key = f"{view}\0{entity}".encode()
    return key if len(key) <= _KEY_LIMIT else view.encode() + b"\0\0" + hashlib.sha256(key).digest()


def _watermark_key(view: str) -> bytes:
    return b"\0" + view.encode()
