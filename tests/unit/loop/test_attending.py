"""What is wrong with the data plane reaches a person once it lasts, and is taken back when it is mended."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from noria.core.notices import Notice
from noria.core.state import LoopState
from noria.core.watching import Incident
from noria.ledger.book import Ledger
from noria.ledger.documents import Documents
from noria.loop.attending import Attendant, PlaneNumbers
from noria.testing.clocks import HandClock
from noria.testing.memory import MemoryRecords


class Desk:
    """A world with two loops, and a data plane that says what a test wants."""

    page = ""

    def __init__(self) -> None:
        self.clock = HandClock(datetime(2026, 3, 1, tzinfo=UTC))
        self.documents = Documents(MemoryRecords())
        self.ledger = Ledger(self.documents.records, clock=self.clock, wall=self.clock)
        for name in ("late", "orders"):
            self.documents.put(LoopState(name=name, description="", file="", code="", task=None, phase="serving"), expect=0)
        self.says: PlaneNumbers | None = PlaneNumbers()
        self.attendant = Attendant(self, lambda: self.says, duty=None)

    def look(self, says: PlaneNumbers | None) -> list[tuple[str, str, bool]]:
        self.says = says
        self.clock.turn(timedelta(seconds=15))
        return [(one.loop, one.title, one.closed_at is None) for one in self.attendant.look()]

    def told(self) -> list[str]:
        return [one.title for one in self.documents.find(Notice)]


@pytest.fixture
def desk() -> Desk:
    return Desk()


FULL = PlaneNumbers(problems={"journal": "the journal takes no predictions: no space left on device"}, counters={"dropped": 5})
WELL = PlaneNumbers(counters={"dropped": 5})


def test_a_journal_that_stays_full_is_a_page_to_one_loop_and_over_when_it_writes_again(desk) -> None:
    assert desk.look(WELL) == desk.look(FULL) == []
    ((loop, title, is_open),) = desk.look(FULL)
    assert (loop, is_open) == ("late", True)
    assert "the data plane has a problem (journal)" in title
    (incident,) = desk.documents.find(Incident)
    assert incident.severity == "page"
    assert "no space left on device" in incident.cause
    assert len(desk.told()) == 1
    assert desk.look(FULL) == desk.look(WELL) == []
    assert [is_open for _, _, is_open in desk.look(WELL)] == [False]


def test_what_passes_at_once_wakes_nobody(desk) -> None:
    for says in (WELL, FULL, WELL, WELL, FULL, WELL):
        assert desk.look(says) == []
    assert desk.told() == []


def test_a_model_that_keeps_dying_belongs_to_its_loop(desk) -> None:
    dying = PlaneNumbers(problems={"orders": "v3: its process keeps dying; the last one died of signal 11"})
    desk.look(dying)
    assert [loop for loop, _, _ in desk.look(dying)] == ["orders"]
    assert "signal 11" in desk.documents.find(Incident)[0].cause


def test_predictions_that_are_lost_look_after_look_are_told_with_their_number(desk) -> None:
    for lost in (0, 7, 19):
        desk.look(PlaneNumbers(counters={"dropped": lost}))
    (incident,) = desk.documents.find(Incident)
    assert "12 predictions were answered and are not in the log" in incident.cause


def test_one_that_answered_and_does_so_no_more_is_told_and_one_that_never_did_is_not(desk) -> None:
    assert desk.look(None) == desk.look(None) == desk.look(None) == []
    desk.look(WELL)
    desk.look(None)
    assert [is_open for _, _, is_open in desk.look(None)] == [True]
