from __future__ import annotations

import numpy as np
import polars as pl

from noria.core.schema import Signature, Task
from noria.loop.outcomes import coded
from noria.stages.evaluation.estimates import estimate

MEDAL = Signature(inputs=(), features=(), task=Task.MULTICLASS, classes=("bronze", "gold", "silver"))


def test_outcomes_of_many_classes_are_measured_by_their_places_and_one_never_met_by_none() -> None:
    told = coded(pl.Series(["gold", "bronze", "platinum", None, "silver"]), MEDAL)
    assert told.to_list() == [1, 0, None, None, 2]
    answers = np.tile([0.2, 0.5, 0.3], (3, 1))
    assert np.isfinite(estimate("log_loss", told.drop_nulls().to_numpy(), answers, task=MEDAL.task).value)
