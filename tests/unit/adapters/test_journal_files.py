"""A journal on a disk that is full loses what it says it lost, and nothing else."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from noria.adapters import journal_files
from noria.adapters.journal_files import FileJournalReader, FileJournalWriter


def test_a_disk_that_takes_no_new_segment_costs_no_descriptor_and_leaves_no_file(tmp_path, monkeypatch) -> None:
    writer = FileJournalWriter(tmp_path, "p", roll_bytes=10)
    writer.append([b"before"])
    real = os.write

    def full(descriptor: int, data: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(journal_files.os, "write", full)
    open_before = len(list(Path("/dev/fd").iterdir()))
    for _ in range(5):
        with pytest.raises(OSError, match="No space left"):
            writer.append([b"lost"])
    assert len(list(Path("/dev/fd").iterdir())) == open_before
    assert len(list(tmp_path.glob("*.journal"))) == 1
    monkeypatch.setattr(journal_files.os, "write", real)
    writer.append([b"after"])
    writer.close()
    read = [frame for chunk in FileJournalReader(tmp_path).read({}) for frame in chunk.frames]
    assert sorted(read) == [b"after", b"before"]


def test_a_write_that_the_disk_cuts_short_is_taken_back(tmp_path, monkeypatch) -> None:
    writer = FileJournalWriter(tmp_path, "p")
    real = os.write
    with monkeypatch.context() as nearly_full:
        nearly_full.setattr(journal_files.os, "write", lambda descriptor, data: real(descriptor, data[:5]))
        with pytest.raises(OSError, match="only 5 bytes"):
            writer.append([b"a frame of some length"])
    writer.append([b"after"])
    writer.close()
    assert [frame for chunk in FileJournalReader(tmp_path).read({}) for frame in chunk.frames] == [b"after"]
