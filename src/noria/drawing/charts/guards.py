"""The guards of a rollout: each confidence sequence against the harm that is tolerated."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from typing import Any

from noria.core.turning import GuardReading
from noria.drawing.theme import ACCENT, BAD, INK, MUTED, OK, SOFT, Chart, chart, nothing_yet

COLOURS = {"no-harm": OK, "harm": BAD, "undecided": ACCENT, "not-enough-data": MUTED}

FARTHEST = 6.0
"""Margins to the left and right that are drawn at most."""

UNBOUNDED = 1_000.0
"""Where an interval without an end is drawn to: beyond the edge."""


def guards_chart(looks: Sequence[GuardReading]) -> Chart:
    """Draw each guard's difference in units of its margin: 0 is "as the champion", 1 is the end of tolerance."""
    rows = [
        _row(look)
        for look in looks
        if look.margin > 0 and all(map(isfinite, (look.difference.value, look.difference.low, look.difference.high)))
    ]
    if not rows:
        return nothing_yet("The guards' confidence sequences appear here at the first look.")
    told = "; ".join(f"{look.guard} {look.verdict} ({look.difference.value:+.4f}, margin {look.margin:g})" for look in looks)
    y = {
        "field": "guard",
        "type": "nominal",
        "sort": None,
        "axis": {"labelColor": INK, "labelFontSize": 12, "grid": False},
        "scale": {"padding": 0.5},
    }
    colour = {"field": "verdict", "type": "nominal", "scale": {"domain": list(COLOURS), "range": list(COLOURS.values())}, "legend": None}
    reach = max(1.6, *(min(row["high"], FARTHEST) for row in rows)) + 0.2
    least = min(-1.0, *(max(row["low"], -FARTHEST) for row in rows)) - 0.2
    x = {
        "type": "quantitative",
        "scale": {"domain": [least, reach], "clamp": True},
        "axis": {"tickCount": 6, "format": "~g", "title": "difference ÷ margin: right is worse for the challenger"},
    }
    tips = [
        {"field": f, "title": t}
        for f, t in (("guard", "guard"), ("verdict", "verdict"), ("said", "difference"), ("margin", "margin"), ("n", "challenger requests"))
    ]
    lines = [{"at": 0, "label": "equal", "dash": False}, {"at": 1, "label": "margin", "dash": True}]
    return chart(
        f"Guards: {told}.",
        height=46 * len(rows) + 10,
        layer=[
            {"data": {"values": lines[:1]}, "mark": {"type": "rule", "color": SOFT, "strokeWidth": 1}, "encoding": {"x": {"field": "at", **x}}},
            {"data": {"values": lines[1:]}, "mark": {"type": "rule", "color": BAD, "strokeDash": [4, 3]}, "encoding": {"x": {"field": "at", **x}}},
            {
                "data": {"values": lines},
                "mark": {"type": "text", "align": "left", "baseline": "top", "dx": 5, "y": -2, "color": MUTED},
                "encoding": {"x": {"field": "at", **x}, "text": {"field": "label"}},
            },
            {
                "data": {"values": rows},
                "mark": {"type": "rule", "strokeWidth": 8, "strokeCap": "round", "opacity": 0.28},
                "encoding": {"x": {"field": "low", **x}, "x2": {"field": "high"}, "y": y, "color": colour, "tooltip": tips},
            },
            {
                "data": {"values": rows},
                "mark": {"type": "point", "filled": True, "size": 90, "opacity": 1},
                "encoding": {"x": {"field": "value", **x}, "y": y, "color": colour, "tooltip": tips},
            },
        ],
    )  # fmt: skip


def _row(look: GuardReading) -> dict[str, Any]:
    difference = look.difference
    return {
        "guard": look.guard,
        "verdict": look.verdict,
        "margin": look.margin,
        "n": look.challenger_n,
        "value": difference.value / look.margin,
        "low": difference.low / look.margin if isfinite(difference.low) else -UNBOUNDED,
        "high": difference.high / look.margin if isfinite(difference.high) else UNBOUNDED,
        "said": f"{difference.value:+.4f} [{difference.low:+.4f}, {difference.high:+.4f}]",
    }
