import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from noria.core.errors import Conflict
from noria.ports.records import Append, Put, Records
from noria.testing.memory import MemoryRecords


def put(key: str, body: bytes = b"{}", *, kind: str = "turn", expect: int | None = None, **index: str) -> Put:
    return Put(kind=kind, key=key, body=body, index=index, expect=expect)


def event(id: str, *, loop: str = "late", kind: str = "turn.started", subject: str = "late", turn: str = "") -> Append:
    return Append(id=id, loop=loop, kind=kind, subject=subject, turn=turn, body=id.encode())


def test_it_fills_the_records_socket() -> None:
    records: Records = MemoryRecords()
    records.commit(put("a", b"1", loop="late"))
    record = records.get("turn", "a")
    assert record is not None
    assert (record.revision, record.body, dict(record.index)) == (1, b"1", {"loop": "late"})
    assert records.get("turn", "b") is None
    assert records.get("step", "a") is None


def test_each_write_raises_the_revision_by_one() -> None:
    records = MemoryRecords()
    for revision in (1, 2, 3):
        records.commit(put("a"))
        record = records.get("turn", "a")
        assert record is not None and record.revision == revision


def test_expect_zero_means_that_it_must_not_exist() -> None:
    records = MemoryRecords()
    records.commit(put("a", expect=0))
    with pytest.raises(Conflict, match="revision 1, not 0"):
        records.commit(put("a", expect=0))
    records.commit(put("a", expect=1))


def test_a_conflict_leaves_nothing_of_the_commit_behind() -> None:
    records = MemoryRecords()
    records.commit(put("a"))
    with pytest.raises(Conflict):
        records.commit(put("b"), event("e1"), put("a", expect=7))
    assert records.get("turn", "b") is None
    assert records.lines() == []


def test_a_later_write_of_one_commit_sees_the_earlier_one() -> None:
    records = MemoryRecords()
    records.commit(put("a", b"1", expect=0), put("a", b"2", expect=1))
    record = records.get("turn", "a")
    assert record is not None and (record.revision, record.body) == (2, b"2")


def test_find_selects_by_index_in_key_order_and_backwards() -> None:
    records = MemoryRecords()
    for key, loop in (("c", "x"), ("a", "x"), ("b", "y"), ("d", "x")):
        records.commit(put(key, loop=loop))
    assert [r.key for r in records.find("turn")] == ["a", "b", "c", "d"]
    assert [r.key for r in records.find("turn", where={"loop": "x"}, limit=2)] == ["a", "c"]
    assert [r.key for r in records.find("turn", where={"loop": "x"}, newest_first=True)] == ["d", "c", "a"]
    assert [r.key for r in records.find("turn", after="b")] == ["c", "d"]
    assert [r.key for r in records.find("turn", after="c", newest_first=True)] == ["b", "a"]
    assert records.find("turn", where={"nothing": "x"}) == []


def test_a_new_index_replaces_the_old_one() -> None:
    records = MemoryRecords()
    records.commit(put("a", state="open"))
    records.commit(put("a", state="done"))
    assert records.find("turn", where={"state": "open"}) == []


def test_an_event_id_is_logged_once() -> None:
    records = MemoryRecords()
    records.commit(event("e1"), event("e2"))
    records.commit(event("e1"), event("e3"))
    assert [(line.position, line.id) for line in records.lines()] == [(1, "e1"), (2, "e2"), (3, "e3")]


def test_lines_are_paged_in_both_directions_and_selected() -> None:
    records = MemoryRecords()
    records.commit(*(event(f"e{n}", loop="late" if n % 2 else "other", turn=f"t{n}") for n in range(1, 7)))
    assert [line.position for line in records.lines(after=4)] == [5, 6]
    assert [line.position for line in records.lines(newest_first=True, limit=2)] == [6, 5]
    assert [line.position for line in records.lines(newest_first=True, after=3)] == [2, 1]
    assert [line.id for line in records.lines(where={"loop": "late"})] == ["e1", "e3", "e5"]
    assert [line.id for line in records.lines(ids=["e4", "e9"])] == ["e4"]
    with pytest.raises(ValueError, match="not by colour"):
        records.lines(where={"colour": "red"})


def test_more_than_eight_index_fields_are_refused() -> None:
    with pytest.raises(ValueError, match="9 index fields"):
        MemoryRecords().commit(put("a", **{f"f{n}": "" for n in range(9)}))


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("abc"), st.none() | st.integers(0, 3)), max_size=20))
def test_compare_and_set_behaves_as_a_counter_per_key(tries: list[tuple[str, int | None]]) -> None:
    records, model = MemoryRecords(), {"a": 0, "b": 0, "c": 0}
    for key, expect in tries:
        allowed = expect is None or expect == model[key]
        if allowed:
            records.commit(put(key, expect=expect))
            model[key] += 1
        else:
            with pytest.raises(Conflict):
                records.commit(put(key, expect=expect))
    for key, revision in model.items():
        record = records.get("turn", key)
        assert (record.revision if record else 0) == revision
