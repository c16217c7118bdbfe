"""The file journal keeps the journal's promises, and survives torn, cut and spoilt files."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from noria.adapters import journal_files
from noria.adapters.journal_files import MAGIC, FileJournalReader, FileJournalWriter
from noria.core.frames import framed
from noria.ports.journal import JournalReader, JournalWriter
from noria.testing.journal import JournalContract, frames_of


class TestFileJournal(JournalContract):
    def writer(self, folder: Path, name: str) -> JournalWriter:
        return FileJournalWriter(folder, name)

    def reader(self, folder: Path) -> JournalReader:
        return FileJournalReader(folder)


class TestFileJournalThatRollsAtEveryBlock(TestFileJournal):
    def writer(self, folder: Path, name: str) -> JournalWriter:
        return FileJournalWriter(folder, name, roll_bytes=1)

    def test_a_source_that_a_writer_holds_is_not_forgotten(self, tmp_path: Path) -> None:
        writer, reader = self.writer(tmp_path, "plane"), self.reader(tmp_path)
        writer.append([b"first"])
        writer.append([b"second"])
        writer.sync()
        for chunk in list(reader.read({})):
            reader.forget(chunk.source)
        assert frames_of(self.reader(tmp_path), {}) == [b"second"]
        writer.close()

    def test_a_chunk_has_at_most_the_asked_number_of_frames(self, tmp_path: Path) -> None:
        writer = self.writer(tmp_path, "plane")
        for _ in range(3):
            writer.append([b"x"] * 2)
        assert [len(chunk.frames) for chunk in self.reader(tmp_path).read({}, limit=3)] == [2, 2, 2]
        writer.close()

    def test_reading_goes_on_from_the_end_of_the_last_chunk(self, tmp_path: Path) -> None:
        writer, reader = self.writer(tmp_path, "plane"), self.reader(tmp_path)
        writer.append([b"a"])
        since = {chunk.source: chunk.end for chunk in reader.read({})}
        writer.append([b"b"])
        assert frames_of(reader, since) == [b"b"]
        writer.close()

    def test_a_source_with_unread_frames_is_not_forgotten(self, tmp_path: Path) -> None:
        writer, reader = FileJournalWriter(tmp_path, "plane", roll_bytes=30), self.reader(tmp_path)
        writer.append([b"read"])
        (source,) = {chunk.source for chunk in reader.read({})}
        writer.append([b"unread"])
        writer.close()
        reader.forget(source)
        assert frames_of(self.reader(tmp_path), {}) == [b"read", b"unread"]


def segment(folder: Path) -> Path:
    (path,) = folder.glob("*.journal")
    return path


payloads = st.lists(st.binary(max_size=40), min_size=1, max_size=6)
fresh_folder = settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


@fresh_folder
@given(frames=payloads, data=st.data())
def test_any_cut_of_a_segment_yields_a_prefix_of_its_frames(
    tmp_path_factory: pytest.TempPathFactory, frames: list[bytes], data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("journal")
    block = MAGIC + b"".join(map(framed, frames))
    cut = data.draw(st.integers(0, len(block)))
    (folder / "plane-000001-0.journal").write_bytes(block[:cut])
    read = frames_of(FileJournalReader(folder), {})
    assert list(read) == frames[: len(read)]
    whole = len(MAGIC) + sum(len(framed(frame)) for frame in frames[: len(read) + 1])
    assert len(read) == len(frames) or cut < whole


@fresh_folder
@given(frames=payloads, data=st.data())
def test_any_spoilt_byte_yields_a_prefix_of_the_frames(
    tmp_path_factory: pytest.TempPathFactory, frames: list[bytes], data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("journal")
    block = bytearray(MAGIC + b"".join(map(framed, frames)))
    spoilt = data.draw(st.integers(0, len(block) - 1))
    block[spoilt] ^= data.draw(st.integers(1, 255))
    (folder / "plane-000001-0.journal").write_bytes(bytes(block))
    read = frames_of(FileJournalReader(folder), {})
    assert list(read) == frames[: len(read)]
    assert len(read) < len(frames)


@fresh_folder
@given(frames=payloads, data=st.data(), zeros=st.integers(1, 64))
def test_a_tail_of_zeros_that_a_power_cut_leaves_holds_no_frames(
    tmp_path_factory: pytest.TempPathFactory, frames: list[bytes], data: st.DataObject, zeros: int
) -> None:
    folder = tmp_path_factory.mktemp("journal")
    (folder / "plane-000001-0.journal").write_bytes(MAGIC + b"".join(map(framed, frames)) + bytes(zeros))
    assert list(frames_of(FileJournalReader(folder), {})) == frames


def test_a_torn_tail_is_read_once_it_has_become_whole(tmp_path: Path) -> None:
    path, reader = tmp_path / "plane-000001-0.journal", FileJournalReader(tmp_path)
    block = MAGIC + framed(b"first") + framed(b"second")
    path.write_bytes(block[:-3])
    since = {chunk.source: chunk.end for chunk in reader.read({})}
    assert frames_of(reader, since) == []
    path.write_bytes(block)
    assert frames_of(reader, since) == [b"second"]


def test_reading_comes_to_an_end_though_frames_keep_coming_in(tmp_path: Path) -> None:
    writer = FileJournalWriter(tmp_path, "plane")
    writer.append([b"first"])
    read = []
    for chunk in FileJournalReader(tmp_path).read({}):
        read += chunk.frames
        writer.append([b"meanwhile"])
    assert read == [b"first"]
    writer.close()


def test_frames_longer_than_one_read_come_back_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_files, "_READ_BYTES", 7)
    writer = FileJournalWriter(tmp_path, "plane")
    frames = [bytes([n]) * n * 3 for n in range(1, 12)]
    writer.append(frames)
    writer.close()
    assert frames_of(FileJournalReader(tmp_path), {}) == frames


def test_a_process_that_starts_after_a_kill_opens_a_new_segment(tmp_path: Path) -> None:
    script = (
        "import os, signal, sys; from pathlib import Path; from noria.adapters.journal_files import FileJournalWriter\n"
        "w = FileJournalWriter(Path(sys.argv[1]), 'plane'); w.append([b'acknowledged']); os.write(w._descriptor, b'torn')\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    ended = subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=False)
    assert ended.returncode == -signal.SIGKILL
    writer = FileJournalWriter(tmp_path, "plane")
    writer.append([b"next life"])
    writer.close()
    assert sorted(frames_of(FileJournalReader(tmp_path), {})) == [b"acknowledged", b"next life"]
    assert len(list(tmp_path.glob("*.journal"))) == 2


def test_a_dead_writers_torn_segment_is_forgotten_after_its_whole_frames_were_read(tmp_path: Path) -> None:
    path, reader = tmp_path / "plane-000001-0.journal", FileJournalReader(tmp_path)
    path.write_bytes(MAGIC + framed(b"whole") + framed(b"torn")[:-1])
    assert frames_of(reader, {}) == [b"whole"]
    reader.forget("plane-000001-0")
    assert not path.exists()


def test_a_block_that_the_disk_cuts_short_is_taken_back_and_the_next_goes_to_a_new_segment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer, write = FileJournalWriter(tmp_path, "plane"), os.write
    writer.append([b"before"])
    monkeypatch.setattr(journal_files.os, "write", lambda descriptor, block: write(descriptor, block[:5]))
    with pytest.raises(OSError, match="disk full"):
        writer.append([b"lost"])
    monkeypatch.setattr(journal_files.os, "write", write)
    writer.append([b"after"])
    writer.close()
    assert frames_of(FileJournalReader(tmp_path), {}) == [b"before", b"after"]
    assert len(list(tmp_path.glob("*.journal"))) == 2


def test_a_full_disk_refuses_the_block_and_keeps_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer, write = FileJournalWriter(tmp_path, "plane"), os.write

    def full(descriptor: int, block: bytes) -> int:
        raise OSError(errno.ENOSPC, "no space left on device")

    monkeypatch.setattr(journal_files.os, "write", full)
    with pytest.raises(OSError, match="no space"):
        writer.append([b"lost"])
    monkeypatch.setattr(journal_files.os, "write", write)
    writer.append([b"kept"])
    writer.close()
    assert frames_of(FileJournalReader(tmp_path), {}) == [b"kept"]


def test_sync_reaches_the_disk_once_for_callers_with_nothing_new(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    monkeypatch.setattr(journal_files.os, "fdatasync", synced.append)
    writer = FileJournalWriter(tmp_path, "plane")
    writer.append([b"frame"])
    writer.sync()
    writer.sync()
    assert len(synced) == 1
    writer.append([b"frame"])
    writer.sync()
    assert len(synced) == 2
    writer.close()


def test_a_rolled_segment_is_synced_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    monkeypatch.setattr(journal_files.os, "fdatasync", synced.append)
    writer = FileJournalWriter(tmp_path, "plane", roll_bytes=1)
    writer.append([b"a"])
    writer.append([b"b"])
    writer.sync()
    assert len(set(synced)) >= 2
    writer.close()


def test_a_segment_in_which_nothing_was_written_is_removed_at_the_end(tmp_path: Path) -> None:
    FileJournalWriter(tmp_path, "plane").close()
    assert list(tmp_path.iterdir()) == []
