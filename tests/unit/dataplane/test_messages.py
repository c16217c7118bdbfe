"""Messages survive any cut that a socket makes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from noria.dataplane.framing import Unpacker
from noria.dataplane.messages import Begin, Begun, More, Over, Piece, Question, Reply, Stop, asked, packed, told

values = st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | st.text(max_size=5)
questions = st.builds(
    Question,
    number=st.integers(0, 2**40),
    names=st.lists(st.text(max_size=5), max_size=3),
    rows=st.lists(st.lists(values, max_size=3), max_size=3),
    now_ms=st.integers(0, 2**42),
    timeout_ms=st.floats(0, 1e6),
    deadline_s=st.floats(0, 1e9),
)


@settings(max_examples=50, deadline=None)
@given(said=st.lists(questions, max_size=4), data=st.data())
def test_questions_come_back_whole_however_the_stream_is_cut(said, data) -> None:
    stream = b"".join(map(packed, said))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=5)))
    pieces = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    unpacker = Unpacker()
    assert [asked(body) for piece in pieces for body in unpacker.feed(piece)] == said


def test_replies_carry_numbers_probabilities_and_failures() -> None:
    said = Reply(7, [0.5, (0.25, 0.75), None], {"wind": [1.5, None, np.float64(2.5)]}, "")
    (body,) = Unpacker().feed(packed(said))
    assert told(body) == Reply(7, [0.5, (0.25, 0.75), None], {"wind": [1.5, None, 2.5]}, "")


@pytest.mark.parametrize("about", [Begin(1, ["tail"], ["N1"], 5), More(1, 8), Stop(1)])
def test_what_is_said_about_streams_comes_back_whole(about) -> None:
    (body,) = Unpacker().feed(packed(about))
    heard = asked(body)
    assert (type(heard), heard) == (type(about), about)


@pytest.mark.parametrize("about", [Begun(1, streams=True), Piece(1, b'"a"'), Over(1, "", 2.0)])
def test_what_a_stream_says_comes_back_whole(about) -> None:
    (body,) = Unpacker().feed(packed(about))
    assert told(body) == about
