"""One look for all charts: colours are the page's CSS variables, so light and dark need no second drawing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from noria.core.moments import to_ms

FONT = "Inter, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"

ACCENT, CHALLENGER, MUTED, SOFT, LINE = "var(--accent)", "var(--challenger)", "var(--muted)", "var(--soft)", "var(--line)"
OK, WARN, BAD, INK = "var(--ok)", "var(--warn)", "var(--bad)", "var(--ink)"
SERIES = tuple(f"var(--series-{n})" for n in range(1, 7))
HEAT = tuple(f"var(--heat-{n})" for n in range(6))

PRINTED = {
    ACCENT: "#0f766e", CHALLENGER: "#6d4fd8", MUTED: "#78716c", SOFT: "#57534e", LINE: "#e7e5e4", OK: "#15803d", WARN: "#b45309", BAD: "#be123c",
    INK: "#1c1917", SERIES[0]: "#0f766e", SERIES[1]: "#6d4fd8", SERIES[2]: "#2f7fbf", SERIES[3]: "#b7791f", SERIES[4]: "#a8326e", SERIES[5]: "#57534e",
    HEAT[0]: "#f1f0ee", HEAT[1]: "#dfeeeb", HEAT[2]: "#fbe3b5", HEAT[3]: "#f3b26b", HEAT[4]: "#e0713f", HEAT[5]: "#b3263a",
}  # fmt: skip
"""CSS variable to the colour on white paper, for pictures that have no page around them; series and heat are a little darker than the page's."""

CONFIG: dict[str, Any] = {
    "background": None,
    "font": FONT,
    "view": {"stroke": None},
    "axis": {
        "domain": False, "ticks": False, "title": None, "gridColor": LINE, "labelColor": MUTED, "labelFontSize": 11,
        "labelPadding": 8, "titleColor": MUTED, "titleFontSize": 11, "titleFontWeight": "normal", "titlePadding": 12,
    },
    "axisX": {"grid": False, "labelFlush": True, "labelOverlap": "greedy", "labelSeparation": 14},
    "legend": {"title": None, "orient": "top", "labelColor": SOFT, "labelFontSize": 11, "symbolType": "circle", "symbolSize": 60, "symbolOpacity": 1, "columnPadding": 24, "offset": 8},
    "text": {"font": FONT, "fontSize": 11},
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """A drawing and what it says.

    Attributes:
        spec: Vega-Lite, with its data inside.
        text: The same in one or two sentences, for those who do not see it.
    """

    spec: dict[str, Any]
    text: str


def chart(text: str, *, height: int, **spec: Any) -> Chart:
    """A chart as wide as its place, in the house's look."""
    frame = {"$schema": "https://vega.github.io/schema/vega-lite/v6.json", "width": "container", "height": height, "config": CONFIG}
    return Chart(spec={**frame, "autosize": {"type": "fit-x", "contains": "padding"}, **spec}, text=text)


def nothing_yet(text: str) -> Chart:
    """The chart of no data: its words say what will fill it."""
    return Chart(spec={}, text=text)


def printed(spec: Any) -> Any:
    """The spec with CSS variables replaced by the colours of `PRINTED`."""
    if isinstance(spec, dict):
        return {key: printed(value) for key, value in spec.items()}
    if isinstance(spec, (list, tuple)):
        return [printed(value) for value in spec]
    return PRINTED.get(spec, spec) if isinstance(spec, str) else spec


def ms(moment: datetime) -> int:
    """A moment as Vega reads it: milliseconds since 1970."""
    return to_ms(moment)


def time_axis(**more: Any) -> dict[str, Any]:
    """The x encoding of event time, UTC."""
    return {"field": "t", "type": "temporal", "scale": {"type": "utc"}, "axis": {"tickCount": 8, "format": "%-d %b"}, **more}


def moment_tip(field: str = "t", title: str = "when") -> dict[str, Any]:
    """The tooltip line of a moment, UTC."""
    return {"field": field, "type": "temporal", "title": title, "format": "%-d %b %Y", "timeUnit": "utcyearmonthdate"}
