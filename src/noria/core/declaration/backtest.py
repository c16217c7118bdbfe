"""How a recipe is tried on the past, and without its features, when a candidate is examined."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from noria.core.moments import duration


@dataclass(frozen=True, slots=True, init=False)
class Backtest:
    """Train the recipe again at several moments of the past, in the turn's own job, and score it on what came after each.

    Args:
        windows: How many moments before the judging rows; each is one more training, and one is added
            at the start of the judging rows, so that ageing can be told from luck.
        every: Time between them, and the length of each window; as long as the judging rows span when left out.
        timeout: Wall time after which no further training begins; the newest windows come first.
        tolerance: How much of the metric may be lost by ageing, for the advice how often to retrain;
            a tenth of what the fresh model gains over a constant when left out.
    """

    windows: int
    every: timedelta | None
    timeout: timedelta
    tolerance: float | None

    def __init__(
        self,
        *,
        windows: int = 4,
        every: str | timedelta | None = None,
        timeout: str | timedelta = "10m",
        tolerance: float | None = None,
    ) -> None:
        object.__setattr__(self, "windows", windows)
        object.__setattr__(self, "every", None if every is None else duration(every))
        object.__setattr__(self, "timeout", duration(timeout))
        object.__setattr__(self, "tolerance", tolerance)
