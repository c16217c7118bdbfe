"""Watch: whether the service answers well, outcomes come in, what is said comes true, and online is what offline was."""

from __future__ import annotations

from datetime import timedelta

from noria.core.declaration.watch import Watch
from noria.core.moments import duration


def prediction_bias(
    *, by: float, every: str | timedelta = "1d", window: str | timedelta = "14d", k: int = 3, m: int = 5, min_rows: int = 250
) -> Watch:
    """Watch whether what the model says comes true on average: mean answer less mean outcome, per class where there are many.

    Args:
        by: A bias that does not matter, in units of the answer (0.05 = five in a hundred).
        window: How much recent time, whose outcomes are due, is judged at once.
    """
    return Watch(check="prediction-bias", floor=by, every=duration(every), window=duration(window), k=k, m=m, min_rows=min_rows)


def labels(
    *,
    coverage: float | None = None,
    delay: str | timedelta | None = None,
    every: str | timedelta = "1d",
    k: int = 2,
    m: int = 3,
    min_rows: int = 250,
) -> Watch:
    """Watch how outcomes come in: the share of due predictions that have theirs, and the age within which nine of ten came.

    Args:
        coverage: Least share that is right; what has been usual decides when left out.
        delay: Oldest age that is right; the label's own delay says when outcomes are due, and what has been usual how late is too late, when left out.
    """
    return Watch(
        check="labels",
        at_least=coverage,
        delay=None if delay is None else duration(delay),
        every=duration(every),
        k=k,
        m=m,
        min_rows=min_rows,
    )


def errors(*, at_most: float | None = None, every: str | timedelta = "1h", k: int = 2, m: int = 3, min_rows: int = 100) -> Watch:
    """Watch the share of requests that failed, and of those that the champion answered in a failing challenger's place.

    Args:
        at_most: Largest share that is right; what has been usual decides when left out, and never below 0.5 %.
    """
    return Watch(check="errors", at_most=at_most, every=duration(every), k=k, m=m, min_rows=min_rows)


def slow(
    *,
    p50_ms: float | None = None,
    p99_ms: float | None = None,
    every: str | timedelta = "1h",
    k: int = 2,
    m: int = 3,
    min_rows: int = 250,
) -> Watch:
    """Watch how long users wait: the median and the 99th percentile.

    Args:
        p50_ms, p99_ms: Longest waits that are right; what has been usual, and half as slow again, decides when left out.
    """
    most = {name: limit for name, limit in (("p50", p50_ms), ("p99", p99_ms)) if limit is not None}
    return Watch(check="slow", most=tuple(most.items()), every=duration(every), k=k, m=m, min_rows=min_rows)


def sudden(
    *streams: str, detector: str = "cusum", once_in: str | timedelta = "365d", learn: str | timedelta = "1d", every: str | timedelta = "10m"
) -> Watch:
    """Watch for a sudden change within minutes: of "errors", "latency" and "predictions" (all three when none is named).

    Args:
        detector: "cusum" (quickest), "ewma", "page-hinkley" or "adwin" (follows slow changes without a word).
        once_in: One false alarm in so much time is accepted.
        learn: How long what is usual is learnt after a promotion, before anything is said.
        every: How often it looks; a look only takes in new rows.
    """
    return Watch(
        check="sudden",
        monitors=streams or ("errors", "latency", "predictions"),
        statistic=detector,
        window=duration(once_in),
        warmup=duration(learn),
        every=duration(every),
        k=1,
        m=2,
        min_rows=1,
    )


def skew(*, every: str | timedelta = "1d", sample: int = 1_000, equal: float = 0.99, k: int = 1, m: int = 1, min_rows: int = 50) -> Watch:
    """Watch whether features were online what they are offline: logged requests are computed again and compared bit by bit.

    It also reads, for each feature view, how old the values are that it serves, and how often it has none.

    Args:
        sample: Requests of a chunk that are compared.
        equal: Least share of bit-equal values that is right.
    """
    return Watch(check="skew", keep=sample, at_least=equal, every=duration(every), k=k, m=m, min_rows=min_rows)
