"""`noria.evaluate`: marks and curves of any model's answers, whatever its task, every mark with an interval."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from noria.checks.asked import Asked, Told, asked
from noria.core.costs import Costs
from noria.core.errors import DataInvalid
from noria.core.examination.curves import Curves
from noria.core.examination.evaluation import Evaluation
from noria.core.schema import Estimate, Task
from noria.ports import wire
from noria.stages.evaluation.clusters import stability
from noria.stages.evaluation.costs import choose
from noria.stages.evaluation.curves import curves_of
from noria.stages.evaluation.estimates import estimate
from noria.stages.evaluation.metrics import measurable, metric
from noria.stages.evaluation.scorecards import time_blocks

if TYPE_CHECKING:
    import polars as pl

FEW_CLUSTERS = 10
MOST_LABELS = 100


@dataclass(frozen=True, slots=True)
class Evaluated:
    """A finished evaluation: `found["roc_auc"].low`, `print(found)`, `found.curves`."""

    value: Evaluation

    def __getitem__(self, name: str) -> Estimate:
        """One metric with its interval."""
        return self.value.metrics[name]

    def __str__(self) -> str:
        width = max((len(name) for name in self.value.metrics), default=0)
        lines = [f"{name:<{width}}  {_spoken(mark)}" for name, mark in self.value.metrics.items()]
        rest = f"{self.value.clusters:,} clusters" if self.value.clusters else "rows taken as independent"
        return "\n".join([f"{self.value.task}, {self.value.rows:,} rows, {rest}", *lines, *self.value.notes])

    @property
    def metrics(self) -> Mapping[str, Estimate]:
        """Metric name to value with interval."""
        return self.value.metrics

    @property
    def curves(self) -> Curves:
        """What the model does over the range of its answers."""
        return self.value.curves

    @property
    def table(self) -> pl.DataFrame:
        """One row per metric: name, value, low, high, standard error, rows."""
        import polars as pl

        return pl.DataFrame(
            [
                {"metric": name, "value": mark.value, "low": mark.low, "high": mark.high, "se": mark.se, "rows": mark.n}
                for name, mark in self.value.metrics.items()
            ]
        )

    def to_json(self) -> str:
        """Everything, as JSON."""
        return json.dumps(wire.plain(self.value), ensure_ascii=False, indent=2)

    def to_markdown(self) -> str:
        """Every mark for a pull request or a message."""
        from noria.drawing.documents.evaluation import to_markdown

        return to_markdown(self.value)

    def to_html(self, path: str | Path | None = None) -> str:
        """One HTML file that asks nobody for anything; also written to `path` when one is given."""
        from noria.drawing.documents.evaluation import to_html

        page = to_html(self.value)
        if path is not None:
            Path(path).write_text(page, encoding="utf-8")
        return page

    def _repr_html_(self) -> str:
        from noria.drawing.documents.evaluation import to_fragment

        return to_fragment(self.value)


def evaluate(
    y: Any,
    score: Any,
    *,
    task: str = "",
    classes: Sequence[str] = (),
    groups: Any = None,
    series: Any = None,
    horizon: Any = None,
    times: Any = None,
    baseline: Any = None,
    scale: Any = None,
    season: int = 0,
    history: Mapping[Any, Any] | None = None,
    levels: Sequence[float] = (),
    points: Any = None,
    assign: Callable[[Any], Any] | None = None,
    budget: float = 0.01,
    threshold: float | None = None,
    costs: Costs | None = None,
    clusters: Any = None,
    metrics: Sequence[str] = (),
    level: float = 0.95,
    seed: int = 0,
) -> Evaluated:
    """Mark a model's answers by every metric of its task, each with an interval, and draw up its curves.

    Rows of one cluster are not taken as independent: queries of a ranking, moments of a forecast
    (whose neighbours are not either), and where `times` are given, days.

    Args:
        y: Outcomes: two values, class names or places, numbers, relevances (ranking), a column of 0/1
            for each label (multilabel), true classes (clustering), 0/1 (anomaly); None where the
            last two are not known.
        score: P(positive), class probabilities (rows, classes), numbers, quantiles (rows, levels),
            probabilities (rows, labels), the assigned cluster (below 0 = none), or how strange a row is.
        task: "binary", "multiclass", "regression", "ranking", "forecast", "multilabel", "quantile",
            "clustering" or "anomaly"; found from the arguments when left out.
        classes: Names of the classes or labels, in the order of the score's columns.
        groups: The query of each row (ranking).
        series, horizon: The series of each row, and how many steps ahead it was forecast.
        times: The moment of each row.
        baseline: What a plain forecast said, for `skill`; `scale`: its mean absolute error in the past
            of the row's series, for `mase`. Both come from `season` when left out, and so does what `rmsse` needs.
        season: Steps after which a series resembles itself (7 for days with weeks).
        history: Series to its values before the first row, oldest first.
        levels: Of the score's columns (quantile), ascending.
        points: Where each row lies, shape (rows, columns) (clustering).
        assign: Points to clusters, to see how stable they are when rows are drawn again.
        budget: Share of the rows that somebody can look at (anomaly).
        threshold: From this probability on, the answer is yes; 0.5, or what costs say, when left out. Of
            anomalies the score that is an alarm, for `alert_rate`.
        costs: What right and wrong answers cost (binary).
        clusters: What is independent, in place of the above; one entry per row.
        metrics: These only, in this order; also ones of other sizes, `ndcg_5`.
        level: Coverage of the intervals.

    Raises:
        DataInvalid: the arguments do not fit together.
        NotFound: the task does not offer a metric.
    """
    told = Told(
        groups=groups,
        series=series,
        horizon=horizon,
        times=times,
        baseline=baseline,
        scale=scale,
        season=season,
        history=history,
        levels=levels,
        points=points,
        budget=budget,
        threshold=threshold,
        costs=costs,
    )
    what = asked(task, y, score, classes, told)
    units, serial = _units(what, clusters)

    def mark(name: str) -> Estimate:
        return estimate(name, what.y, what.score, task=what.task, seed=seed, level=level, clusters=units, given=what.given, serial=serial)

    names = metrics or measurable(what.task, what.given)
    found = {name: mark(name) for name in names}
    kept = {name: one for name, one in found.items() if metrics or one.value == one.value or not metric(name, what.task).partial}
    if assign is not None and what.given.points is not None and not metrics:
        kept["stability"] = stability(what.given.points, assign, seed=seed, level=level)
    count = 0 if units is None else len(np.unique(units))
    return Evaluated(
        Evaluation(
            task=what.task,
            rows=len(what.score),
            metrics=kept,
            curves=_curves(what, units, seed),
            clusters=count,
            serial=serial,
            classes=what.classes,
            threshold=None if costs is None or what.task is not Task.BINARY else choose(what.y, what.score, costs, clusters=units),
            by_label=_by_label(what, units, level),
            notes=_notes(what, count),
        )
    )


def _units(what: Asked, clusters: Any) -> tuple[NDArray | None, bool]:
    """What is independent, and whether it follows in time with neighbours alike."""
    serial = what.task is Task.FORECAST
    if clusters is not None:
        if len(np.asarray(clusters)) != len(what.score):
            raise DataInvalid(f"clusters has {len(np.asarray(clusters))} rows, score has {len(what.score)}")
        return np.asarray(clusters), False
    if serial and what.times is not None:
        return what.times, True
    if what.times is not None and np.issubdtype(what.times.dtype, np.datetime64):
        blocks = time_blocks(what.times)
        return (what.given.groups if blocks is None and what.task is Task.RANKING else blocks), False
    if serial:
        assert what.given.series is not None
        alone = len(np.unique(what.given.series)) == 1
        return (None, True) if alone else (what.given.series, False)
    return (what.given.groups if what.task is Task.RANKING else None), False


def _curves(what: Asked, units: NDArray | None, seed: int) -> Curves:
    times = what.times if what.times is not None and np.issubdtype(what.times.dtype, np.datetime64) else None
    return curves_of(what.task, what.y, what.score, given=what.given, classes=what.classes, times=times, clusters=units, seed=seed)


def _by_label(what: Asked, units: NDArray | None, level: float) -> dict[str, Estimate]:
    if what.task is not Task.MULTILABEL:
        return {}
    names = what.classes or tuple(str(at) for at in range(what.score.shape[1]))
    return {
        name: estimate("roc_auc", what.y[:, at], what.score[:, at], task=Task.BINARY, level=level, clusters=units)
        for at, name in enumerate(names[:MOST_LABELS])
    }


def _notes(what: Asked, clusters: int) -> tuple[str, ...]:
    notes = []
    if 0 < clusters < FEW_CLUSTERS:
        notes.append(f"The intervals rest on {clusters} clusters only, and are worth little.")
    if what.task is Task.FORECAST and what.given.baseline is None:
        notes.append("No plain forecast to compare with: give `season` (and `history`), or `baseline` and `scale`.")
    if what.given.costs is not None:
        notes.append("The threshold of `.value.threshold` was chosen on these very rows: its cost looks lower than it is.")
    return tuple(notes)


def _spoken(mark: Estimate) -> str:
    return f"{mark.value:.4f} [{mark.low:.4f}, {mark.high:.4f}]"
