"""The prediction log holds every frame of the journal once, whatever dies while it is written."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from noria.core.moments import to_ms
from noria.core.traffic import Feedback, Prediction, Role
from noria.ports.journal import Chunk
from noria.stages.serving import compaction, log
from noria.stages.serving.frames import Explanations, encode, gathered, told
from noria.stages.serving.parts import EXPLANATIONS, OUTCOMES, PREDICTIONS, parts

START = datetime(2026, 3, 1, tzinfo=UTC)


class ListJournal:
    """A journal of sources that are lists of frames; a byte offset is a frame's number."""

    def __init__(self, **sources: list[bytes]) -> None:
        self.sources = sources
        self.forgotten: list[str] = []

    def read(self, since: dict[str, int], *, limit: int = 100_000) -> Iterator[Chunk]:
        for source, frames in self.sources.items():
            start = since.get(source, 0)
            while start < len(frames):
                end = min(len(frames), start + limit)
                yield Chunk(source=source, start=start, end=end, frames=tuple(frames[start:end]))
                start = end

    def forget(self, source: str) -> None:
        self.forgotten.append(source)


def predicted(
    number: int, *, hour: float = 0.0, role: Role = Role.CHAMPION, version: int = 1, deployment: str = "late", **changes
) -> Prediction:
    values = {
        "request_id": f"r{number}", "deployment": deployment, "version": version, "role": role, "time_ms": to_ms(START) + int(hour * 3_600_000),
        "key": f"N{number}", "inputs": {"distance": float(number)}, "served": {"wind": 1.0}, "answer": 0.5, "latency_us": 100,
    }  # fmt: skip
    return Prediction(**{**values, **changes})


def told_of(number: int, value: object = 1.0, *, hour: float = 24.0, deployment: str = "late") -> Feedback:
    return Feedback(request_id=f"r{number}", deployment=deployment, value=value, time_ms=to_ms(START) + int(hour * 3_600_000))


def frames(*rows: Prediction | Feedback) -> list[bytes]:
    answered = [row for row in rows if isinstance(row, Prediction)]
    outcomes = [row for row in rows if isinstance(row, Feedback)]
    return [encode(frame) for frame in (*gathered(answered), *told(outcomes))]


def test_new_rows_are_counted_by_deployment_with_their_time_span(tmp_path) -> None:
    journal = ListJournal(p=frames(predicted(1), predicted(2, hour=2), predicted(3, deployment="churn"), told_of(1)))
    compacted = log.compact(journal, tmp_path)
    assert compacted.arrived["late"] == log.Arrived(predictions=2, outcomes=1, start=START, end=START + timedelta(hours=24))
    assert compacted.arrived["churn"].predictions == 1
    assert (compacted.predictions, compacted.outcomes) == (3, 1)
    assert log.compact(journal, tmp_path).predictions == 0


def test_predictions_have_the_promised_columns(tmp_path) -> None:
    log.compact(ListJournal(p=frames(predicted(1))), tmp_path)
    table = log.predictions(tmp_path, "late")
    assert dict(table.schema) == {
        "request_id": pl.String, "version": pl.Int64, "role": pl.String, "time": pl.Datetime("ms", "UTC"), "key": pl.String,
        "latency_us": pl.Int64, "error": pl.String, "propensity": pl.Float64, "answer": pl.Float64, "in:distance": pl.Float64, "f:wind": pl.Float64,
    }  # fmt: skip
    assert table.row(0, named=True) == {
        "request_id": "r1", "version": 1, "role": "champion", "time": START, "key": "N1", "latency_us": 100, "error": "",
        "propensity": None, "answer": 0.5, "in:distance": 1.0, "f:wind": 1.0,
    }  # fmt: skip


def test_an_empty_log_has_the_columns_too(tmp_path) -> None:
    assert {"request_id", "version", "role", "time", "key", "answer", "latency_us", "error", "propensity"} == set(
        log.predictions(tmp_path, "late").columns
    )
    assert log.outcomes(tmp_path, "late").columns == ["request_id", "value", "time"]
    assert log.labelled(tmp_path, "late").columns[-1] == "outcome"
    assert log.predictions(tmp_path, "late", columns=["answer", "in:x"]).columns == ["answer", "in:x"]


def test_probabilities_and_failed_answers_have_their_places(tmp_path) -> None:
    log.compact(ListJournal(p=frames(predicted(1, answer=(0.2, 0.8)), predicted(2, answer=None, error="boom"))), tmp_path)
    table = log.predictions(tmp_path, "late")
    assert table["answers"].to_list() == [[0.2, 0.8], None]
    assert table["answer"].to_list() == [None, None]
    assert table["error"].to_list() == ["", "boom"]


def test_columns_that_differ_over_parts_and_frames_are_null_where_they_lack(tmp_path) -> None:
    journal = ListJournal(p=frames(predicted(1, inputs={"a": 1}), predicted(2, inputs={"b": "x"})))
    log.compact(journal, tmp_path)
    journal.sources["p"] += frames(predicted(3, inputs={"a": 1.5, "c": True}))
    log.compact(journal, tmp_path)
    table = log.predictions(tmp_path, "late").sort("request_id")
    assert table.select("in:a", "in:b", "in:c").rows() == [(1.0, None, None), (None, "x", None), (1.5, None, True)]
    assert log.predictions(tmp_path, "late", columns=["in:c", "nowhere", "answer"]).columns == ["in:c", "nowhere", "answer"]


def test_a_request_is_read_once_for_each_role(tmp_path) -> None:
    twice = [predicted(1), predicted(1), predicted(1, role=Role.SHADOW, version=2), predicted(1, role=Role.SHADOW, version=2)]
    log.compact(ListJournal(p=frames(*twice)), tmp_path)
    assert log.predictions(tmp_path, "late")["role"].to_list() == ["champion", "shadow"]


def test_roles_versions_and_times_select(tmp_path) -> None:
    rows = [predicted(n, hour=n, version=1 + n % 2, role=Role.CHALLENGER if n % 2 else Role.CHAMPION) for n in range(10)]
    journal = ListJournal(p=frames(*rows[:5]))
    log.compact(journal, tmp_path)
    journal.sources["p"] += frames(*rows[5:])
    log.compact(journal, tmp_path)

    def ids(**selected) -> list[str]:
        return log.predictions(tmp_path, "late", **selected)["request_id"].to_list()

    assert ids() == [f"r{n}" for n in range(10)]
    assert ids(since=START + timedelta(hours=3), until=START + timedelta(hours=7)) == ["r3", "r4", "r5", "r6"]
    assert ids(roles=[Role.CHALLENGER], until=START + timedelta(hours=4)) == ["r1", "r3"]
    assert ids(versions=[1], since=START + timedelta(hours=5)) == ["r6", "r8"]
    assert ids(since=START + timedelta(days=9)) == []


def test_the_last_outcome_told_counts_whatever_its_time(tmp_path) -> None:
    journal = ListJournal(p=frames(told_of(1, 0.0, hour=30), told_of(2, 0.0), told_of(1, 1.0, hour=20)))
    log.compact(journal, tmp_path)
    journal.sources["p"] += frames(told_of(2, 1.0, hour=3))
    log.compact(journal, tmp_path)
    assert dict(log.outcomes(tmp_path, "late").select("request_id", "value").rows()) == {"r1": 1.0, "r2": 1.0}
    log.tidy(tmp_path, "late", START + timedelta(days=9))
    assert dict(log.outcomes(tmp_path, "late").select("request_id", "value").rows()) == {"r1": 1.0, "r2": 1.0}


def test_of_outcomes_that_workers_took_side_by_side_the_last_told_counts(tmp_path) -> None:
    def frame(value: float, minute: int) -> bytes:
        said = Feedback(request_id="r1", deployment="late", value=value, time_ms=to_ms(START))
        return encode(next(told([said], to_ms(START) + 60_000 * minute)))

    journal = ListJournal(first=[frame(1.0, 1), frame(3.0, 5)], second=[frame(2.0, 3)])
    log.compact(journal, tmp_path)
    assert log.outcomes(tmp_path, "late")["value"].to_list() == [3.0]
    assert log.outcomes(tmp_path, "late", keep="first")["value"].to_list() == [1.0]
    journal.sources["second"].append(frame(4.0, 6))
    log.compact(journal, tmp_path)
    assert log.outcomes(tmp_path, "late").columns == ["request_id", "value", "time"]
    assert log.outcomes(tmp_path, "late")["value"].to_list() == [4.0]


def test_labelled_rows_join_outcomes_that_came_later(tmp_path) -> None:
    rows = [predicted(n, hour=n) for n in range(4)]
    log.compact(ListJournal(p=frames(*rows, told_of(0, 1.0, hour=90), told_of(2, 0.0, hour=500), told_of(9, 1.0))), tmp_path)
    table = log.labelled(tmp_path, "late", since=START, until=START + timedelta(hours=2))
    assert table.select("request_id", "outcome").rows() == [("r0", 1.0)]
    table = log.labelled(tmp_path, "late", columns=["in:distance"])
    assert table.columns == ["in:distance", "outcome"]
    assert table.rows() == [(0.0, 1.0), (2.0, 0.0)]


def test_class_names_are_outcomes_too(tmp_path) -> None:
    log.compact(ListJournal(p=frames(told_of(1, "red"), told_of(2, "blue"))), tmp_path)
    assert log.outcomes(tmp_path, "late")["value"].to_list() == ["red", "blue"]


def test_bools_are_outcomes_as_numbers(tmp_path) -> None:
    log.compact(ListJournal(p=frames(told_of(1, True), told_of(2, 0))), tmp_path)
    assert log.outcomes(tmp_path, "late")["value"].to_list() == [1.0, 0.0]


def test_frames_that_no_noria_wrote_are_passed_over_and_counted(tmp_path) -> None:
    compacted = log.compact(ListJournal(p=[b"\xc1", *frames(predicted(1))]), tmp_path)
    assert (compacted.predictions, compacted.unreadable) == (1, 1)


def test_at_most_the_limit_is_compacted_in_one_call(tmp_path) -> None:
    journal = ListJournal(p=[frames(predicted(n))[0] for n in range(10)])
    assert [log.compact(journal, tmp_path, limit=4).predictions for _ in range(4)] == [4, 4, 2, 0]
    assert log.predictions(tmp_path, "late").height == 10


def test_parts_that_are_merged_while_they_are_read_are_looked_up_again(tmp_path, monkeypatch) -> None:
    journal = ListJournal(p=[])
    for number in range(3):
        journal.sources["p"] += frames(predicted(number, hour=number))
        log.compact(journal, tmp_path)
    read = log.pl.read_parquet

    def merged_meanwhile(*args, **named):
        monkeypatch.setattr(log.pl, "read_parquet", read)
        log.tidy(tmp_path, "late", START + timedelta(days=1))
        return read(*args, **named)

    monkeypatch.setattr(log.pl, "read_parquet", merged_meanwhile)
    assert log.predictions(tmp_path, "late").height == 3


def test_sources_that_are_compacted_may_be_forgotten(tmp_path) -> None:
    journal = ListJournal(p=frames(predicted(1)), q=frames(predicted(2)))
    log.compact(journal, tmp_path)
    assert sorted(journal.forgotten) == ["p", "q"]


class Crash(BaseException):
    """The process dies here."""


@pytest.mark.parametrize("dies_at", range(6))
def test_a_crash_anywhere_in_compaction_loses_and_doubles_nothing(tmp_path, monkeypatch, dies_at) -> None:
    journal = ListJournal(p=frames(predicted(1), predicted(2, deployment="churn"), told_of(1)))
    steps = iter(range(100))

    def dying(real):
        def step(*args):
            if next(steps) == dies_at:
                raise Crash
            return real(*args)

        return step

    with monkeypatch.context() as patched:
        patched.setattr(compaction, "sync_file", dying(compaction.sync_file))
        patched.setattr(compaction, "sync_folder", dying(compaction.sync_folder))
        with pytest.raises(Crash):
            log.compact(journal, tmp_path)
    journal.sources["p"] += frames(predicted(3))
    log.compact(journal, tmp_path)
    counted = {name: sum(part.rows for part in parts(tmp_path / name / PREDICTIONS)) for name in ("late", "churn")}
    assert counted == {"late": 2, "churn": 1}
    assert sum(part.rows for part in parts(tmp_path / "late" / OUTCOMES)) == 1
    assert not list(tmp_path.rglob("pending-*"))


@pytest.mark.parametrize("dies_at", range(4))
def test_a_crash_while_tidying_shows_no_row_twice(tmp_path, monkeypatch, dies_at) -> None:
    journal = ListJournal(p=[])
    for number in range(6):
        journal.sources["p"] += frames(predicted(number, hour=number))
        log.compact(journal, tmp_path)
    steps = iter(range(100))
    unlink, sync_file, sync_folder = compaction.Path.unlink, compaction.sync_file, compaction.sync_folder

    def dying(real):
        def step(*args, **named):
            if next(steps) == dies_at:
                raise Crash
            return real(*args, **named)

        return step

    with monkeypatch.context() as patched:
        patched.setattr(compaction.Path, "unlink", dying(unlink))
        patched.setattr(compaction, "sync_file", dying(sync_file))
        patched.setattr(compaction, "sync_folder", dying(sync_folder))
        with pytest.raises(Crash):
            log.tidy(tmp_path, "late", START + timedelta(days=1))
    assert sum(part.rows for part in parts(tmp_path / "late" / PREDICTIONS)) == 6
    journal.sources["p"] += frames(predicted(6, hour=30))
    log.compact(journal, tmp_path)
    log.tidy(tmp_path, "late", START + timedelta(days=1))
    assert [part.rows for part in parts(tmp_path / "late" / PREDICTIONS)] == [6, 1]
    assert len(list((tmp_path / "late" / PREDICTIONS).iterdir())) == 2
    assert log.predictions(tmp_path, "late")["request_id"].to_list() == [f"r{n}" for n in range(7)]


def test_tidying_says_how_many_files_it_saved_and_leaves_young_ones(tmp_path) -> None:
    journal = ListJournal(p=[])
    for number in range(5):
        journal.sources["p"] += frames(predicted(number, hour=number), told_of(number, hour=number))
        log.compact(journal, tmp_path)
    assert log.tidy(tmp_path, "late", START + timedelta(hours=3)) == 4
    assert [part.rows for part in parts(tmp_path / "late" / PREDICTIONS)] == [3, 1, 1]
    assert log.tidy(tmp_path, "late", START + timedelta(hours=3)) == 0


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    batches=st.lists(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 72)), max_size=5), min_size=1, max_size=5),
    since=st.integers(0, 72),
    hours=st.integers(0, 72),
)
def test_the_log_reads_like_a_plain_list(tmp_path_factory, batches, since, hours) -> None:
    folder, journal, seen = tmp_path_factory.mktemp("log"), ListJournal(p=[]), {}
    for batch in batches:
        journal.sources["p"] += frames(*(predicted(number, hour=hour) for number, hour in batch))
        log.compact(journal, folder)
        log.tidy(folder, "late", START + timedelta(hours=40))
    for number, hour in (pair for batch in batches for pair in batch):
        seen.setdefault(hour, set()).add(number)
    low, high = START + timedelta(hours=since), START + timedelta(hours=since + hours)
    read = log.predictions(folder, "late", since=low, until=high)
    wanted = {number for hour, numbers in seen.items() if since <= hour < since + hours for number in numbers}
    assert set(read["request_id"]) == {f"r{number}" for number in wanted}
    assert read["time"].is_sorted()
    assert read["request_id"].is_unique().all()


def test_where_the_newest_rows_begin_is_told_by_the_names_of_the_files(tmp_path) -> None:
    for day in range(4):
        rows = [predicted(10 * day + number, hour=24 * day + number) for number in range(5)]
        log.compact(ListJournal(**{f"p{day}": frames(*rows)}), tmp_path)
    day = timedelta(days=1)
    assert log.newest(tmp_path, "late", until=START + 4 * day, rows=11) == START + 2 * day
    assert log.newest(tmp_path, "late", until=START + 4 * day, rows=3) == START + 3 * day
    assert log.newest(tmp_path, "late", until=START + 2 * day, rows=100) == START
    assert log.newest(tmp_path, "churn", until=START, rows=100) == START


def test_the_first_and_the_last_that_was_told_of_a_request_are_both_kept(tmp_path) -> None:
    log.compact(ListJournal(p=frames(predicted(1), told_of(1, 0.0, hour=2), told_of(1, 1.0, hour=5))), tmp_path)
    assert log.outcomes(tmp_path, "late")["value"].to_list() == [1.0]
    assert log.outcomes(tmp_path, "late", keep="first")["value"].to_list() == [0.0]
    assert log.labelled(tmp_path, "late", known_by=START + timedelta(hours=4))["outcome"].to_list() == [0.0]


def test_numbers_of_the_business_are_a_table_of_their_own_and_no_outcome(tmp_path) -> None:
    plain = {"deployment": "late", "time_ms": to_ms(START)}
    said = [
        Feedback(request_id="r1", value=1.0, metrics={"revenue": 3.2}, **plain),
        Feedback(request_id="r2", value=None, metrics={"revenue": 1.0, "cost": 2.0}, **plain),
        Feedback(request_id="r1", value=0.0, metrics={"cost": 0.5}, **plain),
        Feedback(request_id="r3", value=1.0, **plain),
    ]
    log.compact(ListJournal(a=[encode(frame) for frame in told(said)]), tmp_path)
    assert log.outcomes(tmp_path, "late").select("request_id", "value").rows() == [("r1", 0.0), ("r3", 1.0)]
    business = log.business(tmp_path, "late").sort("request_id")
    assert business.select("request_id", "revenue", "cost").rows() == [("r1", 3.2, 0.5), ("r2", 1.0, 2.0), ("r3", None, None)]
    assert log.business(tmp_path, "nobody").columns == ["request_id"]


def test_the_chance_with_which_a_request_was_dealt_is_in_the_log(tmp_path) -> None:
    log.compact(ListJournal(a=frames(predicted(1, propensity=0.9), predicted(2))), tmp_path)
    assert log.predictions(tmp_path, "late")["propensity"].to_list() == [0.9, None]


def explained(number: int, text: str = "{}", *, hour: float = 0.0) -> bytes:
    time_ms = to_ms(START) + int(hour * 3_600_000)
    return encode(Explanations("late", 1, [f"r{number}"], [time_ms], ["tree-shap"], [""], [text]))


def test_reasons_are_kept_beside_what_they_explain(tmp_path) -> None:
    journal = ListJournal(one=[*frames(predicted(1), told_of(1)), explained(1, '{"a": 1}'), explained(2), explained(1, '{"a": 2}')])
    taken = log.compact(journal, tmp_path)
    assert (taken.predictions, taken.outcomes, taken.rows, taken.unreadable) == (1, 1, 5, 0)
    assert log.explanation(tmp_path, "late", "r1") == '{"a": 2}'
    assert log.explanation(tmp_path, "late", "r3") is None
    assert log.predictions(tmp_path, "late").height == 1


def test_reasons_alone_make_no_traffic(tmp_path) -> None:
    taken = log.compact(ListJournal(one=[explained(1)]), tmp_path)
    assert (taken.arrived["late"].predictions, taken.arrived["late"].explanations) == (0, 1)
    assert log.predictions(tmp_path, "late").is_empty()


def test_files_of_reasons_are_merged_as_others_are(tmp_path) -> None:
    journal = ListJournal(one=[])
    for number in range(4):
        journal.sources["one"].append(explained(number, f'{{"a": {number}}}', hour=number))
        log.compact(journal, tmp_path)
    assert log.tidy(tmp_path, "late", START + timedelta(days=2)) == 3
    assert len(parts(tmp_path / "late" / EXPLANATIONS)) == 1
    assert [log.explanation(tmp_path, "late", f"r{number}") for number in range(4)] == [f'{{"a": {number}}}' for number in range(4)]
