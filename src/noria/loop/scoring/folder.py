"""The output of batch scoring: finished parts under a record that is written last, so that a killed run is gone on with."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from noria.core.errors import ArtifactRejected, Conflict, DataInvalid, NotAllowed
from noria.core.scoring import Scored, ScoredPart
from noria.ports import wire

RECORD = "score.json"
_GROUP_ROWS = 1 << 18
_ANSWER_SUFFIXES = (".parquet", ".pq")


class Output:
    """A folder of parts. For one thread; `opened` keeps other processes out.

    A path that ends in .parquet is one file: its parts are collected beside it, and joined at the end.
    """

    def __init__(self, out: Path) -> None:
        self.single = out.suffix.lower() in _ANSWER_SUFFIXES
        self.out = out
        self.folder = out.with_name(out.name + ".parts") if self.single else out
        self.record_file = out.with_name(out.name + ".score.json") if self.single else out / RECORD

    @contextlib.contextmanager
    def opened(self) -> Iterator[None]:
        """Be the only one who writes here.

        Raises:
            Conflict: another process does.
            NotAllowed: there is a folder of that name with other things in it, or a file.
        """
        if self.out.exists() and self.out.is_dir() == self.single:
            raise NotAllowed(f"{self.out} is there already and is no {'file' if self.single else 'folder'}", fix="name another place")
        if self.folder.is_dir() and not self.record_file.exists() and any(_foreign(self.folder)):
            raise NotAllowed(f"{self.folder} holds other files", fix="name a folder that is empty or not there yet")
        self.folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(self.folder / ".lock", os.O_CREAT | os.O_RDWR)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(lock)
            raise Conflict(f"another process is scoring into {self.out}", fix="wait for it, or name another place") from error
        try:
            yield
        finally:
            os.close(lock)

    def begun(self, wanted: Scored) -> Scored:
        """The record to go on with: the one that is there if it is of the same version and the same inputs, else a new one.

        Parts of another record, and parts that are damaged, are removed with all that came after them.
        """
        found = self._read()
        if found is None or replace(found, parts=(), complete=False, rows=0, bad=0, seconds=0.0, threads=0) != wanted:
            self._clear(())
            self.keep(wanted)
            return wanted
        if found.complete and (not self.single or self.out.is_file()):
            return found
        whole: list[ScoredPart] = []
        for part in found.parts:
            if not self._is_whole(part):
                break
            whole.append(part)
        self._clear(whole)
        kept = replace(found, parts=tuple(whole), complete=False, rows=_answered(whole), bad=sum(part.bad for part in whole))
        self.keep(kept)
        return kept

    def keep(self, record: Scored) -> None:
        """Write the record, whole or not at all."""
        unfinished = self.record_file.with_name(self.record_file.name + ".new")
        with unfinished.open("wb") as out:
            out.write(wire.dump(record))
            out.flush()
            os.fsync(out.fileno())
        unfinished.replace(self.record_file)

    def part(self, number: int, input: int, start: int) -> PartWriter:
        """A writer of the next part."""
        return PartWriter(self.folder, number, input, start)

    def finish(self, record: Scored) -> None:
        """Join the parts, where one file was wanted."""
        if not self.single:
            return
        unfinished = self.out.with_name(self.out.name + ".new")
        writer: pq.ParquetWriter | None = None
        for part in record.parts:
            if not part.file:
                continue
            with pq.ParquetFile(self.folder / part.file) as opened:
                for group in range(opened.num_row_groups):
                    table = opened.read_row_group(group)
                    writer = writer or _writer(unfinished, table.schema)
                    writer.write_table(_like(table, writer.schema))
        if writer is None:
            unfinished.unlink(missing_ok=True)
        else:
            writer.close()
            unfinished.replace(self.out)
        aside = [self.folder / part.quarantine for part in record.parts if part.quarantine]
        if aside:
            self.out.with_name(self.out.name + ".quarantine.jsonl").write_bytes(b"".join(file.read_bytes() for file in aside))

    def tidy(self) -> None:
        """Remove the parts that were joined."""
        if self.single:
            self._clear(())
            (self.folder / ".lock").unlink(missing_ok=True)
            with contextlib.suppress(OSError):
                self.folder.rmdir()

    def _read(self) -> Scored | None:
        try:
            return wire.load(self.record_file.read_bytes(), Scored)
        except (FileNotFoundError, ArtifactRejected, ValueError):
            return None

    def _is_whole(self, part: ScoredPart) -> bool:
        file = self.folder / part.file
        return (not part.file or (file.is_file() and digest_of_file(file) == part.digest)) and (
            not part.quarantine or (self.folder / part.quarantine).is_file()
        )

    def _clear(self, but: Sequence[ScoredPart]) -> None:
        kept = {name for part in but for name in (part.file, part.quarantine)}
        for pattern in ("part-*.parquet*", "quarantine-*.jsonl*"):
            for file in self.folder.glob(pattern):
                if file.name not in kept:
                    file.unlink()


class PartWriter:
    """Writes one part; nothing is there under its name until it is finished."""

    def __init__(self, folder: Path, number: int, input: int, start: int) -> None:
        self._folder, self._input, self._start = folder, input, start
        self._name, self._aside = f"part-{number:05d}.parquet", f"quarantine-{number:05d}.jsonl"
        self._writer: pq.ParquetWriter | None = None
        self._waiting: list[pa.Table] = []
        self._bad: list[bytes] = []
        self.rows = self.answered = self.bad = 0

    def add(self, table: pa.Table, bad: Sequence[tuple[int, str, str]], rows: int, path: str) -> None:
        """Take what became of the next rows."""
        self.rows += rows
        self.answered += table.num_rows
        self.bad += len(bad)
        self._bad += [orjson.dumps({"file": path, "row": row, "key": key, "reason": reason}) + b"\n" for row, key, reason in bad]
        if table.num_rows:
            self._waiting.append(table)
            if sum(one.num_rows for one in self._waiting) >= _GROUP_ROWS:
                self._flush()

    def finish(self) -> ScoredPart:
        """The finished part."""
        self._flush()
        digest = ""
        if self._writer is not None:
            self._writer.close()
            digest = digest_of_file(self._folder / f"{self._name}.new")
            (self._folder / f"{self._name}.new").replace(self._folder / self._name)
        if self._bad:
            (self._folder / self._aside).write_bytes(b"".join(self._bad))
        return ScoredPart(
            input=self._input,
            start=self._start,
            rows=self.rows,
            bad=self.bad,
            file=self._name if digest else "",
            digest=digest,
            quarantine=self._aside if self._bad else "",
        )

    def drop(self) -> None:
        """Leave nothing."""
        if self._writer is not None:
            self._writer.close()
            (self._folder / f"{self._name}.new").unlink(missing_ok=True)

    def _flush(self) -> None:
        if not self._waiting:
            return
        table = pa.concat_tables(self._waiting, promote_options="none")
        self._waiting = []
        if self._writer is None:
            self._writer = _writer(self._folder / f"{self._name}.new", table.schema)
        self._writer.write_table(_like(table, self._writer.schema))


def digest_of_file(file: Path) -> str:
    """The digest of a file's bytes, as digests are written."""
    with file.open("rb") as opened:
        return f"sha256:{hashlib.file_digest(opened, 'sha256').hexdigest()}"


def _writer(file: Path, schema: pa.Schema) -> pq.ParquetWriter:
    return pq.ParquetWriter(file, schema, compression="zstd", compression_level=1, use_dictionary=["label", "version"])


def _like(table: pa.Table, schema: pa.Schema) -> pa.Table:
    if table.schema.equals(schema):
        return table
    try:
        return table.cast(schema)
    except (pa.ArrowException, ValueError) as error:
        raise DataInvalid(f"the input's files have keys or times of different types: {error}", fix="score them one by one") from error


def _answered(parts: Sequence[ScoredPart]) -> int:
    return sum(part.rows - part.bad for part in parts)


def _foreign(folder: Path) -> Iterator[Path]:
    """Files that batch scoring did not leave."""
    own = ("part-", "quarantine-", ".lock", RECORD)
    return (file for file in folder.iterdir() if not file.name.startswith(own))
