"""Quality as of a date is what an honest report of that date said, however outcomes come, late, early or revised."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from noria.core.moments import to_ms
from noria.core.schema import Signature, Task
from noria.core.traffic import Feedback, Prediction, Role
from noria.loop.performance import curve_of, known_rows
from noria.ports.journal import Chunk
from noria.stages.serving import log
from noria.stages.serving.frames import encode, gathered, told

START = datetime(2026, 3, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
SIGNATURE = Signature(inputs=(), features=(), task=Task.BINARY, classes=("no", "yes"))
SAID = st.tuples(st.integers(0, 7), st.integers(0, 1), st.integers(0, 60))
"""An outcome: of which request, its value, and how many hours after the start it was told."""


class OneFrameEach:
    """A journal of frames as they came."""

    def __init__(self, frames: list[bytes]) -> None:
        self.frames = frames

    def read(self, since: dict[str, int], *, limit: int = 100_000) -> Iterator[Chunk]:
        yield Chunk(source="p", start=0, end=len(self.frames), frames=tuple(self.frames))

    def forget(self, source: str) -> None:
        del source


def answered(number: int, hour: float, role: Role = Role.CHAMPION) -> Prediction:
    return Prediction(
        request_id=f"r{number}", deployment="late", version=1, role=role, time_ms=to_ms(START + hour * HOUR), key="k", inputs={}, served={},
        answer=0.5, latency_us=100,
    )  # fmt: skip


def feedback(number: int, value: int, hour: float) -> Feedback:
    return Feedback(request_id=f"r{number}", deployment="late", value=float(value), time_ms=to_ms(START + hour * HOUR))


def logged(folder: Path, predictions: list[Prediction], outcomes: list[Feedback]) -> None:
    frames = [*gathered(predictions), *(frame for one in outcomes for frame in told([one]))]
    log.compact(OneFrameEach([encode(frame) for frame in frames]), folder)


@settings(max_examples=30, deadline=None)
@given(st.lists(SAID, max_size=20), st.integers(0, 61))
def test_what_was_known_at_a_moment_is_what_had_been_told_by_then(said, moment):
    with TemporaryDirectory() as folder:
        place, as_of = Path(folder), START + moment * HOUR
        logged(place, [answered(number, 4 * number) for number in range(8)], [feedback(*one) for one in said])
        rows = known_rows(place, "late", SIGNATURE, as_of=as_of)
        by_hand = {}
        for number in range(8):
            if 4 * number < moment:
                heard = [(value, hour) for one, value, hour in said if one == number and hour < moment]
                age = (min(heard, key=heard.index)[1] if heard else moment) - 4 * number
                by_hand[f"r{number}"] = (heard[-1][0] if heard else None, bool(heard), max(age, 0) * 3600)
        assert {one["request_id"]: (one["outcome"], one["came"], one["age_s"]) for one in rows.to_dicts()} == by_hand


def test_an_answer_that_nobody_saw_is_no_performance(tmp_path):
    logged(tmp_path, [answered(1, 0), answered(1, 0, Role.SHADOW), answered(2, 1, Role.SHADOW)], [feedback(1, 1, 2), feedback(2, 1, 2)])
    assert known_rows(tmp_path, "late", SIGNATURE, as_of=START + 9 * HOUR)["request_id"].to_list() == ["r1"]


def test_a_log_without_anything_is_a_curve_of_nothing(tmp_path):
    curve = curve_of(known_rows(tmp_path, "late", SIGNATURE, as_of=START), "late", START)
    assert curve.rows == 0 and curve.share == ()
