import math
from datetime import UTC, datetime
from threading import Thread

import pytest

from noria.core.errors import Conflict, NotFound
from noria.core.judging import Outcome, Scorecard, Verdict
from noria.core.registry import ModelVersion
from noria.core.schema import Field, Kind, Signature, Task
from noria.core.training import Candidate, Provenance, Recipe
from noria.ports.records import Append, Put, Write
from noria.ports.wire import dump
from noria.stages.registry import reading
from noria.stages.registry.versions import get, latest, register, versions
from noria.testing.memory import MemoryRecords

NOW = datetime(2013, 4, 1, tzinfo=UTC)
NUMBER = Field(name="distance", kind=Kind.FLOAT)
CANDIDATE = Candidate(
    artifact="sha256:a",
    made_from=("sha256:f",),
    signature=Signature(inputs=(NUMBER,), features=(NUMBER,), task=Task.BINARY, classes=("0", "1")),
    recipe=Recipe(params={"num_leaves": 31}, metric="roc_auc"),
    provenance=Provenance(code="sha256:c", commit="", diff="", environment="sha256:e", seed=7),
    format="lightgbm",
    serving_form="lightgbm",
    size_bytes=10,
    parity_max_diff=math.nan,
    run="run_1",
)
CARD = Scorecard(made_from=(), task=Task.BINARY, rows=10, start=NOW, end=NOW, metrics={})
VERDICT = Verdict(outcome=Outcome.PASS, results=())


def registered(records: MemoryRecords, turn: str, model: str = "late", **options) -> ModelVersion:
    return register(
        records,
        model=model,
        candidate=CANDIDATE,
        scorecard=CARD,
        verdict=VERDICT,
        feature_set="sha256:f",
        datasets=("sha256:d",),
        reference="sha256:r",
        code="sha256:c",
        turn=turn,
        at=NOW,
        **options,
    )


def event_of(version: ModelVersion) -> list[Write]:
    return [Append(id=f"e{version.number}", loop=version.model, kind="version.registered", subject="", turn=version.turn, body=b"{}")]


def test_numbers_count_up_within_each_model() -> None:
    records = MemoryRecords()
    assert [registered(records, f"t{n}").number for n in range(1, 4)] == [1, 2, 3]
    assert registered(records, "t9", model="fraud").number == 1
    assert (latest(records, "late"), latest(records, "nothing")) == (3, 0)


def test_a_version_comes_back_as_it_was_registered() -> None:
    records = MemoryRecords()
    made = registered(records, "t1")
    assert dump(get(records, "late", 1)) == dump(made)


def test_a_turn_registers_once_however_often_it_is_driven() -> None:
    records = MemoryRecords()
    first = registered(records, "t1", also=event_of)
    registered(records, "t2", also=event_of)
    again = registered(records, "t1", also=event_of)
    assert again.number == first.number == 1
    assert [line.id for line in records.lines()] == ["e1", "e2"]
    assert len(versions(records, "late")) == 2


def test_without_a_turn_each_call_makes_a_version() -> None:
    records = MemoryRecords()
    assert [registered(records, "").number for _ in range(2)] == [1, 2]


def test_versions_are_listed_oldest_first_beyond_one_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "PAGE", 4)
    records = MemoryRecords()
    for n in range(1, 12):
        registered(records, f"t{n}")
    assert [version.number for version in versions(records, "late")] == list(range(1, 12))
    assert versions(records, "fraud") == []


def test_a_missing_version_is_answered_with_those_that_exist() -> None:
    records = MemoryRecords()
    with pytest.raises(NotFound, match="no versions yet"):
        get(records, "late", 1)
    registered(records, "t1")
    with pytest.raises(NotFound, match="its versions are 1 to 1"):
        get(records, "late", 7)


def test_a_lease_that_was_lost_registers_nothing() -> None:
    records = MemoryRecords()
    with pytest.raises(Conflict):
        registered(records, "t1", also=lambda version: [Put(kind="turn", key="t1", body=b"{}", expect=3)])
    assert latest(records, "late") == 0


def test_turns_at_the_same_moment_get_numbers_of_their_own() -> None:
    records = MemoryRecords()
    threads = [Thread(target=registered, args=(records, f"t{n % 6}")) for n in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [version.number for version in versions(records, "late")] == [1, 2, 3, 4, 5, 6]
    assert {version.turn for version in versions(records, "late")} == {f"t{n}" for n in range(6)}
