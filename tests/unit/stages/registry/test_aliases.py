from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from noria.core.errors import Conflict, NotFound
from noria.core.registry import AliasMove
from noria.core.state import AliasState
from noria.ports.records import Append, Put
from noria.ports.wire import load
from noria.stages.registry.aliases import current, history, in_production_on, move, previous
from noria.stages.registry.versions import key_of
from noria.testing.memory import MemoryRecords

START = datetime(2013, 4, 1, tzinfo=UTC)


def day(number: float) -> datetime:
    return START + timedelta(days=number)


@pytest.fixture
def records() -> MemoryRecords:
    return shelf()


def shelf() -> MemoryRecords:
    """Records in which versions 1 to 5 of the model exist."""
    made = MemoryRecords()
    made.commit(*(Put(kind="version", key=key_of("late", n), body=b"{}", index={"model": "late"}) for n in range(1, 6)))
    return made


def champion(records: MemoryRecords, to: int | None, *, at: float = 0, turn: str = "", **options) -> AliasMove:
    expect = options.pop("expect", current(records, "late", "champion"))
    return move(records, "late", "champion", to, expect=expect, by="noria", reason="it won", at=day(at), turn=turn, **options)


def test_an_alias_points_where_it_was_moved_and_remembers_all(records: MemoryRecords) -> None:
    assert current(records, "late", "champion") is None
    champion(records, 1, at=0)
    champion(records, 2, at=3)
    assert current(records, "late", "champion") == 2
    assert [(line.before, line.after, line.by, line.reason) for line in history(records, "late", "champion")] == [
        (None, 1, "noria", "it won"),
        (1, 2, "noria", "it won"),
    ]
    state = records.get("alias", "late/champion")
    assert state is not None and load(state.body, AliasState).moved_at == day(3)


def test_aliases_of_one_model_move_apart(records: MemoryRecords) -> None:
    champion(records, 1)
    move(records, "late", "challenger", 2, expect=None, by="Ann", reason="try it", at=day(1))
    move(records, "late", "challenger", None, expect=2, by="Ann", reason="enough", at=day(2))
    assert (current(records, "late", "champion"), current(records, "late", "challenger")) == (1, None)
    assert len(history(records, "late", "challenger")) == 2


def test_who_expects_another_version_is_refused_and_writes_nothing(records: MemoryRecords) -> None:
    champion(records, 1)
    event = Append(id="e1", loop="late", kind="alias.moved", subject="", turn="", body=b"{}")
    with pytest.raises(Conflict, match="points at version 1, not at nothing"):
        champion(records, 2, expect=None, also=[event])
    with pytest.raises(Conflict):
        champion(records, 2, also=[event, Put(kind="turn", key="t1", body=b"{}", expect=9)])
    assert current(records, "late", "champion") == 1
    assert len(history(records, "late", "champion")) == 1 and records.lines() == []


def test_a_move_that_is_overtaken_in_its_last_moment_is_refused(records: MemoryRecords) -> None:
    class Overtaken(MemoryRecords):
        armed = True

        def commit(self, *writes):
            if self.armed and writes[0].kind == "alias":
                self.armed = False
                champion(self, 3)
            super().commit(*writes)

    raced = Overtaken()
    raced.commit(*(Put(kind="version", key=key_of("late", n), body=b"{}", index={"model": "late"}) for n in (2, 3)))
    with pytest.raises(Conflict):
        champion(raced, 2)
    assert current(raced, "late", "champion") == 3


def test_a_repeated_move_of_a_turn_returns_the_recorded_one(records: MemoryRecords) -> None:
    first = champion(records, 2, at=1, turn="t1")
    champion(records, 3, at=2, turn="t2")
    assert champion(records, 2, at=5, turn="t1", expect=None) == first
    assert current(records, "late", "champion") == 3
    assert len(history(records, "late", "champion")) == 2


def test_a_version_that_does_not_exist_cannot_be_pointed_at(records: MemoryRecords) -> None:
    with pytest.raises(NotFound, match="no version 9"):
        champion(records, 9)


def test_a_rollback_goes_back_and_never_forward_again(records: MemoryRecords) -> None:
    assert previous(records, "late", "champion") is None
    for version in (1, 2, 3):
        champion(records, version)
    assert previous(records, "late", "champion") == 2
    champion(records, 2)
    assert previous(records, "late", "champion") == 1
    champion(records, 4)
    assert previous(records, "late", "champion") == 2
    champion(records, 2)
    champion(records, 1)
    assert previous(records, "late", "champion") is None


def test_what_an_empty_alias_goes_back_to_is_where_it_last_pointed(records: MemoryRecords) -> None:
    champion(records, 1)
    champion(records, 2)
    champion(records, None)
    assert previous(records, "late", "champion") == 2


def test_what_was_in_production_can_be_asked_for_any_moment(records: MemoryRecords) -> None:
    champion(records, 1, at=0)
    champion(records, 2, at=3)
    champion(records, 1, at=4)
    asked = (-1, 0, 2.9, 3, 3.5, 4, 99)
    assert [in_production_on(records, "late", day(at)) for at in asked] == [None, 1, 1, 2, 2, 1, 1]


def test_the_history_is_in_order_beyond_one_page(records: MemoryRecords) -> None:
    for number in range(520):
        champion(records, number % 2 + 1, at=number)
    lines = history(records, "late", "champion")
    assert [line.at for line in lines] == [day(number) for number in range(520)]


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from([None, 1, 2, 3]), st.sampled_from([None, 1, 2, 3]), st.sampled_from(["", "t1", "t2"])), max_size=25)
)
def test_any_moves_leave_an_unbroken_chain(tries: list[tuple[int | None, int | None, str]]) -> None:
    records, pointed, moved = shelf(), None, set()
    for to, expect, turn in tries:
        if turn and (turn, to) in moved:
            champion(records, to, expect=expect, turn=turn)
        elif expect == pointed:
            champion(records, to, expect=expect, turn=turn)
            pointed = to
            moved.add((turn, to))
        else:
            with pytest.raises(Conflict):
                champion(records, to, expect=expect, turn=turn)
        assert current(records, "late", "champion") == pointed
    lines = history(records, "late", "champion")
    assert [line.before for line in lines] == [None, *(line.after for line in lines)][: len(lines)]
    assert previous(records, "late", "champion") != pointed or pointed is None
