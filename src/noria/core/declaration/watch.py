"""Watch: what is looked at while a model serves, and from when on it is worth an alert."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from noria.core.moments import duration


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """One kind of monitor; `check` is drift, joint-drift, quality, freshness, …

    Attributes:
        every: Chunk length in event time.
        k, m: An alert needs k breaches in the last m chunks.
        drop: For quality: fall below the reference that counts as harm, in units of the metric.
        window: For quality: how much recent labelled time is judged at once.
    """

    check: str
    metric: str = ""
    every: timedelta = timedelta(days=1)
    k: int = 3
    m: int = 5
    floor: float = 0.0
    drop: float = 0.0
    window: timedelta = timedelta(days=14)
    older_than: timedelta | None = None
    min_rows: int = 250


def drift(*, every: str | timedelta = "1d", k: int = 3, m: int = 5, floor: float = 0.1, min_rows: int = 250) -> Watch:
    """Watch each feature and the predictions for drift, calibrated on chunks of the reference."""
    return Watch(check="drift", every=duration(every), k=k, m=m, floor=floor, min_rows=min_rows)


def joint_drift(*, every: str | timedelta = "1d", k: int = 3, m: int = 5, min_rows: int = 250) -> Watch:
    """Watch all features together: a relation that breaks while each feature stays as it was; alerts name the features."""
    return Watch(check="joint-drift", every=duration(every), k=k, m=m, min_rows=min_rows)


def quality(
    metric: str, *, drop: float, every: str | timedelta = "1d", window: str | timedelta = "14d", k: int = 3, m: int = 5, min_rows: int = 250
) -> Watch:
    """Watch realised quality, from outcomes as they come in; alert on a fall of more than `drop`."""
    return Watch(check="quality", metric=metric, drop=drop, every=duration(every), window=duration(window), k=k, m=m, min_rows=min_rows)


def freshness(older_than: str | timedelta) -> Watch:
    """Watch the age of the champion's newest training row."""
    return Watch(check="freshness", older_than=duration(older_than), k=1, m=1)
