"""Uploads in parts: each part is kept as it comes, and survives a restart; together they become one blob.

An upload is a folder of the store's room. All parts but the last have one size, so that each is written to its place in one
file; the last lies beside it until the upload is completed. What has come whole is noted in a small file per part.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex
from typing import Self

from noria.core.errors import NotFound, RequestInvalid
from noria.ports import wire
from noria.ports.blobs import CHUNK_BYTES, BlobStore

MOST_PARTS = 10_000
_ID_LENGTH = 32
_KNOWN_S = 3_600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """What is being uploaded.

    Attributes:
        parts: How many there are going to be.
    """

    id: str
    project: str
    path: str
    parts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A part that has come.

    Attributes:
        tag: SHA-256 of its bytes, hexadecimal.
    """

    number: int
    size_bytes: int
    tag: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Whole:
    """What the parts are together."""

    digest: str
    size_bytes: int


class Uploads:
    """The uploads of a store. Thread-safe; shared by the processes that share the store's room."""

    def __init__(self, blobs: BlobStore) -> None:
        self._blobs = blobs

    def begin(self, project: str, path: str, parts: int) -> Upload:
        """Begin an upload.

        Raises:
            RequestInvalid: there are too few or too many parts.
        """
        if not 1 <= parts <= MOST_PARTS:
            raise RequestInvalid(f"an upload has 1 to {MOST_PARTS:,} parts, not {parts}", fix="make the parts larger")
        upload = Upload(id=token_hex(_ID_LENGTH // 2), project=project, path=path, parts=parts)
        self._forget_finished()
        folder = self._folder(upload.id)
        (folder / "done").mkdir(parents=True)
        _write(folder / "upload.json", wire.dump(upload))
        return upload

    def find(self, id: str, project: str, *, finished: bool = False) -> Upload:
        """An upload that was begun, and neither finished nor let go.

        Args:
            finished: One that was finished within the last hour will do.

        Raises:
            NotFound: the project has none of that id.
        """
        if len(id) == _ID_LENGTH and id.isalnum() and id.isascii():
            try:
                upload = wire.load((self._folder(id) / "upload.json").read_bytes(), Upload)
            except FileNotFoundError:
                pass
            else:
                if upload.project == project and (finished or not (self._folder(id) / "finished.json").exists()):
                    return upload
        raise NotFound(f"No such upload: '{id[:100]}'", fix="begin it again")

    def write(self, upload: Upload, number: int, size_bytes: int) -> PartWriter:
        """Begin to write a part, maybe again.

        Raises:
            RequestInvalid: there is no such part, or it is not as large as the other ones.
        """
        if not 1 <= number <= upload.parts:
            raise RequestInvalid(f"the upload has parts 1 to {upload.parts}, not {number}")
        folder = self._folder(upload.id)
        last = number == upload.parts
        if not last and size_bytes != (first := _part_bytes(folder, size_bytes)):
            raise RequestInvalid(f"part {number} has {size_bytes} bytes, another one {first}", fix="only the last part may be shorter")
        return PartWriter(folder, number, size_bytes, last=last)

    def parts(self, upload: Upload) -> list[Part]:
        """The parts that have come whole, by number: whoever resumes sends the other ones."""
        noted = sorted((self._folder(upload.id) / "done").glob("[0-9]*[0-9]"))
        return [wire.load(note.read_bytes(), Part) for note in noted]

    def complete(self, upload: Upload, tags: Mapping[int, str]) -> Whole:
        """Make the parts one blob; asked again, also meanwhile or after a failure, it gives the same. `finish` comes after it.

        Args:
            tags: Number to the tag that its writer was told; "" is not looked at.

        Raises:
            RequestInvalid: a part has not come, or is another one.
        """
        folder = self._folder(upload.id)
        with _alone(folder):
            for known in (folder / "finished.json", folder / "whole.json"):
                if known.exists() and self._blobs.renew((whole := wire.load(known.read_bytes(), Whole)).digest):
                    return whole
            return self._put_together(upload, folder, tags)

    def _put_together(self, upload: Upload, folder: Path, tags: Mapping[int, str]) -> Whole:
        come = {part.number: part for part in self.parts(upload)}
        for number in range(1, upload.parts + 1):
            if number not in come:
                raise RequestInvalid(f"part {number} of {upload.parts} has not come", fix="send it, then complete again")
            if tags.get(number) and tags[number] != come[number].tag:
                raise RequestInvalid(f"part {number} has the tag {come[number].tag}, not {tags[number][:100]}", fix="send it again")
        file = _joined(folder, come[upload.parts], (upload.parts - 1) * come[1].size_bytes)
        with file.open("rb") as content:
            digest = f"sha256:{hashlib.file_digest(content, 'sha256').hexdigest()}"
        whole = Whole(digest=digest, size_bytes=file.stat().st_size)
        _write(folder / "whole.json", wire.dump(whole))
        self._blobs.adopt(file, digest)
        return whole

    def finish(self, upload: Upload, whole: Whole) -> None:
        """Let the parts go; for an hour it is known what they became, for callers whose answer was lost."""
        folder = self._folder(upload.id)
        _write(folder / "finished.json", wire.dump(whole))
        for name in ("body", "last", "part-bytes", "whole.json"):
            (folder / name).unlink(missing_ok=True)
        shutil.rmtree(folder / "done", ignore_errors=True)

    def discard(self, upload: Upload) -> None:
        """Let an upload go."""
        shutil.rmtree(self._folder(upload.id), ignore_errors=True)

    def _forget_finished(self) -> None:
        for note in self._blobs.room.glob("upload-*/finished.json"):
            with suppress(FileNotFoundError):
                if note.stat().st_mtime < time.time() - _KNOWN_S:
                    shutil.rmtree(note.parent, ignore_errors=True)

    def _folder(self, id: str) -> Path:
        return self._blobs.room / f"upload-{id}"


class PartWriter:
    """Writes one part; used by one thread at a time. What is not kept counts as not come."""

    def __init__(self, folder: Path, number: int, size_bytes: int, *, last: bool) -> None:
        self._note = folder / "done" / f"{number:05}"
        self._note.unlink(missing_ok=True)
        self._number = number
        self._at = self._start = 0 if last else (number - 1) * size_bytes
        self._end = self._start + size_bytes
        self._hash = hashlib.sha256()
        self._file = os.open(folder / ("last" if last else "body"), os.O_WRONLY | os.O_CREAT, 0o644)
        if last:
            os.ftruncate(self._file, size_bytes)

    def write(self, piece: bytes) -> None:
        """Add a piece.

        Raises:
            RequestInvalid: more comes than was said.
        """
        if self._at + len(piece) > self._end:
            raise RequestInvalid(f"more came of part {self._number} than its Content-Length says")
        self._hash.update(piece)
        rest = memoryview(piece)
        while rest:
            written = os.pwrite(self._file, rest, self._at)
            self._at += written
            rest = rest[written:]

    def keep(self, *, expect: str = "") -> Part:
        """Note that it has come. Durable on return.

        Raises:
            RequestInvalid: it is shorter than was said, or has not the digest that was said.
        """
        if self._at != self._end:
            raise RequestInvalid(f"{self._at - self._start} bytes came of part {self._number}, not {self._end - self._start}")
        tag = self._hash.hexdigest()
        if expect and expect != f"sha256:{tag}":
            raise RequestInvalid(f"part {self._number} came with the digest sha256:{tag}, not {expect[:100]}", fix="send it again")
        os.fdatasync(self._file)
        part = Part(number=self._number, size_bytes=self._end - self._start, tag=tag)
        _write(self._note, wire.dump(part))
        return part

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._file)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One process and thread at a time."""
    handle = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _part_bytes(folder: Path, size_bytes: int) -> int:
    """The size of all parts but the last: whichever comes first says it."""
    said = folder / "part-bytes"
    fresh = folder / f"part-bytes.{token_hex(4)}"
    if not said.exists():
        fresh.write_text(str(size_bytes))
        try:
            os.link(fresh, said)
        except FileExistsError:
            pass
        finally:
            fresh.unlink()
    return int(said.read_text())


def _joined(folder: Path, last: Part, at: int) -> Path:
    """All parts in one file; doing it twice is doing it once."""
    if at == 0:
        return folder / "last"
    body = folder / "body"
    with (folder / "last").open("rb") as source:
        handle = os.open(body, os.O_WRONLY)
        try:
            for start in range(at, at + last.size_bytes, CHUNK_BYTES):
                os.pwrite(handle, source.read(CHUNK_BYTES), start)
            os.ftruncate(handle, at + last.size_bytes)
        finally:
            os.close(handle)
    return body


def _write(file: Path, content: bytes) -> None:
    """Whole or not at all."""
    fresh = file.with_name(f"{file.name}.{token_hex(4)}")
    with fresh.open("wb") as out:
        out.write(content)
        out.flush()
        os.fsync(out.fileno())
    fresh.replace(file)
