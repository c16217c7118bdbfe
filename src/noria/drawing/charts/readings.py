"""One monitor of one subject: its readings against their limit."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite

from noria.core.watching import Level, Reading
from noria.drawing.theme import ACCENT, BAD, WARN, Chart, chart, moment_tip, ms, nothing_yet, time_axis


def readings_chart(readings: Sequence[Reading]) -> Chart:
    """Draw a subject's readings with their limit; breaches are dots."""
    rows = [
        {"t": ms(r.time), "v": r.value, "limit": r.threshold if isfinite(r.threshold) else None, "breach": r.level is Level.BREACH}
        for r in readings
        if isfinite(r.value) and r.level is not Level.NOT_ENOUGH
    ]
    if not rows:
        return nothing_yet("There are not enough rows for a reading yet.")
    newest, breaches = readings[-1], sum(bool(row["breach"]) for row in rows)
    y = {"field": "v", "type": "quantitative", "scale": {"zero": False}, "axis": {"tickCount": 3, "format": ".3~f"}}
    tips = [moment_tip(), {"field": "v", "title": newest.subject, "format": ".4f"}, {"field": "limit", "format": ".4f"}]
    data = {"values": rows}
    return chart(
        f"{newest.monitor} of {newest.subject}: {breaches} of {len(rows)} readings beyond the limit; the newest is {newest.value:.4f}, limit {newest.threshold:.4f}.",
        height=110,
        layer=[
            {"data": data, "mark": {"type": "line", "color": ACCENT, "strokeWidth": 1.5, "interpolate": "monotone"}, "encoding": {"x": time_axis(), "y": y}},
            {
                "data": data,
                "mark": {"type": "line", "color": WARN, "strokeWidth": 1, "strokeDash": [3, 3], "interpolate": "step-after"},
                "encoding": {"x": time_axis(), "y": {**y, "field": "limit"}},
            },
            {
                "data": data,
                "transform": [{"filter": "datum.breach"}],
                "mark": {"type": "point", "filled": True, "color": BAD, "size": 34, "opacity": 1},
                "encoding": {"x": time_axis(), "y": y, "tooltip": tips},
            },
        ],
    )  # fmt: skip
