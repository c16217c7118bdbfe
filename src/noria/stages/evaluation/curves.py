"""The curves of a model on the rows that judged it, whatever its task."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from noria.core.examination.curves import Confusion, Curve, CurveKind, Curves, Line
from noria.core.schema import Task
from noria.stages.evaluation.error_curves import of_forecasts, of_numbers, of_quantiles
from noria.stages.evaluation.estimates import estimate
from noria.stages.evaluation.given import PLAIN, Given
from noria.stages.evaluation.measured import Array, Codes
from noria.stages.evaluation.metric import CLASSIFYING, arrays
from noria.stages.evaluation.score_curves import calibration, of_two, order, precision_recall, reliability, roc, scores, swept

CLASSES_DRAWN = 6
"""Of many classes or labels the most frequent ones get lines of their own."""

CLASSES_COUNTED = 12
"""Of many classes the most frequent ones get a row of the confusion matrix; the rest are "other"."""

PLACES = 20
"""How far down a ranking is looked."""

OTHER = "other"


def curves_of(
    task: Task,
    y: ArrayLike,
    score: ArrayLike,
    *,
    given: Given = PLAIN,
    classes: Sequence[str] = (),
    times: NDArray | None = None,
    clusters: NDArray | None = None,
    seed: int = 0,
) -> Curves:
    """Draw up every curve that fits the task; at most 100 points each.

    Args:
        y, score: As metrics of the task take them.
        given: Threshold, costs, levels, queries.
        classes: Names of the classes (binary: negative, positive) or labels; numbers when left out.
        times: Moment of each row, datetime64, for what is shown over time.
        clusters: Shape (rows,): rows of one cluster are not taken as independent in the bands.

    Raises:
        DataInvalid: y and score do not fit together.
    """
    outcomes, found = arrays(y, score, classes=task in CLASSIFYING)
    if not len(found):
        return Curves()
    with np.errstate(divide="ignore", invalid="ignore"):  # a resample without positives has no recall: that place is left out
        return _drawn(task, outcomes, found, given, classes, times, clusters, seed)


def _drawn(
    task: Task,
    outcomes: Array,
    found: Array,
    given: Given,
    classes: Sequence[str],
    times: NDArray | None,
    clusters: NDArray | None,
    seed: int,
) -> Curves:
    if task is Task.BINARY or (task is Task.ANOMALY and given.outcomes):
        names = (classes[0], classes[1]) if len(classes) == 2 else ("0", "1")
        lines = of_two(outcomes, found, given, names=names, clusters=clusters, seed=seed)
        if task is Task.ANOMALY:
            return Curves(curves=tuple(one for one in lines if one.kind not in (CurveKind.CALIBRATION, CurveKind.CUTOFF)))
        said = (found >= given.threshold).astype(np.intp)
        return Curves(curves=lines, confusion=confusion(outcomes.astype(np.intp), said, names, threshold=given.threshold))
    if task is Task.MULTICLASS:
        names_of = tuple(classes) or tuple(str(code) for code in range(found.shape[1]))
        against_rest = _one_by_one(np.eye(found.shape[1])[outcomes.astype(np.intp)], found, names_of, clusters, seed)
        return Curves(curves=against_rest, confusion=confusion(outcomes.astype(np.intp), found.argmax(axis=1), names_of))
    if task is Task.MULTILABEL:
        labels = tuple(classes) or tuple(str(code) for code in range(found.shape[1]))
        return Curves(curves=_one_by_one(outcomes, found, labels, clusters, seed))
    return Curves(curves=_other(task, outcomes, found, given, times=times, clusters=clusters))


def confusion(y: Codes, said: Codes, classes: Sequence[str], *, threshold: float = 0.5) -> Confusion:
    """Count outcomes by answers: for two classes in their order, for more the most frequent first and the rest together."""
    count = len(classes)
    if count > 2:
        by_size = np.argsort(-(np.bincount(y, minlength=count)), kind="stable")
        kept = by_size if count <= CLASSES_COUNTED else by_size[: CLASSES_COUNTED - 1]
        place = np.full(count, len(kept))
        place[kept] = np.arange(len(kept))
        classes = [*(classes[code] for code in kept), *([OTHER] if len(kept) < count else [])]
        y, said = place[y], place[said]
    counts = np.bincount(y * len(classes) + said, minlength=len(classes) ** 2).reshape(len(classes), -1)
    return Confusion(classes=tuple(classes), counts=tuple(tuple(int(number) for number in row) for row in counts), threshold=threshold)


def _one_by_one(y: Array, score: Array, names: Sequence[str], clusters: NDArray | None, seed: int) -> tuple[Curve, ...]:
    """ROC, precision-recall and calibration of each of the most frequent classes against the rest."""
    drawn = np.argsort(-y.sum(axis=0), kind="stable")[:CLASSES_DRAWN]
    rocs, prs, reliable = list[Line](), list[Line](), list[Line]()
    for code in drawn:
        at = swept(y[:, code], score[:, code], clusters=clusters, seed=seed)
        if at is not None:
            rocs.append(roc(at, names[code]))
            prs.append(precision_recall(at, names[code]))
            reliable.append(calibration(y[:, code], score[:, code], clusters=clusters, name=names[code]))
    if not rocs:
        return ()
    return (*order(tuple(rocs), tuple(prs), share=0.0, level=0.95), reliability(tuple(reliable)))


def _other(task: Task, y: Array, score: Array, given: Given, *, times: NDArray | None, clusters: NDArray | None) -> tuple[Curve, ...]:
    if task is Task.QUANTILE:
        return of_quantiles(y, score, given, clusters=clusters)
    if task is Task.RANKING:
        return (_down_the_ranking(y, score, given, clusters),)
    if task is Task.FORECAST:
        return (*of_forecasts(y, score, given, clusters=clusters), *of_numbers(y, score, clusters=clusters, times=times))
    if task is Task.ANOMALY:
        alerted = (score >= np.quantile(score, 1.0 - given.budget)).astype(np.float64)
        return (scores(alerted, score, ("not alerted", "alerted")),)
    return of_numbers(y, score, clusters=clusters, times=times) if task is Task.REGRESSION else ()


def _down_the_ranking(y: Array, score: Array, given: Given, clusters: NDArray | None) -> Curve:
    """NDCG and recall of the first k places, over k."""
    lines = []
    for name in ("ndcg", "recall"):
        marks = [estimate(f"{name}_{k}", y, score, task=Task.RANKING, given=given, clusters=clusters) for k in range(1, PLACES + 1)]
        lines.append(
            Line(
                name=name,
                x=tuple(float(k) for k in range(1, PLACES + 1)),
                y=tuple(mark.value for mark in marks),
                low=tuple(mark.low for mark in marks),
                high=tuple(mark.high for mark in marks),
            )
        )
    return Curve(kind=CurveKind.PLACES, x_name="places looked at", y_name="share", lines=tuple(lines))
