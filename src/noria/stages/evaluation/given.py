"""What a metric may need to know besides outcomes and scores."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from noria.core.costs import Costs
from noria.core.schema import THRESHOLD
from noria.stages.evaluation.measured import Array

_BY_ROW = ("groups", "series", "horizon", "baseline", "scale", "rms_scale", "points")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Given:
    """What is known of the rows and of how they will be used; each array has one entry per row.

    Attributes:
        outcomes: Whether outcomes are known at all; clusters and anomalies can be judged without.
        threshold: Of binary tasks: from this probability on, the answer is yes.
        costs: What right and wrong answers cost.
        groups: Which query (of a ranking) each row belongs to.
        series: Which series (of a forecast) each row belongs to.
        horizon: How many steps ahead each row was forecast.
        baseline: What a plain forecast says: the value one season ago.
        scale: Mean absolute error of that plain forecast in the past of the row's series.
        rms_scale: The root of its mean squared error there.
        levels: Of quantile tasks: the levels of the score's columns, ascending.
        points: Of clustering tasks: where each row lies, shape (rows, columns).
        budget: Of anomaly tasks: the share of rows that somebody can look at.
        alarm: Of anomaly tasks: the score from which on a row is an alert, where one is fixed.
    """

    outcomes: bool = True
    threshold: float = THRESHOLD
    costs: Costs | None = None
    groups: NDArray | None = None
    series: NDArray | None = None
    horizon: NDArray | None = None
    baseline: Array | None = None
    scale: Array | None = None
    rms_scale: Array | None = None
    levels: tuple[float, ...] = ()
    points: Array | None = None
    budget: float = 0.01
    alarm: float | None = None

    def at(self, rows: NDArray | slice) -> Given:
        """The same of some rows only."""
        parts: dict[str, Any] = {}
        for name in _BY_ROW:
            held = getattr(self, name)
            parts[name] = None if held is None else np.asarray(held)[rows]
        return replace(self, **parts)

    def has(self, need: str) -> bool:
        """Whether the attribute of that name was given."""
        held = getattr(self, need)
        return held is not None and held is not False and (not isinstance(held, tuple) or bool(held))


PLAIN = Given()
"""Nothing special: outcomes are known, and 0.5 is the threshold."""
