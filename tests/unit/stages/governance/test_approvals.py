from datetime import UTC, datetime

import pytest

from noria.core.errors import Conflict, NotAllowed
from noria.ports.records import Append, Put
from noria.stages.governance.approvals import approval_of, approve
from noria.testing.memory import MemoryRecords

NOW = datetime(2013, 4, 1, tzinfo=UTC)


def test_an_approval_is_kept_with_who_when_and_why() -> None:
    records = MemoryRecords()
    assert approval_of(records, "t1") is None
    made = approve(records, "t1", granted=True, by="Ann", reason="looks right", at=NOW)
    assert approval_of(records, "t1") == made
    assert (made.granted, made.by, made.reason, made.at) == (True, "Ann", "looks right", NOW)


def test_a_turn_is_decided_once() -> None:
    records = MemoryRecords()
    approve(records, "t1", granted=False, by="Ann", reason="slices", at=NOW)
    with pytest.raises(NotAllowed, match="refused by Ann already: slices"):
        approve(records, "t1", granted=True, by="Bob", reason="", at=NOW)
    approve(records, "t2", granted=True, by="Bob", reason="", at=NOW)


def test_the_decision_and_its_event_are_one_commit() -> None:
    records = MemoryRecords()
    event = Append(id="e1", loop="late", kind="turn.approved", subject="t1", turn="t1", body=b"{}")
    with pytest.raises(Conflict):
        approve(records, "t1", granted=True, by="Ann", reason="", at=NOW, also=[event, Put(kind="turn", key="t1", body=b"{}", expect=4)])
    assert approval_of(records, "t1") is None and records.lines() == []
    approve(records, "t1", granted=True, by="Ann", reason="", at=NOW, also=[event])
    assert [line.id for line in records.lines()] == ["e1"]


def test_who_loses_the_race_is_told_who_won() -> None:
    class Raced(MemoryRecords):
        def commit(self, *writes):
            if not self.get("approval", "t1"):
                super().commit(*[Put(kind="approval", key="t1", body=writes[0].body.replace(b"Ann", b"Bob"))])
            super().commit(*writes)

    with pytest.raises(NotAllowed, match="approved by Bob already"):
        approve(Raced(), "t1", granted=True, by="Ann", reason="", at=NOW)


def test_nobody_and_somebody_else_cannot_decide() -> None:
    records = MemoryRecords()
    with pytest.raises(NotAllowed, match="needs a name"):
        approve(records, "t1", granted=True, by=" ", reason="", at=NOW)
    with pytest.raises(NotAllowed, match="waits for Ann"):
        approve(records, "t1", granted=True, by="Bob", reason="", at=NOW, only="Ann")
