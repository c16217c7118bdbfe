"""Watch: what is looked at while a model serves, and from when on it is worth an alert."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from noria.core.moments import duration


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """One kind of monitor; what it does not read of the following, it leaves as it is.

    Attributes:
        check: Which one: "drift", "quality", …; each constructor, here and in `service`, has its own.
        metric: For quality: which is computed.
        every: Chunk length in event time.
        k, m: An alert needs k breaches in the last m chunks.
        floor: For drift: an effect below it never matters, in the unit of the statistic; for prediction bias the same of a bias.
        drop: For quality: fall below the reference that counts as harm, in units of the metric.
        share: For anomalies: the rate at which usual requests are to be called anomalous.
        keep: For anomalies: how many requests of a chunk are queued at most, the farthest; for skew: how many are compared.
        column: For texts, embeddings and images: the column that holds them (or where they are).
        convert: For embeddings and images: makes vectors, or pixels, of the column's values.
        window: For quality and prediction bias: how much recent labelled time is judged at once; for sudden changes: the
            time in which one false alarm is accepted.
        older_than: For freshness: the age of the newest training row that is too much.
        min_rows: Fewer rows in a chunk are "not enough data".
        late: For arrival: a delay that is never worth an alert.
        statistic: For drift: what decides (`STATISTICS`); for sudden changes: which detector.
        season: For drift: a whole number of chunks after which the world repeats itself.
        warmup: No verdict in this time after a promotion; for sudden changes, what is usual is learnt in it.
        outcome: For drift: whether what really happens is watched as well.
        monitors: For data quality: which ones (`DATA_QUALITY`); for sudden changes: of which streams.
        at_least, at_most: A declared share, for labels, skew and errors; None = what has been usual decides.
        delay: For labels: how old an outcome may be when it comes.
        most: For slow answers: quantile and its longest wait in ms.
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
    late: timedelta = timedelta(minutes=15)
    statistic: str = "psi"
    season: timedelta | None = None
    warmup: timedelta | None = None
    outcome: bool = False
    monitors: tuple[str, ...] = ()
    share: float = 0.005
    keep: int = 20
    at_least: float | None = None
    at_most: float | None = None
    delay: timedelta | None = None
    most: tuple[tuple[str, float], ...] = ()
    column: str = ""
    convert: Callable[[Sequence[Any]], Any] | None = None


STATISTICS = ("psi", "js", "hellinger", "wasserstein", "ks")
"""What may decide whether a feature drifted."""

DATA_QUALITY = ("missing", "type", "range", "unseen", "cardinality")
"""What is looked at in a feature's values, apart from how they are spread."""


def drift(
    *,
    every: str | timedelta = "1d",
    k: int = 3,
    m: int = 5,
    floor: float = 0.1,
    min_rows: int = 250,
    statistic: str = "psi",
    season: str | timedelta | None = None,
    warmup: str | timedelta | None = None,
    outcome: bool = False,
) -> Watch:
    """Watch each feature and the predictions for drift, calibrated on chunks of the reference; missing values too.

    Args:
        floor: An effect below it never matters, in the unit of the statistic.
        statistic: "psi" (population stability index), "js" (Jensen-Shannon distance), "hellinger",
            "wasserstein" (in standard deviations) or "ks". Each is calibrated by itself; for text
            "js" stands in for the last two. The others are shown beside it.
        season: "7d" holds each day against the same weekdays, where the reference has four of them or more.
        warmup: No verdict in this time after a promotion (None = from the first full chunk on).
        outcome: Watch what really happens too, as far as it is known when it is due.
    """
    return Watch(
        check="drift",
        every=duration(every),
        k=k,
        m=m,
        floor=floor,
        min_rows=min_rows,
        statistic=statistic,
        season=None if season is None else duration(season),
        warmup=None if warmup is None else duration(warmup),
        outcome=outcome,
    )


def data_quality(
    *,
    every: str | timedelta = "1d",
    k: int = 2,
    m: int = 3,
    min_rows: int = 250,
    monitors: Sequence[str] = DATA_QUALITY,
    warmup: str | timedelta | None = None,
) -> Watch:
    """Watch the values of features, predictions and outcomes: missing, not of their kind, out of range, unseen, or fewer or more than ever.

    Args:
        monitors: Which of "missing", "type", "range", "unseen" and "cardinality". Missing features are
            left to `drift` where a loop has both.
        warmup: No verdict in this time after a promotion.
    """
    return Watch(
        check="data-quality",
        every=duration(every),
        k=k,
        m=m,
        min_rows=min_rows,
        monitors=tuple(monitors),
        warmup=None if warmup is None else duration(warmup),
    )


def joint_drift(*, every: str | timedelta = "1d", k: int = 3, m: int = 5, min_rows: int = 250) -> Watch:
    """Watch all features together: a relation that breaks while each feature stays as it was; alerts name the features."""
    return Watch(check="joint-drift", every=duration(every), k=k, m=m, min_rows=min_rows)


def anomalies(*, share: float = 0.005, every: str | timedelta = "1d", k: int = 3, m: int = 5, min_rows: int = 250, keep: int = 20) -> Watch:
    """Watch single requests: those farther out than all but `share` of the training rows are queued with reasons, and their share alerts."""
    return Watch(check="anomalies", share=share, every=duration(every), k=k, m=m, min_rows=min_rows, keep=keep)


def text_drift(column: str, *, every: str | timedelta = "1d", k: int = 3, m: int = 5, min_rows: int = 250) -> Watch:
    """Watch a column of texts: a classifier on words names those by which new texts differ; length, unknown words and the like are read too."""
    return Watch(check="text-drift", column=column, every=duration(every), k=k, m=m, min_rows=min_rows)


def embedding_drift(
    column: str,
    *,
    embed: Callable[[Sequence[Any]], Any],
    every: str | timedelta = "1d",
    k: int = 3,
    m: int = 5,
    min_rows: int = 250,
) -> Watch:
    """Watch vectors that `embed` makes of a column: their mean, shape, separability, and which cluster grew, with examples.

    Args:
        embed: Takes the column's values (texts, or whatever says where the thing is) and gives numbers,
            shape (values, width). It runs in the control plane, on at most 1,000 values of a chunk.
    """
    return Watch(check="embedding-drift", column=column, convert=embed, every=duration(every), k=k, m=m, min_rows=min_rows)


def image_drift(
    column: str,
    *,
    read: Callable[[Sequence[Any]], Any],
    every: str | timedelta = "1d",
    k: int = 3,
    m: int = 5,
    min_rows: int = 250,
) -> Watch:
    """Watch images that `read` opens from a column (a path, an address, base64): brightness, contrast, sharpness, colours, size.

    Args:
        read: Takes the column's values and gives an image each, as an array of shape (height, width[, channels]), or
            None for one that cannot be opened. It runs in the control plane, on at most 1,000 values of a chunk.
    """
    return Watch(check="image-drift", column=column, convert=read, every=duration(every), k=k, m=m, min_rows=min_rows)


def quality(
    metric: str, *, drop: float, every: str | timedelta = "1d", window: str | timedelta = "14d", k: int = 3, m: int = 5, min_rows: int = 250
) -> Watch:
    """Watch realised quality, from outcomes as they come in; alert on a fall of more than `drop`."""
    return Watch(check="quality", metric=metric, drop=drop, every=duration(every), window=duration(window), k=k, m=m, min_rows=min_rows)


def freshness(older_than: str | timedelta) -> Watch:
    """Watch the age of the champion's newest training row."""
    return Watch(check="freshness", older_than=duration(older_than), k=1, m=1)


def arrival(*, late: str | timedelta = "15m", every: str | timedelta = "1d", k: int = 2, m: int = 3) -> Watch:
    """Watch how the datasets behind the feature views come in: later than usual, or not at all.

    While one is late or still, what its features do is explained by that, and told of together.

    Args:
        late: A delay that is never worth an alert; beyond it, what has been usual for the dataset decides.
    """
    return Watch(check="arrival", every=duration(every), k=k, m=m, late=duration(late))
