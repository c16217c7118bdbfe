"""How values are written for people: numbers, moments, spans, digests. Used as template filters."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from noria.core.moments import spoken
from noria.core.schema import Estimate

NONE = "–"
FAR_FUTURE_YEAR = 9000


def number(value: float | None) -> str:
    """1240 as "1,240", 0.75612 as "0.7561", nothing as a dash.

    >>> number(1240), number(0.75612), number(None)
    ('1,240', '0.7561', '–')
    """
    if value is None or not math.isfinite(value):
        return NONE
    if value == round(value) and abs(value) < 1e15:
        return f"{round(value):,}"
    return f"{value:,.1f}" if abs(value) >= 100 else f"{value:.4g}"


def like(value: float | None, reach: float | None) -> str:
    """A number with as many decimals as tell, where values differ by about `reach`.

    >>> like(-0.00018, 1.0), like(1234.567, 25.0), like(0.00123, 0.0004)
    ('−0.00', '1,235', '0.00123')
    """
    if value is None or not math.isfinite(value):
        return NONE
    if not reach or not math.isfinite(reach) or abs(value) >= 1e12:
        return number(value).replace("-", "−")
    return f"{value:,.{min(8, max(0, 2 - math.floor(math.log10(reach))))}f}".replace("-", "−")


def metric(value: float | None) -> str:
    """A mark with four decimals."""
    return NONE if value is None or not math.isfinite(value) else f"{value:.4f}"


def signed(value: float | None) -> str:
    """A difference with its sign; the minus is a real one."""
    return NONE if value is None or not math.isfinite(value) else f"{value:+.4f}".replace("-", "−")


def interval(mark: Estimate) -> str:
    """An estimate's interval, "0.7487 – 0.7635"."""
    return f"{metric(mark.low)} – {metric(mark.high)}"


def bounds(mark: Estimate) -> str:
    """A difference's interval with signs, "[−0.0027, +0.0035]"."""
    return f"[{signed(mark.low)}, {signed(mark.high)}]"


def percent(share: float | None) -> str:
    """A share of one as percent, as short as it is true.

    >>> percent(0.1), percent(0.0125)
    ('10 %', '1.25 %')
    """
    return NONE if share is None or not math.isfinite(share) else f"{share * 100:.3g} %"


def moment(value: datetime | None) -> str:
    """A moment, UTC, "28 Dec 2013, 09:42"."""
    if value is None:
        return NONE
    return "until somebody acts" if value.year > FAR_FUTURE_YEAR else f"{value.astimezone(UTC):%-d %b %Y, %H:%M}"


def day(value: datetime | None) -> str:
    """A day, UTC, "28 Dec 2013"."""
    return NONE if value is None else f"{value.astimezone(UTC):%-d %b %Y}"


def span(value: timedelta | float | None) -> str:
    """A duration, two units at most; a float is seconds."""
    if value is None:
        return NONE
    length = value if isinstance(value, timedelta) else timedelta(seconds=value)
    if length < timedelta(milliseconds=1):
        return "< 1 ms"
    if length < timedelta(seconds=10):
        return f"{length.total_seconds():.1f} s" if length >= timedelta(seconds=1) else f"{length.total_seconds() * 1000:.0f} ms"
    return spoken(length)


def size(size_bytes: int | None) -> str:
    """Bytes as kB or MB."""
    if size_bytes is None:
        return NONE
    return f"{size_bytes / 1e6:.1f} MB" if size_bytes >= 1_000_000 else f"{size_bytes / 1e3:.0f} kB"


def latency(us: float | None) -> str:
    """Microseconds as µs or ms."""
    if us is None or not math.isfinite(us) or us <= 0:
        return NONE
    return f"{us:.0f} µs" if us < 1_000 else f"{us / 1_000:.3g} ms"


def short(digest: str) -> str:
    """A digest's first hex digits."""
    return digest.removeprefix("sha256:")[:10] or NONE


def words(name: str) -> str:
    """A stable name as words: "rolled-back" as "rolled back"."""
    return name.replace("-", " ").replace("_", " ")


def ago(now: datetime) -> Callable[[datetime | None], str]:
    """The filter that says how long ago (or ahead) a moment lies, seen from `now`."""

    def said(value: datetime | None) -> str:
        if value is None or value.year > FAR_FUTURE_YEAR:
            return NONE if value is None else "when somebody acts"
        distance = now - value
        if abs(distance) < timedelta(seconds=60):
            return "now"
        return f"{_coarse(distance)} ago" if distance > timedelta() else f"in {_coarse(-distance)}"

    return said


def _coarse(length: timedelta) -> str:
    minutes = length.total_seconds() / 60
    if minutes < 60:
        return f"{minutes:.0f} min"
    if minutes < 48 * 60:
        return f"{minutes / 60:.0f} h"
    return f"{minutes / 1440:.0f} d"


FILTERS: dict[str, Callable[..., Any]] = {
    "number": number,
    "like": like,
    "metric": metric,
    "signed": signed,
    "interval": interval,
    "bounds": bounds,
    "percent": percent,
    "moment": moment,
    "day": day,
    "span": span,
    "size": size,
    "latency": latency,
    "short": short,
    "words": words,
}
