"""The book of events."""

from datetime import timedelta

import pytest

from noria.ledger.book import Ledger
from noria.ports.records import Put
from noria.testing.clocks import HandClock
from noria.testing.memory import MemoryRecords


@pytest.fixture
def clock():
    return HandClock()


@pytest.fixture
def ledger(clock):
    return Ledger(MemoryRecords(), clock=clock, wall=HandClock())


def test_an_event_comes_back_as_it_was_written(ledger, clock):
    clock.turn(timedelta(days=3))
    written = ledger.write(
        ledger.event(
            "gate.failed",
            loop="late-arrival",
            subject="late-arrival@3",
            by="ada",
            reasons=["roc_auc is 0.61, below 0.70"],
            because=["event_1"],
            numbers={"roc_auc": 0.61, "floor": float("inf"), "p": float("nan")},
            made_from=["sha256:00"],
            turn="turn_1",
        )
    )
    (found,) = ledger.events()
    assert repr(found) == repr(written)
    assert (found.at - found.recorded_at, found.by, found.reasons) == (timedelta(days=3), "ada", ("roc_auc is 0.61, below 0.70",))


def test_an_event_with_a_given_id_is_written_once(ledger):
    for reason in ("first", "second"):
        ledger.write(ledger.event("turn.started", loop="l", subject="l", id="turn_1-started", reasons=[reason]))
    assert [event.reasons for event in ledger.events()] == [("first",)]


def test_ids_of_events_differ_even_in_one_moment(ledger):
    ids = [ledger.event("k", loop="l", subject="l").id for _ in range(50)]
    assert len(set(ids)) == 50


def test_a_line_is_committed_together_with_what_it_tells_of(ledger):
    event = ledger.event("alias.moved", loop="l", subject="l@1", turn="turn_1")
    ledger.records.commit(Put(kind="alias", key="l/champion", body=b"{}"), ledger.line(event))
    assert ledger.events(turn="turn_1", kind="alias.moved", subject="l@1", loop="l") == [event]


def test_events_are_selected_and_ordered(ledger):
    for n in range(6):
        ledger.write(ledger.event(f"k{n % 2}", loop=f"l{n % 3}", subject="s", id=f"e{n}"))
    assert [event.id for event in ledger.events(kind="k1")] == ["e1", "e3", "e5"]
    assert [event.id for event in ledger.events(kind="k1", loop="l0")] == ["e3"]
    assert [event.id for event in ledger.events(newest_first=True, limit=2)] == ["e5", "e4"]


def test_a_reader_follows_the_tail(ledger):
    for n in range(5):
        ledger.write(ledger.event("k", loop="l", subject="s", id=f"e{n}"))
    first = ledger.tail(limit=3)
    assert [event.id for _, event in ledger.tail(after=first[-1][0])] == ["e3", "e4"]
    assert [event.id for event in ledger.events(after=first[-1][0], newest_first=True)] == ["e1", "e0"]


def test_events_are_read_by_their_ids_in_the_order_of_writing(ledger):
    for n in range(3):
        ledger.write(ledger.event("k", loop="l", subject="s", id=f"e{n}"))
    assert [event.id for event in ledger.get(["e2", "gone", "e0"])] == ["e0", "e2"]
    assert ledger.get([]) == []
