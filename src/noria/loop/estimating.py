"""What metrics are estimated by before outcomes come: learnt on held-out rows when a version is made, asked when it serves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from noria.core.schema import Estimate, Kind, Signature, Task
from noria.core.watching import Calibration, DriftReference, LossModels
from noria.loop.materials import Materials
from noria.ports import wire
from noria.ports.blobs import Blobs
from noria.ports.tables import keep_frame, kept_frame
from noria.stages.evaluation.scorecards import time_blocks
from noria.stages.monitoring.calibration import calibrate, unseen_chances
from noria.stages.monitoring.doubt import doubt_of_chances, square
from noria.stages.monitoring.estimated import FORMULAS, estimate
from noria.stages.monitoring.estimated_classes import CLASS_FORMULAS, calibrate_classes, estimate_classes
from noria.stages.monitoring.estimated_loss import LOSSES, estimate_loss, fits, learn_losses
from noria.stages.monitoring.trust import MOST_ROWS, Trust


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Held:
    """What is kept of the rows that judged a version.

    Attributes:
        sample: Features of some of them, which tell how far new rows are from them.
        judged: What came of the same rows; None in references from before it was kept.
        losses: For regression.
    """

    sample: pl.DataFrame
    judged: pl.DataFrame | None = None
    losses: LossModels | None = None


Estimator = Callable[[Trust], Estimate]
"""From how like the new rows are to the held-out ones, to the estimate of their metric."""


def with_estimates(on: Materials, reference: DriftReference) -> DriftReference:
    """The reference with what was learnt on the held-out rows, and with some of these."""
    blocks = time_blocks(on.times)
    blocks = np.arange(len(on.y)) if blocks is None else blocks
    if on.task is Task.BINARY:
        calibration = calibrate(on.y, on.score, blocks)
        told = {"chance": unseen_chances(on.y, on.score, calibration)}
        reference = replace(reference, calibration=calibration)
    elif on.task is Task.MULTICLASS:
        calibrations = calibrate_classes(on.y, on.score, blocks)
        told = {f"chance {k}": unseen_chances((on.y == k).astype(float), on.score[:, k], one) for k, one in enumerate(calibrations)}
        reference = replace(reference, class_calibrations=calibrations)
    elif on.task is Task.REGRESSION and (learnt := learn_losses(on.X, on.score, on.y, blocks)) is not None:
        models, off = learnt
        told = {f"off {loss}": rest for loss, rest in off.items()}
        reference = replace(reference, losses=on.blobs.put(wire.dump(models)))
    else:
        return reference
    kept = np.sort(np.random.default_rng(on.loop.seed).choice(len(on.y), min(len(on.y), MOST_ROWS), replace=False))
    # A clock always moves on, so times would tell new rows from old ones by themselves.
    features = on.judged.select(feature.name for feature in on.features.features if feature.kind is not Kind.TIME)
    judged = pl.DataFrame({"outcome": on.y, **told})
    return replace(reference, sample=keep_frame(features[kept], on.blobs), judged=keep_frame(judged[kept], on.blobs))


def held(reference: DriftReference, blobs: Blobs) -> Held | None:
    """What is kept of the rows that judged; None when nothing can be estimated."""
    if not reference.sample:
        return None
    return Held(
        sample=kept_frame(reference.sample, blobs),
        judged=kept_frame(reference.judged, blobs) if reference.judged else None,
        losses=wire.load(blobs.read(reference.losses), LossModels) if reference.losses else None,
    )


def estimator(
    metric: str, signature: Signature, reference: DriftReference, kept: Held, *, X: Callable[[], np.ndarray], scores: np.ndarray, days: int
) -> Estimator | None:
    """How the metric of new rows is estimated; None when it cannot be.

    Args:
        X: The new rows as the model's matrix, shape (rows, features); made only where it is needed.
        scores: What the model answered, shape (rows,) or (rows, classes).
        days: How many days the rows span.
    """
    task = signature.task
    if task is Task.BINARY and reference.calibration is not None and metric in FORMULAS:
        known = reference.calibration
        return lambda trust: estimate(
            metric, scores, known, doubt=_doubt(known, kept.judged, "chance", trust, days), threshold=signature.threshold
        )
    if task is Task.MULTICLASS and reference.class_calibrations and metric in CLASS_FORMULAS:
        classes = reference.class_calibrations

        def of_classes(trust: Trust) -> Estimate:
            doubts = [_doubt(one, kept.judged, f"chance {k}", trust, days, of=k) for k, one in enumerate(classes)]
            return estimate_classes(metric, scores, classes, doubts=doubts)

        return of_classes
    if task is Task.REGRESSION and kept.losses is not None and fits(metric, kept.losses):
        models, column = kept.losses, f"off {LOSSES[metric]}"

        def of_numbers(trust: Trust) -> Estimate:
            off = kept.judged[column].to_numpy() if kept.judged is not None and column in kept.judged.columns else None
            return estimate_loss(metric, X(), scores, models, days=days, off=off, weights=np.asarray(trust.weights))

        return of_numbers
    return None


def _doubt(calibration: Calibration, judged: pl.DataFrame | None, column: str, trust: Trust, days: int, of: int = 1) -> np.ndarray:
    """What is not sure of a calibration in a window of so many days, on rows so unlike the held-out ones."""
    doubt = square(calibration.doubt) + square(calibration.doubt_per_day) / max(days, 1)
    if judged is None or len(trust.weights) != judged.height:
        return doubt
    came = (judged["outcome"] == of).cast(pl.Float64).to_numpy()
    return doubt + doubt_of_chances(came, judged[column].to_numpy(), np.asarray(trust.weights))
