"""Quality over time, realised and estimated, with what was done about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from math import isfinite
from typing import Any

from noria.core.watching import Incident, Reading
from noria.drawing.theme import ACCENT, BAD, MUTED, SOFT, WARN, Chart, chart, moment_tip, ms, nothing_yet, time_axis

HEIGHT, STRIP = 260, 5
"""Pixels of the drawing, and of the strip at its foot that tells when incidents were open."""


LATE = 0.6
"""Share of the time shown after which a mark is named to its left, a line lower, so that no name runs over the edge or another."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A moment to annotate; `kind` is "promoted" or "rolled-back"."""

    at: datetime
    kind: str
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reign:
    """A version's time as champion, and the quality that it showed on held-out rows."""

    start: datetime
    end: datetime
    value: float
    version: int


def quality_chart(
    metric: str,
    readings: Sequence[Reading],
    *,
    marks: Sequence[Mark],
    reigns: Sequence[Reign],
    incidents: Sequence[Incident],
    estimates: Sequence[Reading] = (),
) -> Chart:
    """Draw the metric with its interval, its estimate, the champion's reference, the alert limit, moves of traffic and incidents."""
    known = [one for one in readings if isfinite(one.value)]
    drawn = sorted([*known, *(one for one in estimates if isfinite(one.value))], key=lambda one: one.time)
    if not drawn:
        return nothing_yet(f"Realised {metric} appears here once outcomes come in: send them to /feedback.")
    first, last = drawn[0].time, drawn[-1].time
    layers = [
        *_incidents(incidents, first, last),
        _band(known),
        _steps(reigns, first, last),
        _limit(known),
        _estimate(metric, estimates),
        *_value(metric, known),
        *_marks([mark for mark in marks if first <= mark.at <= last], late=first + LATE * (last - first)),
    ]
    told = _said(f"Realised {metric}", known) + _said("Estimated before outcomes", estimates)
    said = f"From {first:%-d %B %Y} to {last:%-d %B %Y}. {told}"
    return chart(said.strip(), height=HEIGHT, layer=[layer for layer in layers if layer["data"]["values"]])


def _said(what: str, readings: Sequence[Reading]) -> str:
    if not readings:
        return ""
    newest = readings[-1]
    if not isfinite(newest.value):
        return f"{what}: now none. "
    return f"{what}: now {newest.value:.4f}, between {newest.low:.4f} and {newest.high:.4f}. "


def _y(field: str = "v") -> dict[str, Any]:
    return {"field": field, "type": "quantitative", "scale": {"zero": False, "nice": True}, "axis": {"tickCount": 5, "format": ".3f"}}


def _rows(readings: Sequence[Reading]) -> list[dict[str, Any]]:
    return [
        {"t": ms(r.time), "v": r.value, "low": _finite(r.low), "high": _finite(r.high), "limit": _finite(r.threshold), "n": r.rows}
        for r in readings
    ]


def _finite(value: float) -> float | None:
    return value if isfinite(value) else None


def _band(readings: Sequence[Reading]) -> dict[str, Any]:
    return {
        "data": {"values": _rows(readings)},
        "mark": {"type": "area", "color": ACCENT, "opacity": 0.13, "interpolate": "monotone"},
        "encoding": {"x": time_axis(), "y": _y("low"), "y2": {"field": "high"}},
    }


def _value(metric: str, readings: Sequence[Reading]) -> list[dict[str, Any]]:
    tips = [
        moment_tip(),
        *(
            {"field": f, "title": t, "format": ".4f"}
            for f, t in (("v", metric), ("low", "low"), ("high", "high"), ("limit", "alert below"))
        ),
    ]
    near = {"param": "near", "empty": False}
    return [
        {
            "data": {"values": _rows(readings)},
            "mark": {"type": "line", "color": ACCENT, "strokeWidth": 1.75, "interpolate": "monotone"},
            "encoding": {"x": time_axis(), "y": _y()},
        },
        {
            "data": {"values": _rows(readings)},
            "params": [
                {
                    "name": "near",
                    "select": {"type": "point", "on": "pointermove", "nearest": True, "encodings": ["x"], "clear": "pointerout"},
                }
            ],
            "mark": {"type": "point", "filled": True, "color": ACCENT, "size": 46},
            "encoding": {"x": time_axis(), "y": _y(), "opacity": {"condition": {**near, "value": 1}, "value": 0}, "tooltip": tips},
        },
    ]


def _estimate(metric: str, estimates: Sequence[Reading]) -> dict[str, Any]:
    """A thin dashed line, broken where there was no estimate."""
    rows, run = [], 0
    for one in estimates:
        run += not isfinite(one.value)
        if isfinite(one.value):
            rows.append({"t": ms(one.time), "v": one.value, "run": run})
    return {
        "data": {"values": rows},
        "mark": {"type": "line", "color": SOFT, "strokeWidth": 1.25, "strokeDash": [5, 3], "interpolate": "monotone"},
        "encoding": {
            "x": time_axis(),
            "y": _y(),
            "detail": {"field": "run", "type": "nominal"},
            "tooltip": [moment_tip(), {"field": "v", "title": f"{metric}, estimated", "format": ".4f"}],
        },
    }


def _limit(readings: Sequence[Reading]) -> dict[str, Any]:
    return {
        "data": {"values": [row for row in _rows(readings) if row["limit"] is not None]},
        "mark": {"type": "line", "color": WARN, "strokeWidth": 1, "strokeDash": [3, 3], "interpolate": "step-after"},
        "encoding": {"x": time_axis(), "y": _y("limit")},
    }


def _steps(reigns: Sequence[Reign], first: datetime, last: datetime) -> dict[str, Any]:
    rows = [{"t": ms(max(r.start, first)), "t2": ms(min(r.end, last)), "v": r.value} for r in reigns if r.end > first and r.start < last]
    return {
        "data": {"values": rows},
        "mark": {"type": "rule", "color": MUTED, "strokeWidth": 1},
        "encoding": {"x": time_axis(), "x2": {"field": "t2"}, "y": _y()},
    }


def _incidents(incidents: Sequence[Incident], first: datetime, last: datetime) -> list[dict[str, Any]]:
    rows = [
        {"t": ms(max(one.opened_at, first)), "t2": ms(min(one.closed_at or last, last)), "title": one.title}
        for one in incidents
        if one.opened_at <= last and (one.closed_at or last) >= first
    ]
    tips = [{"field": "title", "title": "incident"}, moment_tip(title="opened")]
    return [
        {
            "data": {"values": rows},
            "mark": {"type": "rect", "color": WARN, "opacity": 0.6},
            "encoding": {"x": time_axis(), "x2": {"field": "t2"}, "y": {"value": HEIGHT - STRIP}, "y2": {"value": HEIGHT}, "tooltip": tips},
        }
    ]


def _marks(marks: Sequence[Mark], *, late: datetime) -> list[dict[str, Any]]:
    rows = [{"t": ms(mark.at), "label": mark.label, "kind": mark.kind} for mark in marks]
    colour = {"field": "kind", "type": "nominal", "scale": {"domain": ["promoted", "rolled-back"], "range": [SOFT, BAD]}, "legend": None}
    at = {"data": {"values": rows}}
    return [
        {**at, "mark": {"type": "rule", "strokeWidth": 1, "strokeDash": [1, 2]}, "encoding": {"x": time_axis(), "color": colour}},
        *(
            {
                "data": {"values": [row for row, mark in zip(rows, marks, strict=True) if (mark.at > late) is left]},
                "mark": {
                    "type": "text",
                    "align": "right" if left else "left",
                    "baseline": "top",
                    "dx": -5 if left else 5,
                    "y": 14 if left else 0,
                    "fontWeight": 600,
                },
                "encoding": {"x": time_axis(), "text": {"field": "label"}, "color": colour},
            }
            for left in (False, True)
        ),
    ]
