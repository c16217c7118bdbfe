"""One candidate's marks on the newest rows, put together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray

from noria.core.errors import DataInvalid
from noria.core.judging import Scorecard, SliceMark
from noria.core.moments import from_ms
from noria.core.schema import Estimate, Task
from noria.stages.evaluation.estimates import estimate
from noria.stages.evaluation.given import PLAIN, Given
from noria.stages.evaluation.metrics import measurable
from noria.stages.evaluation.metrics import metric as metric_of
from noria.stages.evaluation.paired import compare
from noria.stages.evaluation.slices import slice_marks

FEWEST_BLOCKS = 10
"""A variance between fewer blocks of time than this is worth too little."""

SLICES_SHOWN = 5
BYTES_PER_MB = 1_000_000


def scorecard(
    *,
    task: Task,
    y: ArrayLike,
    score: ArrayLike,
    times: NDArray[np.datetime64],
    frame: pl.DataFrame,
    made_from: tuple[str, ...],
    champion: str = "",
    champion_score: ArrayLike | None = None,
    slices: Sequence[str] = (),
    metric: str,
    seed: int,
    latency: tuple[float, float],
    size_bytes: int,
    slice_metrics: Sequence[str] = (),
    min_slice_rows: int = 200,
    also: Sequence[str] = (),
    given: Given = PLAIN,
    champion_given: Given | None = None,
) -> Scorecard:
    """Mark a candidate by every metric of its task, against the champion, and by slice.

    Rows of one day share more than chance (weather, a holiday), so all intervals take blocks of
    time, not rows, as what is independent; see `time_blocks`.

    Args:
        y: Outcomes, shape (rows,): 0/1, class codes or numbers.
        score: P(1) or the number, shape (rows,), or class probabilities, shape (rows, classes).
        times: Event times, datetime64, shape (rows,).
        frame: The same rows with the columns of `slices`.
        champion_score: The champion's scores for the same rows.
        metric: The metric of the slices; theirs come first, worst first.
        slice_metrics: More metrics to mark the slices by.
        min_slice_rows: Smaller slices are left out.
        latency: p50 and p99 in ms, see `noria.stages.evaluation.latency`.
        also: Metrics beyond the usual ones of the task, such as `ndcg_5`.
        given: What metrics may need besides: threshold, costs, queries.
        champion_given: The same for the champion, which has its own threshold.

    Raises:
        DataInvalid: there is no row to judge on.
    """
    if not len(times):
        raise DataInvalid(
            "there is no row to judge the candidate on", fix="let more labelled rows come in, or raise the loop's `test` share"
        )
    blocks = time_blocks(times)
    serial = task is Task.FORECAST
    names = tuple(dict.fromkeys((*measurable(task, given), *also)))
    moments = times.astype("datetime64[ms]").astype(np.int64)

    def sliced(by: str) -> tuple[SliceMark, ...]:
        return slice_marks(
            frame,
            slices,
            y,
            score,
            champion_score,
            metric=by,
            task=task,
            min_rows=min_slice_rows,
            clusters=blocks,
            seed=seed,
            given=given,
            champion_given=champion_given,
        )

    def marks(scores: ArrayLike, told: Given) -> dict[str, Estimate]:
        found = {name: estimate(name, y, scores, task=task, seed=seed, clusters=blocks, given=told, serial=serial) for name in names}
        return {name: mark for name, mark in found.items() if mark.value == mark.value or not metric_of(name, task).partial}

    def versus_champion(name: str) -> Estimate:
        assert champion_score is not None
        return compare(
            name,
            y,
            score,
            champion_score,
            task=task,
            seed=seed,
            clusters=blocks,
            given=given,
            champion_given=champion_given,
            serial=serial,
        )

    versus: Mapping[str, Estimate] = {}
    if champion_score is not None:
        versus = {name: versus_champion(name) for name in names}
    return Scorecard(
        made_from=made_from,
        task=task,
        rows=len(moments),
        start=from_ms(int(moments.min())),
        end=from_ms(int(moments.max())),
        metrics=marks(score, given),
        champion=champion,
        champion_metrics={} if champion_score is None else marks(champion_score, champion_given or given),
        versus_champion=versus,
        slices=tuple(mark for by in dict.fromkeys((metric, *slice_metrics)) for mark in sliced(by)),
        latency_p50_ms=latency[0],
        latency_p99_ms=latency[1],
        size_bytes=size_bytes,
    )


def time_blocks(times: NDArray[np.datetime64]) -> NDArray[np.int64] | None:
    """The block of time each row belongs to: its day, its hour where there are too few days, None where too few hours."""
    for unit in ("D", "h"):
        blocks = times.astype(f"datetime64[{unit}]").astype(np.int64)
        if len(np.unique(blocks)) >= FEWEST_BLOCKS:
            return blocks
    return None


def to_text(card: Scorecard) -> str:
    """The scorecard as a short table."""
    heads = ("metric", "candidate", "champion", "gain") if card.versus_champion else ("metric", "candidate")
    rows = [heads, *(_row(card, name)[: len(heads)] for name in card.metrics)]
    widths = [max(len(row[at]) for row in rows) for at in range(len(heads))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    against = f" against {card.champion}" if card.champion else ""
    title = f"{card.rows} rows, {card.start:%Y-%m-%d} to {card.end:%Y-%m-%d}{against}"
    cost = f"one row in {card.latency_p50_ms:.2f} ms (p99 {card.latency_p99_ms:.2f} ms), {card.size_bytes / BYTES_PER_MB:.2f} MB"
    return "\n".join([title, *lines, cost, *_slice_lines(card)])


def _row(card: Scorecard, name: str) -> tuple[str, str, str, str]:
    old, gain = card.champion_metrics.get(name), card.versus_champion.get(name)
    return name, _spoken(card.metrics[name]), f"{old.value:.4f}" if old else "", _spoken(gain, "+.4f") if gain else ""


def _slice_lines(card: Scorecard) -> list[str]:
    if not card.slices:
        return []
    shown = []
    for mark in card.slices[:SLICES_SHOWN]:
        gain = f", gain {_spoken(mark.versus, '+.4f')}" if mark.versus else ""
        shown.append(f"  {mark.column}={mark.value}: {mark.metric} {_spoken(mark.mark)}{gain}, {mark.mark.n} rows")
    return ["worst slices:", *shown]


def _spoken(mark: Estimate, form: str = ".4f") -> str:
    return f"{mark.value:{form}} [{mark.low:{form}}, {mark.high:{form}}]"
