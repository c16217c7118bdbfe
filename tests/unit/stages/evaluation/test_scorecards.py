import math
from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest

from noria.core.errors import DataInvalid
from noria.core.judging import Scorecard
from noria.core.schema import Task
from noria.ports.wire import dump, load
from noria.stages.evaluation.estimates import estimate
from noria.stages.evaluation.metrics import measurable
from noria.stages.evaluation.scorecards import scorecard, time_blocks, to_text

START = np.datetime64("2013-03-01T00:00", "ms")


def card(rows: int = 2_000, *, champion: bool = True, days: int = 20, **options) -> Scorecard:
    random = np.random.default_rng(1)
    y = (random.random(rows) < 0.4).astype(int)
    good, weak = (np.clip(0.3 + 0.3 * y + noise * random.normal(size=rows), 0, 1) for noise in (0.2, 0.4))
    return scorecard(
        task=Task.BINARY,
        y=y,
        score=good,
        times=START + (np.arange(rows) * days * 86_400_000 // rows).astype("timedelta64[ms]"),
        frame=pl.DataFrame({"origin": np.resize(["EWR", "JFK"], rows)}),
        made_from=("sha256:a", "sha256:b"),
        champion="late-arrival@3" if champion else "",
        champion_score=weak if champion else None,
        slices=["origin"],
        metric="roc_auc",
        seed=7,
        latency=(0.1, 0.4),
        size_bytes=1_234_567,
        **options,
    )


def test_every_metric_of_the_task_is_marked_for_both_and_compared() -> None:
    made = card()
    assert tuple(made.metrics) == tuple(made.champion_metrics) == tuple(made.versus_champion) == measurable(Task.BINARY)
    assert made.versus_champion["roc_auc"].low > 0
    assert made.versus_champion["log_loss"].low > 0
    assert (made.rows, made.start, made.end.date()) == (2_000, datetime(2013, 3, 1, tzinfo=UTC), datetime(2013, 3, 20).date())
    assert {mark.value for mark in made.slices} == {"EWR", "JFK"}


def test_at_birth_there_is_nothing_to_compare_with() -> None:
    made = card(champion=False)
    assert (made.champion, dict(made.champion_metrics), dict(made.versus_champion)) == ("", {}, {})
    assert all(mark.versus is None for mark in made.slices)


def test_it_comes_back_from_the_wire_as_it_was() -> None:
    made = card()
    assert load(dump(made), Scorecard) == made


def test_blocks_are_days_then_hours_then_nothing() -> None:
    def blocks_over(hours: int) -> np.ndarray | None:
        return time_blocks(START + np.arange(0, hours * 60, 5).astype("timedelta64[m]"))

    for hours, blocks in ((20 * 24, 20), (5 * 24, 5 * 24), (10, 10)):
        found = blocks_over(hours)
        assert found is not None and len(np.unique(found)) == blocks
    assert blocks_over(9) is None


def test_intervals_are_clustered_by_day() -> None:
    random = np.random.default_rng(2)
    day = np.repeat(np.arange(20), 50)
    y = np.zeros(1_000)
    score = random.normal(size=20)[day] + 0.1 * random.normal(size=1_000)
    made = scorecard(
        task=Task.REGRESSION,
        y=y,
        score=score,
        times=START + day.astype("timedelta64[D]"),
        frame=pl.DataFrame(),
        made_from=(),
        metric="mae",
        seed=1,
        latency=(math.nan, math.nan),
        size_bytes=0,
    )
    careless = estimate("bias", y, score, task=Task.REGRESSION)
    assert made.metrics["bias"].se > 4 * careless.se


def test_slices_can_be_marked_by_more_metrics_the_main_one_first() -> None:
    made = card(slice_metrics=["brier", "roc_auc"], min_slice_rows=10)
    assert [mark.metric for mark in made.slices] == ["roc_auc", "roc_auc", "brier", "brier"]


def test_no_rows_are_no_scorecard() -> None:
    with pytest.raises(DataInvalid, match="no row to judge"):
        card(rows=0)


def test_the_text_shows_each_metric_and_the_worst_slices() -> None:
    text = to_text(card())
    assert text.startswith("2000 rows, 2013-03-01 to 2013-03-20 against late-arrival@3")
    assert all(name in text for name in measurable(Task.BINARY))
    assert "one row in 0.10 ms (p99 0.40 ms), 1.23 MB" in text
    assert "worst slices:" in text and "origin=" in text
    assert "champion" not in to_text(card(champion=False))
