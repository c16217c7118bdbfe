"""Whether what the champion says comes true on average."""

from __future__ import annotations

import numpy as np
import polars as pl

from noria.core.schema import Task
from noria.core.watching import Reading
from noria.loop.monitors.quality import labelled_rows
from noria.loop.monitors.span import Span
from noria.loop.outcomes import answers
from noria.stages.evaluation.estimates import estimate, unknown
from noria.stages.monitoring.prediction_bias import bias_reading


def read(span: Span) -> list[Reading]:
    """Mean answer less mean outcome over the window whose outcomes are due; per class where there are many."""
    rows, signature = labelled_rows(span), span.signature
    if signature.task not in (Task.BINARY, Task.MULTICLASS) and not signature.task.numeric:
        return []
    names = signature.classes if signature.task is Task.MULTICLASS else ("answers",)
    told = answers(rows, signature.task).reshape(rows.height, -1) if rows.height else np.empty((0, len(names)))
    came = rows["outcome"].cast(pl.Float64).to_numpy() if rows.height else np.empty(0)
    days = rows["time"].dt.epoch("d").to_numpy() if rows.height else None
    found = []
    for place, name in enumerate(names):
        y = (came == place).astype(float) if signature.task is Task.MULTICLASS else came
        bias = estimate("bias", y, told[:, place], task=Task.REGRESSION, clusters=days) if len(y) else unknown(0, 0.95)
        true = float(y.mean()) if len(y) else float("nan")
        found.append(bias_reading(name, bias, true, loop=span.loop, at=span.end, by=span.watch.floor, min_rows=span.watch.min_rows))
    return found
