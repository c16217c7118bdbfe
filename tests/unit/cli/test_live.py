from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from noria.cli.drawing import BAD, GOOD, bar, chart
from noria.cli.live import DriftBar, Happening, LiveState, LiveView, QualityPoint
from noria.cli.live_state import STATIONS
from noria.cli.panels import frame

APRIL = datetime(2013, 4, 1, tzinfo=UTC)


def happening(n: int, *, important: bool = True, text: str = "because") -> Happening:
    return Happening(id=f"event_{n}", at=APRIL + timedelta(days=n), kind="turn.started", text=text, important=important)


def busy() -> LiveState:
    return LiveState(
        loop="late-arrival",
        now=APRIL + timedelta(days=90),
        start=APRIL,
        end=APRIL + timedelta(days=275),
        speed=98_000,
        elapsed_s=74,
        station="training",
        station_note="trial 4 of 6",
        turn="turn 3, because of drift",
        champion=1,
        challenger=2,
        share=0.25,
        rollout="canary, step 2 of 4",
        quality_metric="roc_auc",
        quality=[QualityPoint(value=0.74 - n / 2000, low=0.7, high=0.76) for n in range(90)],
        reference=0.743,
        limit=0.713,
        drift=[DriftBar(name="temp", value=8.4, threshold=4.0, firing=True), DriftBar(name="humid", value=0.0, threshold=0.0)],
        incidents=["temp drifts"],
        happenings=[happening(n) for n in range(20)],
        requests=81_234,
        fallbacks=3,
        outcomes=79_000,
        decision="turn: temp has drifted for 3 weeks",
        page="http://127.0.0.1:7700",
    )


def drawn(state: LiveState, width: int, height: int) -> list[str]:
    console = Console(width=width, height=height, file=io.StringIO(), force_terminal=True, color_system=None)
    console.print(frame(state), height=height)
    return console.file.getvalue().splitlines()  # type: ignore[attr-defined]


@pytest.mark.parametrize(("width", "height"), [(80, 24), (100, 30), (120, 40), (200, 60)])
@pytest.mark.parametrize("state", [LiveState(), busy()], ids=["empty", "busy"])
def test_a_picture_fills_its_screen_and_no_more(state: LiveState, width: int, height: int) -> None:
    lines = drawn(state, width, height)
    assert len(lines) == height
    assert all(len(line) <= width for line in lines)


def test_a_busy_picture_says_who_answers_what_turns_and_why() -> None:
    text = "\n".join(drawn(busy(), 120, 40))
    for words in (
        "late-arrival",
        "Sun 30 Jun 2013",
        "turn 3, because of drift",
        "trial 4 of 6",
        "75%",
        "25%",
        "81,234",
        "temp drifts",
        "8.40 of 4.00",
    ):
        assert words in text
    assert all(station in text for station in STATIONS)
    assert "turn: temp has drifted for 3 weeks" in text


def test_the_newest_happenings_are_the_ones_that_are_seen() -> None:
    text = "\n".join(drawn(busy(), 100, 30))
    assert "20 Apr" in text
    assert "02 Apr" not in text


def test_quality_that_is_not_known_yet_is_said_so() -> None:
    assert "quality is unknown" in "\n".join(drawn(LiveState(), 100, 30))


def test_where_there_is_no_terminal_each_important_happening_is_one_line_once() -> None:
    out = io.StringIO()
    with LiveView(Console(file=out, width=60)) as view:
        view.show(LiveState(happenings=[happening(1, text="a long reason " * 8), happening(2, important=False)]))
        view.show(LiveState(happenings=[happening(1), happening(3)]))
    lines = out.getvalue().splitlines()
    assert len(lines) == 2
    assert lines[0].startswith("2013-04-02 00:00  turn.started")
    assert lines[1].endswith("because")


def test_on_a_terminal_pictures_are_spaced_and_the_last_one_stays_behind() -> None:
    out = io.StringIO()
    with LiveView(Console(file=out, width=100, height=30, force_terminal=True), fps=0.001) as view:
        assert view.show(busy())
        assert not view.show(busy())
        assert view.show(busy(), force=True)
    after = out.getvalue().rsplit("\x1b[?1049l", 1)[1]
    assert "late-arrival" in after


def test_a_window_that_is_too_small_gets_lines_instead() -> None:
    out = io.StringIO()
    with LiveView(Console(file=out, width=60, height=10, force_terminal=True, color_system=None)) as view:
        view.show(busy())
    assert "turn.started" in out.getvalue()
    assert "\x1b[?1049h" not in out.getvalue()


@pytest.mark.parametrize(("reference", "limit", "well", "ill"), [(0.74, 0.71, 0.75, 0.70), (12.0, 14.0, 11.0, 15.0)])
def test_a_fall_is_red_whichever_way_the_metric_points(reference: float, limit: float, well: float, ill: float) -> None:
    points = [QualityPoint(value=v, low=v, high=v) for v in (well, ill)]
    colours = [span.style for span in chart(points, width=4, height=1, reference=reference, limit=limit)[0].spans]
    assert colours[:2] == [GOOD, BAD]


def test_a_history_longer_than_the_chart_is_seen_whole() -> None:
    points = [QualityPoint(value=v, low=v, high=v) for v in [0.9] * 150 + [0.5] * 150]
    colours = {span.style for span in chart(points, width=20, height=1, reference=0.9, limit=0.8)[0].spans}
    assert {GOOD, BAD} <= colours


@given(st.floats(0, 1), st.integers(1, 80))
def test_a_bar_is_as_wide_as_asked_and_a_small_share_is_never_invisible(share: float, width: int) -> None:
    drawn_bar = bar(share, width, "red")
    assert drawn_bar.cell_len == width
    assert share == 0 or any(span.style == "red" and span.end > span.start for span in drawn_bar.spans)


@settings(max_examples=50)
@given(
    st.lists(st.floats(-10, 10) | st.just(float("nan")), max_size=40),
    st.integers(4, 60),
    st.integers(1, 8),
    st.floats(-10, 10) | st.just(float("nan")),
)
def test_a_chart_keeps_its_size_whatever_it_is_given(values: list[float], width: int, height: int, reference: float) -> None:
    points = [QualityPoint(value=v, low=v, high=v) for v in values]
    rows = chart(points, width=width, height=height, reference=reference, limit=reference - 0.03)
    assert len(rows) == height
    if any(v == v for v in values):
        assert {row.cell_len for row in rows} == {width + 1}
