"""Accepted requests and finished answers as files: what was acknowledged is there after a power cut.

`<id>.asked` waits or is under way (whoever computes it holds the file's lock, so a process that dies lets go of it),
`<id>.answer` is finished, `<id>.read` was fetched at least once. Each is a line of JSON and a body.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import msgspec

from noria.core.errors import Unavailable
from noria.core.ids import moment_of
from noria.core.traffic import Role
from noria.dataplane.exchange import Refused
from noria.stages.serving.whole_files import sync_folder, write_whole

ASKED, ANSWER, READ = ".asked", ".answer", ".read"

_ID = re.compile(r"ans_[0-9a-z]{20,60}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """How much is kept.

    Attributes:
        count: Requests and answers together.
        size_bytes: Of all their files.
        age_ms: An answer is thrown away this long after its request was accepted, and so is a request that nobody could answer.
    """

    count: int = 10_000
    size_bytes: int = 1 << 30
    age_ms: int = 24 * 3_600_000


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What was accepted, without its body.

    Attributes:
        rows: None for a single row.
        version, role: Which version shall answer, if the caller named one.
    """

    deployment: str
    rows: int | None = None
    version: int | None = None
    role: Role | None = None


class Finished(msgspec.Struct, frozen=True, kw_only=True):
    """How it ended: the status and the body that the waiting form would have given."""

    status: int
    body: bytes


class _Head(msgspec.Struct, frozen=True):
    status: int


class Claimed:
    """A request that this process computes, until `release` or the process's end.

    Attributes:
        body: As it was sent.
    """

    def __init__(self, id: str, held: BinaryIO) -> None:
        self.id = id
        self._held = held
        head, _, self.body = held.read().partition(b"\n")
        self.asked = msgspec.json.decode(head, type=Asked)

    @property
    def cancelled(self) -> bool:
        """Whether nobody wants the answer any more."""
        return os.fstat(self._held.fileno()).st_nlink == 0

    def release(self) -> None:
        """Let others compute what is not finished."""
        self._held.close()


class AnswerFiles:
    """The folder of one data plane; its processes share it. All methods block, and may be called from any thread."""

    def __init__(self, folder: Path, *, bounds: Bounds | None = None) -> None:
        self._folder = folder
        self.bounds = bounds or Bounds()
        folder.mkdir(parents=True, exist_ok=True)

    def accept(self, id: str, asked: Asked, body: bytes) -> None:
        """Keep a request; it survives a power cut when this returns.

        Raises:
            Refused: as much is kept as may be; `DELETE` frees what was fetched.
            Unavailable: the disk does not take it.
        """
        self._make_room(len(body))
        try:
            write_whole(self._folder / f"{id}{ASKED}", msgspec.json.encode(asked) + b"\n" + body)
        except OSError as error:
            raise Unavailable(f"the request cannot be kept: {error}", fix="ask again later, or wait for the answer") from error

    def claim(self) -> Claimed | None:
        """The oldest request that no living process computes; None when there is none."""
        for name in sorted(self._names(ASKED)):
            try:
                held = (self._folder / f"{name}{ASKED}").open("rb")
            except FileNotFoundError:
                continue
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                held.close()
                continue
            if os.fstat(held.fileno()).st_nlink == 0:
                held.close()
                continue
            if self._finished_before(name):
                held.close()
                continue
            return Claimed(name, held)
        return None

    def finish(self, id: str, finished: Finished) -> None:
        """Keep an answer in its request's place; one that was cancelled in the meantime is thrown away.

        Raises:
            OSError: the disk does not take it; the request stays.
        """
        head = msgspec.json.encode(_Head(finished.status))
        write_whole(self._folder / f"{id}{ANSWER}", head + b"\n" + finished.body)
        try:
            (self._folder / f"{id}{ASKED}").unlink()
        except FileNotFoundError:
            self.remove(id)

    def find(self, id: str) -> Asked | Finished | None:
        """Where a request stands: not answered yet, answered, or unknown (never accepted, expired or cancelled)."""
        if not _ID.fullmatch(id):
            return None
        for suffix in (ANSWER, READ, ASKED, ANSWER):
            try:
                with (self._folder / f"{id}{suffix}").open("rb") as held:
                    head = held.readline()
                    if suffix == ASKED:
                        return msgspec.json.decode(head, type=Asked)
                    body = held.read()
            except FileNotFoundError:
                continue
            if suffix == ANSWER:
                self._mark_read(id)
            return Finished(status=msgspec.json.decode(head, type=_Head).status, body=body)
        return None

    def remove(self, id: str) -> bool:
        """Cancel a request or throw an answer away; whether there was one."""
        if not _ID.fullmatch(id):
            return False
        gone = [self._unlink(f"{id}{suffix}") for suffix in (ASKED, ANSWER, READ)]
        if any(gone):
            sync_folder(self._folder)
        return any(gone)

    def tidy(self, now_ms: int) -> None:
        """Throw away what is too old."""
        for file in list(self._folder.iterdir()):
            name = file.name
            id = name.removeprefix(".").partition(".")[0]
            if _ID.fullmatch(id) and now_ms - moment_of(id) > self.bounds.age_ms:
                self._unlink(name)

    def _make_room(self, coming_bytes: int) -> None:
        """Fetched answers go first, the oldest of them before others.

        Raises:
            Refused: there is no room without them.
        """
        entries = list(self._sizes())
        count, size = len(entries) + 1, sum(held for _, held in entries) + coming_bytes
        for name, held in sorted(entries):
            if count <= self.bounds.count and size <= self.bounds.size_bytes:
                return
            if name.endswith(READ) and self._unlink(name):
                count, size = count - 1, size - held
        if count > self.bounds.count or size > self.bounds.size_bytes:
            raise Refused(
                "too-many-requests", "as many answers wait to be fetched as are kept", fix="fetch them, or DELETE them; then ask again"
            )

    def _finished_before(self, id: str) -> bool:
        """Whether its answer is there, and the process died before the request went."""
        if not (self._folder / f"{id}{ANSWER}").exists():
            return False
        self._unlink(f"{id}{ASKED}")
        return True

    def _mark_read(self, id: str) -> None:
        try:
            (self._folder / f"{id}{ANSWER}").rename(self._folder / f"{id}{READ}")
        except FileNotFoundError:
            return

    def _unlink(self, name: str) -> bool:
        try:
            (self._folder / name).unlink()
        except FileNotFoundError:
            return False
        return True

    def _names(self, suffix: str) -> Iterator[str]:
        return (name.removesuffix(suffix) for name in [file.name for file in self._folder.iterdir()] if name.endswith(suffix))

    def _sizes(self) -> Iterator[tuple[str, int]]:
        for entry in os.scandir(self._folder):
            with contextlib.suppress(FileNotFoundError):
                if not entry.name.startswith("."):
                    yield entry.name, entry.stat().st_size
