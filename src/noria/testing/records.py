"""What every keeper of records promises, as test classes to inherit."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from noria.core.errors import Conflict
from noria.ports.records import Append, Put, Records


class RecordsContract:
    """Inherit as `class TestMine(RecordsContract)` and say how records are opened."""

    @abstractmethod
    def open(self, folder: Path) -> Records:
        """Records that are kept under `folder`, or in a database named after it; empty the first time."""

    @pytest.fixture
    def records(self, tmp_path: Path) -> Iterator[Records]:
        """Fresh, empty records."""
        records = self.open(tmp_path / "records")
        yield records
        self.close(records)

    def close(self, records: Records) -> None:
        """Let go of what `open` opened."""
        getattr(records, "close", lambda: None)()

    def test_a_document_comes_back_as_it_was_put(self, records: Records) -> None:
        body = '{"text":"ünï\\u0000"}'.encode()
        records.commit(Put(kind="k", key="a/b@1 'ü'", body=body, index={"loop": "l", "state": "open"}))
        found = records.get("k", "a/b@1 'ü'")
        assert found is not None
        assert (found.kind, found.key, found.revision, found.body, dict(found.index)) == (
            "k",
            "a/b@1 'ü'",
            1,
            body,
            {"loop": "l", "state": "open"},
        )

    def test_what_was_never_put_is_none(self, records: Records) -> None:
        records.commit(Put(kind="k", key="a", body=b"1"))
        assert records.get("k", "b") is None
        assert records.get("other", "a") is None
        assert records.find("other") == []

    def test_revisions_count_the_writes(self, records: Records) -> None:
        for n in range(1, 4):
            records.commit(Put(kind="k", key="a", body=str(n).encode()))
            assert _revision(records, "k", "a") == n

    def test_expecting_nothing_makes_a_document_once(self, records: Records) -> None:
        records.commit(Put(kind="k", key="a", body=b"1", expect=0))
        with pytest.raises(Conflict):
            records.commit(Put(kind="k", key="a", body=b"2", expect=0))
        assert _bodies(records, "k") == [b"1"]

    @pytest.mark.parametrize("expect", [1, 3, 7])
    def test_compare_and_set_refuses_any_other_revision(self, records: Records, expect: int) -> None:
        records.commit(Put(kind="k", key="a", body=b"1"))
        records.commit(Put(kind="k", key="a", body=b"2", expect=1))
        with pytest.raises(Conflict):
            records.commit(Put(kind="k", key="a", body=b"3", expect=expect))
        assert _bodies(records, "k") == [b"2"]

    def test_a_revision_of_what_is_not_there_is_refused(self, records: Records) -> None:
        with pytest.raises(Conflict):
            records.commit(Put(kind="k", key="a", body=b"1", expect=1))

    def test_a_refused_commit_leaves_no_trace(self, records: Records) -> None:
        records.commit(Put(kind="k", key="old", body=b"1", index={"state": "open"}))
        with pytest.raises(Conflict):
            records.commit(
                Put(kind="k", key="new", body=b"1", index={"state": "open"}),
                Put(kind="k", key="old", body=b"2", index={"state": "closed"}),
                _event("e1"),
                Put(kind="k", key="last", body=b"1", expect=5),
            )
        assert [(r.key, r.body) for r in records.find("k", where={"state": "open"})] == [("old", b"1")]
        assert records.lines() == []

    def test_writes_of_one_commit_see_those_before_them(self, records: Records) -> None:
        records.commit(Put(kind="k", key="a", body=b"1", expect=0), Put(kind="k", key="a", body=b"2", expect=1))
        assert _revision(records, "k", "a") == 2

    def test_an_empty_commit_is_allowed(self, records: Records) -> None:
        records.commit()

    def test_documents_are_found_by_all_of_their_index_fields(self, records: Records) -> None:
        for n in range(12):
            index = {"loop": f"l{n % 2}", "state": f"s{n % 3}", "empty": ""}
            records.commit(Put(kind="k", key=f"{n:02d}", body=b"1", index=index))
        assert _keys(records, where={"loop": "l1"}) == ["01", "03", "05", "07", "09", "11"]
        assert _keys(records, where={"loop": "l1", "state": "s0"}) == ["03", "09"]
        assert _keys(records, where={"state": "s0", "loop": "l1", "empty": ""}) == ["03", "09"]
        assert _keys(records, where={"loop": "nobody"}) == []
        assert _keys(records, where={"unheard": "l1"}) == []
        assert _keys(records, where={"loop": "l1' OR 1=1 --"}) == []

    def test_what_is_not_in_the_index_any_more_does_not_find(self, records: Records) -> None:
        records.commit(Put(kind="k", key="a", body=b"1", index={"state": "open", "loop": "l"}))
        records.commit(Put(kind="k", key="a", body=b"1", index={"state": "closed"}))
        assert _keys(records, where={"state": "open"}) == []
        assert _keys(records, where={"loop": "l"}) == []
        assert _keys(records, where={"state": "closed"}) == ["a"]

    def test_eight_index_fields_are_kept_and_nine_refused(self, records: Records) -> None:
        fields = {f"f{n}": str(n) for n in range(9)}
        with pytest.raises(ValueError, match="index"):
            records.commit(Put(kind="k", key="a", body=b"1", index=fields))
        del fields["f8"]
        records.commit(Put(kind="k", key="a", body=b"1", index=fields))
        assert _keys(records, where=fields) == ["a"]

    def test_kinds_do_not_see_each_other(self, records: Records) -> None:
        records.commit(Put(kind="k", key="a", body=b"1", index={"x": "1"}), Put(kind="j", key="b", body=b"1", index={"x": "1"}))
        assert _keys(records, where={"x": "1"}) == ["a"]

    @pytest.mark.parametrize("where", [None, {"x": "1"}])
    def test_documents_come_in_the_order_of_their_keys(self, records: Records, where: dict[str, str] | None) -> None:
        keys = ["b", "a", "B", "a/2", "a-1", "ü", "Z", "a b", "_"]
        records.commit(*(Put(kind="k", key=key, body=b"1", index={"x": "1"}) for key in keys))
        assert _keys(records, where=where) == sorted(keys)
        assert _keys(records, where=where, newest_first=True) == sorted(keys, reverse=True)
        assert _keys(records, where=where, limit=3) == sorted(keys)[:3]
        assert _keys(records, where=where, limit=2, newest_first=True) == sorted(keys)[-1:-3:-1]
        assert _keys(records, where=where, limit=0) == []

    @pytest.mark.parametrize("where", [None, {"x": "1"}])
    def test_reading_goes_on_beyond_a_key(self, records: Records, where: dict[str, str] | None) -> None:
        records.commit(*(Put(kind="k", key=key, body=b"1", index={"x": "1"}) for key in "abcd"))
        assert _keys(records, where=where, after="b") == ["c", "d"]
        assert _keys(records, where=where, after="bb", limit=1) == ["c"]
        assert _keys(records, where=where, after="c", newest_first=True) == ["b", "a"]
        assert _keys(records, where=where, after="d") == []

    def test_events_come_in_the_order_they_were_appended(self, records: Records) -> None:
        for id in ["e2", "e1", "e3"]:
            records.commit(_event(id))
        lines = records.lines()
        assert [(line.id, line.body) for line in lines] == [("e2", b'"e2"'), ("e1", b'"e1"'), ("e3", b'"e3"')]
        positions = [line.position for line in lines]
        assert positions == sorted(set(positions))
        assert positions[0] > 0
        assert [line.id for line in records.lines(newest_first=True)] == ["e3", "e1", "e2"]
        assert [line.id for line in records.lines(limit=2)] == ["e2", "e1"]
        assert records.lines(limit=0) == []

    def test_reading_events_goes_on_beyond_a_position(self, records: Records) -> None:
        records.commit(*(_event(f"e{n}") for n in range(5)))
        places = [line.position for line in records.lines()]
        assert [line.id for line in records.lines(after=places[2])] == ["e3", "e4"]
        assert [line.id for line in records.lines(after=places[2], newest_first=True)] == ["e1", "e0"]
        assert records.lines(after=places[4]) == []

    def test_appending_an_id_again_leaves_the_first(self, records: Records) -> None:
        records.commit(_event("e1", body=b"1"), _event("e1", body=b"2"))
        records.commit(_event("e1", body=b"3"), _event("e2"))
        assert [(line.id, line.body) for line in records.lines()] == [("e1", b"1"), ("e2", b'"e2"')]

    def test_events_are_selected_by_their_fields_and_ids(self, records: Records) -> None:
        records.commit(
            _event("e1", loop="a", kind="turn.started", subject="a", turn="t1"),
            _event("e2", loop="b", kind="turn.started", subject="b", turn="t2"),
            _event("e3", loop="a", kind="gate.failed", subject="a@1", turn="t1"),
        )
        assert _ids(records, where={"loop": "a"}) == ["e1", "e3"]
        assert _ids(records, where={"loop": "a", "kind": "gate.failed"}) == ["e3"]
        assert _ids(records, where={"turn": "t2"}) == ["e2"]
        assert _ids(records, where={"subject": "a@1"}) == ["e3"]
        assert _ids(records, ids=["e3", "e1", "nobody", "e3"]) == ["e1", "e3"]
        assert _ids(records, ids=["e3", "e2"], where={"loop": "a"}) == ["e3"]
        with pytest.raises(ValueError, match="selected"):
            records.lines(where={"body": "x"})

    def test_a_thousand_ids_can_be_asked_for(self, records: Records) -> None:
        records.commit(*(_event(f"e{n:04d}") for n in range(1_200)))
        assert len(records.lines(ids=[f"e{n:04d}" for n in range(0, 1_200, 2)])) == 600
        assert len(records.lines()) == 1_000

    def test_of_many_threads_one_wins_each_revision(self, records: Records) -> None:
        records.commit(Put(kind="k", key="a", body=b"0"))
        with ThreadPoolExecutor(4) as threads:
            lost = sum(threads.map(lambda n: _count_up(records, f"t{n}", 10), range(4)))
        assert _bodies(records, "k") == [b"40"]
        assert _revision(records, "k", "a") == 41 == len(records.lines()) + 1
        assert lost >= 0


class SharedRecordsContract(RecordsContract):
    """For records that several processes share: `open` twice with one folder gives the same records."""

    def test_another_handle_sees_what_was_committed(self, records: Records, tmp_path: Path) -> None:
        records.commit(Put(kind="k", key="a", body=b"1", index={"x": "1"}), _event("e1"))
        other = self.open(tmp_path / "records")
        assert _bodies(other, "k") == [b"1"]
        assert _ids(other) == ["e1"]
        other.commit(Put(kind="k", key="a", body=b"2", expect=1))
        self.close(other)
        assert _bodies(records, "k") == [b"2"]

    def test_a_reader_that_follows_the_log_misses_no_event(self, tmp_path: Path) -> None:
        """Writers race; a position once seen has no unseen one before it."""
        handles = [self.open(tmp_path / "records") for _ in range(3)]
        follower, *writers = handles
        with ThreadPoolExecutor(2) as threads:
            done = [threads.submit(_append_all, writer, f"w{n}", 40) for n, writer in enumerate(writers)]
            seen: list[str] = []
            last = 0
            while len(seen) < 80 and not any(job.done() and job.exception() for job in done):
                for line in follower.lines(after=last, limit=7):
                    seen.append(line.id)
                    last = line.position
        for handle in handles:
            self.close(handle)
        assert sorted(seen) == sorted(f"w{w}-{n:03d}" for w in range(2) for n in range(40))

    def test_commits_that_cross_each_other_both_happen(self, tmp_path: Path) -> None:
        """Two handles write the same documents in opposite order, which may deadlock a careless store."""
        handles = [self.open(tmp_path / "records") for _ in range(2)]

        def cross(which: int) -> None:
            for n in range(25):
                puts = [Put(kind="k", key=key, body=b"1", index={"n": str(n), "w": str(which)}) for key in "abc"]
                handles[which].commit(*(puts if which else reversed(puts)))

        with ThreadPoolExecutor(2) as threads:
            list(threads.map(cross, range(2)))
        assert [_revision(handles[0], "k", key) for key in "abc"] == [50, 50, 50]
        for handle in handles:
            self.close(handle)


def _event(id: str, *, loop: str = "l", kind: str = "k", subject: str = "s", turn: str = "", body: bytes | None = None) -> Append:
    return Append(id=id, loop=loop, kind=kind, subject=subject, turn=turn, body=body or f'"{id}"'.encode())


def _append_all(records: Records, name: str, n: int) -> None:
    for i in range(n):
        records.commit(_event(f"{name}-{i:03d}"))


def _count_up(records: Records, name: str, times: int) -> int:
    """Add one to the document `a` so many times, under compare-and-set; returns how often another was first."""
    lost = 0
    while times:
        found = records.get("k", "a")
        assert found is not None
        count = int(found.body) + 1
        try:
            records.commit(Put(kind="k", key="a", body=str(count).encode(), expect=found.revision), _event(f"{name}-{count}"))
        except Conflict:
            lost += 1
        else:
            times -= 1
    return lost


def _revision(records: Records, kind: str, key: str) -> int:
    found = records.get(kind, key)
    return found.revision if found else 0


def _bodies(records: Records, kind: str) -> list[bytes]:
    return [record.body for record in records.find(kind)]


def _keys(records: Records, **asked: Any) -> list[str]:
    return [record.key for record in records.find("k", **asked)]


def _ids(records: Records, **asked: Any) -> list[str]:
    return [line.id for line in records.lines(**asked)]
