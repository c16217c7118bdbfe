"""Drift at a glance: features down, days across, colour for how far beyond the limit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from math import isfinite

from noria.core.watching import Level, Reading
from noria.drawing.theme import HEAT, SOFT, Chart, chart, moment_tip, ms, nothing_yet

STEPS = (-0.4, 0.0, 0.5, 1.5, 4.0)
"""Effects between which the colour changes: −1 is no drift, 0 the calibrated limit, 1 twice the limit."""

MOST_SUBJECTS = 20
MOST_COLUMNS = 110
TICKS = 6


def drift_chart(readings: Mapping[str, Sequence[Reading]]) -> Chart:
    """Draw the worst effect of each feature in each span of days, most drifted features first."""
    judged = {
        subject: [r for r in series if r.level is not Level.NOT_ENOUGH and isfinite(r.value) and isfinite(r.effect)]
        for subject, series in readings.items()
    }
    judged = {subject: series for subject, series in judged.items() if series}
    if not judged:
        return nothing_yet("Drift by feature appears here after the first day of traffic.")
    subjects = sorted(judged, key=lambda s: -_recent(judged[s]))[:MOST_SUBJECTS]
    chunk = _chunk(judged.values())
    first = min(series[0].time for series in judged.values()) - chunk
    last = max(series[-1].time for series in judged.values())
    span = chunk * max(1, -(-((last - first) // chunk) // MOST_COLUMNS))
    rows = [cell for subject in subjects for cell in _cells(subject, judged[subject], first, span, chunk)]
    beyond = [s for s in subjects if judged[s][-1].effect > 0]
    said = f"Beyond its limit now: {', '.join(beyond)}." if beyond else "No feature is beyond its limit now."
    ticks = [_date(first + (last - first) * (2 * k + 1) / (2 * TICKS)) for k in range(TICKS)]
    moment = {"type": "temporal", "scale": {"type": "utc"}, "axis": {"values": ticks, "format": "%-d %b"}}
    return chart(
        f"Drift of {len(judged)} features from {first:%-d %B %Y} to {last:%-d %B %Y}. {said}",
        height=max(60, 20 * len(subjects)),
        data={"values": rows},
        mark={"type": "rect"},
        encoding={
            "x": {"field": "t", **moment},
            "x2": {"field": "t2"},
            "y": {"field": "subject", "type": "nominal", "sort": subjects, "axis": {"labelColor": SOFT, "grid": False, "labelLimit": 150}, "scale": {"padding": 0.12}},
            "color": {
                "field": "effect",
                "type": "quantitative",
                "scale": {"type": "threshold", "domain": list(STEPS), "range": list(HEAT)},
                "legend": None,
            },
            "tooltip": [
                {"field": "subject", "title": "feature"},
                moment_tip(),
                {"field": "value", "title": "debiased PSI", "format": ".3f"},
                {"field": "limit", "format": ".3f"},
            ],
        },
    )  # fmt: skip


def _date(moment: datetime) -> dict[str, int | bool]:
    """A day as an axis of Vega-Lite takes it."""
    return {"year": moment.year, "month": moment.month, "date": moment.day, "utc": True}


def _recent(series: Sequence[Reading]) -> float:
    """What orders the features: the mean effect of the last week, then of all."""
    week = [one.effect for one in series[-7:]]
    return sum(week) / len(week) + 0.01 * max(one.effect for one in series)


def _chunk(all_series: Iterable[Sequence[Reading]]) -> timedelta:
    """How long one reading's chunk is: the shortest distance between two readings of a feature, a day if there is none."""
    distances = [b.time - a.time for series in all_series for a, b in pairwise(series)]
    return min((distance for distance in distances if distance > timedelta()), default=timedelta(days=1))


def _cells(subject: str, series: Sequence[Reading], first: datetime, span: timedelta, chunk: timedelta) -> list[dict[str, object]]:
    worst: dict[int, Reading] = {}
    for reading in series:
        column = (reading.time - chunk - first) // span
        if column not in worst or reading.effect > worst[column].effect:
            worst[column] = reading
    return [
        {
            "t": ms(first + column * span), "t2": ms(first + (column + 1) * span), "subject": subject,
            "effect": round(r.effect, 3), "value": round(r.value, 4), "limit": round(r.threshold, 4) if isfinite(r.threshold) else None,
        }
        for column, r in worst.items()
    ]  # fmt: skip
