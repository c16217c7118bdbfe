"""Values of realised performance: what was known at a moment, and how much of what will be known that is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from noria.core.schema import Estimate


@dataclass(frozen=True, slots=True, kw_only=True)
class MaturityCurve:
    """The share of predictions whose outcome has come, by their age.

    Attributes:
        at: Event time at which it was drawn; only what was known by then is in it.
        age_s: Ages at which the share steps up, ascending, in seconds.
        share: Of predictions whose outcome comes within each age.
        low, high: 95 % intervals of `share`.
        rows: Predictions behind it.
        waiting: Those among them that have no outcome yet.
        horizon_s: The oldest age that enough predictions have reached; about later ones nothing is known.
        median_s, p90_s: Age within which half, and nine of ten, of the outcomes that come within the horizon have come.
    """

    loop: str
    at: datetime
    age_s: tuple[float, ...]
    share: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    rows: int
    waiting: int
    horizon_s: float
    median_s: float
    p90_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class QualityWindow:
    """Realised quality of the predictions of one window of time.

    Attributes:
        rows: Predictions given.
        labelled: Those whose outcome was known.
        maturity: Share of the outcomes that will come which had come, 0 to 1; NaN when nobody can tell yet.
        mature: Whether that is enough. Outcomes that come early are no fair sample of all: an early
            default is a default.
        quality: Over the labelled ones.
        versions: Model versions that answered.
    """

    start: datetime
    end: datetime
    rows: int
    labelled: int
    maturity: float
    mature: bool
    quality: Estimate
    versions: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RealisedQuality:
    """A metric over windows of time, with only the outcomes that were known at `as_of`."""

    loop: str
    metric: str
    as_of: datetime
    higher_is_better: bool
    windows: tuple[QualityWindow, ...]
    curve: MaturityCurve
