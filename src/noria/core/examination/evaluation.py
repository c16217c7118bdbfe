"""What `noria.evaluate` finds: marks and curves of one model on some rows, without a loop."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from noria.core.examination.curves import Curves
from noria.core.examination.threshold import ThresholdChoice
from noria.core.schema import Estimate, Task


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """One model's marks on some rows.

    Attributes:
        metrics: Metric name to value with interval, the task's main one first.
        clusters: How many clusters (days, queries, moments) the intervals rest on; 0 = rows taken as independent.
        serial: Whether clusters were taken as following each other in time, neighbours alike.
        classes: Names of the classes or labels, in the order of the scores.
        threshold: How costs would choose the threshold on these very rows; None where no costs were stated.
        by_label: Of several labels, the area under the ROC curve of each.
        notes: What to mind, in words.
    """

    task: Task
    rows: int
    metrics: Mapping[str, Estimate]
    curves: Curves = field(default_factory=Curves)
    clusters: int = 0
    serial: bool = False
    classes: tuple[str, ...] = ()
    threshold: ThresholdChoice | None = None
    by_label: Mapping[str, Estimate] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
