"""Candidate against champion, by every test that fits the task and the rows."""

from __future__ import annotations

from collections.abc import Mapping

from numpy.typing import ArrayLike, NDArray

from noria.core.examination.comparing import Rivalry
from noria.core.schema import Estimate, Task
from noria.stages.evaluation.equivalence import judged
from noria.stages.evaluation.given import PLAIN, Given
from noria.stages.evaluation.mcnemar import disagreement
from noria.stages.evaluation.metrics import metric as known
from noria.stages.evaluation.serial import serial


def rivalry(
    first: str,
    second: str,
    y: ArrayLike,
    scores: tuple[ArrayLike, ArrayLike],
    differences: Mapping[str, Estimate],
    *,
    task: Task,
    metric: str,
    days: NDArray,
    clusters: NDArray | None,
    margins: Mapping[str, float] | None = None,
    given: Given = PLAIN,
    second_given: Given | None = None,
) -> Rivalry:
    """Put together what each test says.

    Args:
        scores: Of first and second on the same rows, shape (rows,) or (rows, classes).
        differences: Paired differences that were estimated already, by metric, first − second.
        metric: The one that is also compared over time.
        days: The day of each row, for the comparison over time.
        clusters: Blocks of rows that are not independent, as in `estimate`.
        margins: Metric name to how much worse still counts as not worse.
        given, second_given: What metrics of the first, and of the second where it differs, need besides.
    """
    allowed = margins or {}
    told = tuple(
        judged(
            name,
            difference,
            margin=allowed.get(name, 0.0),
            method="influence" if known(name, task).smooth else "bootstrap",
        )
        for name, difference in differences.items()
    )
    by_class = task in (Task.BINARY, Task.MULTICLASS)
    return Rivalry(
        first=first,
        second=second,
        comparisons=told,
        disagreement=disagreement(y, *scores, clusters=clusters, thresholds=(given.threshold, (second_given or given).threshold))
        if by_class
        else None,
        serial=serial(metric, y, *scores, task=task, blocks=days, given=given, second_given=second_given),
    )
