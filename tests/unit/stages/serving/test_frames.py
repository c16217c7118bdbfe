"""What goes into the journal comes out of it."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from noria.core.errors import DataInvalid
from noria.core.traffic import Feedback, Prediction, Role
from noria.stages.serving.frames import Outcomes, Predictions, decode, encode, gathered, spread, told

scalars = st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | st.text(max_size=8)
fields = st.fixed_dictionaries({"a": scalars, "b": scalars})
predictions = st.builds(
    Prediction,
    request_id=st.text(max_size=8),
    deployment=st.sampled_from(["late", "churn"]),
    version=st.integers(1, 3),
    role=st.sampled_from(Role),
    time_ms=st.integers(0, 2**42),
    key=st.text(max_size=5),
    inputs=fields,
    served=fields | st.just({}),
    answer=st.none() | st.floats(allow_nan=False) | st.lists(st.floats(allow_nan=False), min_size=2, max_size=3).map(tuple),
    latency_us=st.integers(0, 2**40),
    error=st.text(max_size=8),
    propensity=st.none() | st.floats(0, 1),
)


@settings(max_examples=50, deadline=None)
@given(rows=st.lists(predictions, max_size=6))
def test_predictions_survive_the_journal(rows) -> None:
    read = [row for frame in gathered(rows) for row in spread(decode(encode(frame)))]
    assert read == rows


def test_neighbours_of_one_version_share_a_frame() -> None:
    row = Prediction(
        request_id="r", deployment="late", version=1, role=Role.CHAMPION, time_ms=1, key="k",
        inputs={"a": 1}, served={}, answer=0.5, latency_us=1,
    )  # fmt: skip
    assert [len(frame.ids) for frame in gathered([row] * 5)] == [5]


@settings(max_examples=50, deadline=None)
@given(
    rows=st.lists(
        st.builds(Feedback, request_id=st.text(max_size=8), deployment=st.just("late"), value=scalars, time_ms=st.integers(0, 2**42))
    )
)
def test_outcomes_survive_the_journal(rows) -> None:
    frames = [decode(encode(frame)) for frame in told(rows)]
    assert all(isinstance(frame, Outcomes) for frame in frames)
    assert [pair for frame in frames for pair in zip(frame.ids, frame.values, frame.times, strict=True)] == [
        (row.request_id, row.value, row.time_ms) for row in rows
    ]


def test_numbers_of_numpy_are_journalled_as_plain_ones() -> None:
    frame = Predictions(
        "late", 1, ["r"], [Role.CHAMPION], [1], ["k"], {"a": [np.float64(1.5)]}, {"b": [np.int32(3), np.bool_(True)]}, [0.5], [1], [""]
    )
    read = decode(encode(frame))
    assert (read.inputs, read.served) == ({"a": [1.5]}, {"b": [3, True]})


@pytest.mark.parametrize("data", [b"", b"\xc1", b"\x91\xa2p9", b"\x93\xa2o1\x01\x02"])
def test_what_is_no_frame_is_refused(data) -> None:
    with pytest.raises(DataInvalid, match="cannot be read"):
        decode(data)


numbers = st.dictionaries(st.sampled_from(["revenue", "cost"]), st.floats(-1e6, 1e6))


@settings(max_examples=30, deadline=None)
@given(told_with=st.lists(numbers, max_size=5))
def test_numbers_of_the_business_survive_the_journal(told_with) -> None:
    rows = [Feedback(request_id=f"r{n}", deployment="late", value=1.0, time_ms=n, metrics=metrics) for n, metrics in enumerate(told_with)]
    for frame in (decode(encode(one)) for one in told(rows)):
        read = [{name: column[n] for name, column in (frame.metrics or {}).items() if column[n] is not None} for n in range(len(frame.ids))]
        assert read == told_with


def test_frames_of_before_there_were_propensities_and_metrics_still_open() -> None:
    old = msgspec.msgpack.encode(["p1", "late", 1, ["r1"], ["champion"], [5], ["k"], {"a": [1]}, {}, [0.5], [10], [""]])
    assert [row.propensity for row in spread(decode(old))] == [None]
    assert decode(msgspec.msgpack.encode(["o1", "late", ["r1"], [1.0], [5]])).metrics is None
