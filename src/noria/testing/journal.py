"""What every journal must keep: the promises of `noria.ports.journal`, as tests to inherit."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

from noria.ports.journal import JournalReader, JournalWriter


class JournalContract:
    """Inherit it as `class TestMyJournal(JournalContract)` and say how both ends are opened."""

    def writer(self, folder: Path, name: str) -> JournalWriter:
        """A new writer, as a process that starts opens it."""
        raise NotImplementedError

    def reader(self, folder: Path) -> JournalReader:
        """A reader of all that was written under `folder`."""
        raise NotImplementedError

    def test_frames_come_back_whole_and_in_order(self, tmp_path: Path) -> None:
        written = [b"one", b"", b"\x00" * 1_000, b"four"]
        with_writer = self.writer(tmp_path, "plane")
        with_writer.append(written[:2])
        with_writer.append(written[2:])
        assert frames_of(self.reader(tmp_path), {}) == written
        with_writer.close()

    def test_what_is_appended_can_be_read_before_it_is_synced(self, tmp_path: Path) -> None:
        writer = self.writer(tmp_path, "plane")
        writer.append([b"frame"])
        assert frames_of(self.reader(tmp_path), {}) == [b"frame"]
        writer.close()

    def test_reading_goes_on_from_the_end_of_the_last_chunk(self, tmp_path: Path) -> None:
        writer, reader = self.writer(tmp_path, "plane"), self.reader(tmp_path)
        writer.append([b"%d" % n for n in range(10)])
        since: dict[str, int] = {}
        first = next(iter(reader.read(since, limit=4)))
        since[first.source] = first.end
        writer.append([b"10"])
        assert list(first.frames) == [b"0", b"1", b"2", b"3"]
        assert frames_of(reader, since) == [b"%d" % n for n in range(4, 11)]
        writer.close()

    def test_a_chunk_has_at_most_the_asked_number_of_frames(self, tmp_path: Path) -> None:
        writer = self.writer(tmp_path, "plane")
        writer.append([b"x"] * 7)
        assert [len(chunk.frames) for chunk in self.reader(tmp_path).read({}, limit=3)] == [3, 3, 1]
        writer.close()

    def test_two_writers_of_one_name_do_not_disturb_each_other(self, tmp_path: Path) -> None:
        first, second = self.writer(tmp_path, "plane"), self.writer(tmp_path, "plane")
        first.append([b"a"])
        second.append([b"b"])
        first.append([b"c"])
        assert sorted(frames_of(self.reader(tmp_path), {})) == [b"a", b"b", b"c"]
        first.close()
        second.close()

    def test_sync_may_run_in_other_threads_while_frames_are_appended(self, tmp_path: Path) -> None:
        writer = self.writer(tmp_path, "plane")
        threads = [threading.Thread(target=writer.sync) for _ in range(8)]
        for number, thread in enumerate(threads):
            writer.append([b"%d" % number])
            thread.start()
        for thread in threads:
            thread.join()
        writer.close()
        assert frames_of(self.reader(tmp_path), {}) == [b"%d" % n for n in range(8)]

    def test_a_source_that_a_writer_holds_is_not_forgotten(self, tmp_path: Path) -> None:
        writer, reader = self.writer(tmp_path, "plane"), self.reader(tmp_path)
        writer.append([b"kept"])
        source = next(iter(reader.read({}))).source
        reader.forget(source)
        assert frames_of(self.reader(tmp_path), {}) == [b"kept"]
        writer.close()

    def test_a_source_that_was_read_to_its_end_and_closed_is_forgotten(self, tmp_path: Path) -> None:
        writer, reader = self.writer(tmp_path, "plane"), self.reader(tmp_path)
        writer.append([b"done"])
        writer.close()
        (source,) = {chunk.source for chunk in reader.read({})}
        reader.forget(source)
        assert frames_of(self.reader(tmp_path), {}) == []

    def test_a_source_with_unread_frames_is_not_forgotten(self, tmp_path: Path) -> None:
        writer, reader = self.writer(tmp_path, "plane"), self.reader(tmp_path)
        writer.append([b"read"])
        (source,) = {chunk.source for chunk in reader.read({})}
        writer.append([b"unread"])
        writer.close()
        reader.forget(source)
        assert frames_of(self.reader(tmp_path), {}) == [b"read", b"unread"]

    def test_a_forgotten_name_never_comes_back(self, tmp_path: Path) -> None:
        sources = set()
        for _ in range(3):
            writer, reader = self.writer(tmp_path, "plane"), self.reader(tmp_path)
            writer.append([b"frame"])
            writer.close()
            (source,) = {chunk.source for chunk in reader.read({})}
            reader.forget(source)
            sources.add(source)
        assert len(sources) == 3

    def test_closing_twice_is_closing_once(self, tmp_path: Path) -> None:
        writer = self.writer(tmp_path, "plane")
        writer.close()
        writer.close()


def frames_of(reader: JournalReader, since: dict[str, int]) -> Sequence[bytes]:
    """All frames beyond `since`, over all chunks."""
    return [frame for chunk in reader.read(since) for frame in chunk.frames]
