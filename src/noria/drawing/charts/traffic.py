"""Who answered the users: requests by version, day by day."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from noria.core.state import TrafficPoint
from noria.drawing.theme import SERIES, Chart, chart, moment_tip, ms, nothing_yet, time_axis


def traffic_chart(points: Sequence[TrafficPoint]) -> Chart:
    """Draw requests by version as a stacked area; buckets are days, or hours where there are few days."""
    if not any(point.requests for point in points):
        return nothing_yet("Requests by version appear here once somebody asks: POST /predict on the data plane.")
    long = points[-1].start - points[0].start > timedelta(days=4)
    counted: Counter[tuple[datetime, str]] = Counter()
    for point in points:
        for version, count in point.requests.items():
            counted[_bucket(point.start, days=long), version] += count
    versions = sorted({version for _, version in counted}, key=lambda v: (not v.isdigit(), int(v) if v.isdigit() else 0, v))
    moments = sorted({moment for moment, _ in counted})
    rows = [{"t": ms(moment), "version": f"v{v}", "n": counted[moment, v]} for moment in moments for v in versions]
    total = sum(counted.values())
    shares = ", ".join(f"version {v} {sum(n for (_, w), n in counted.items() if w == v) / total:.1%}" for v in versions)
    return chart(
        f"{total:,} requests from {moments[0]:%-d %B %Y} to {moments[-1]:%-d %B %Y}: {shares}.",
        height=250,
        data={"values": rows},
        mark={"type": "area", "interpolate": "step-after" if len(moments) < 40 else "monotone", "opacity": 0.85, "line": False},
        encoding={
            "x": time_axis(),
            "y": {
                "field": "n",
                "type": "quantitative",
                "stack": "zero",
                "axis": {"tickCount": 4, "labelExpr": "format(datum.value, '~s')"},
            },
            "color": {
                "field": "version",
                "type": "nominal",
                "scale": {"domain": [f"v{v}" for v in versions], "range": [SERIES[k % len(SERIES)] for k in range(len(versions))]},
            },
            "tooltip": [moment_tip(), {"field": "version"}, {"field": "n", "title": "requests", "format": ","}],
        },
    )


def _bucket(moment: datetime, *, days: bool) -> datetime:
    moment = moment.astimezone(UTC)
    return moment.replace(hour=0 if days else moment.hour, minute=0, second=0, microsecond=0)
