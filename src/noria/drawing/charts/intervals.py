"""Named estimates with their intervals below each other, against a line: importance, simple models, strains."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any

from noria.core.schema import Estimate
from noria.drawing.theme import ACCENT, BAD, INK, MUTED, OK, SOFT, Chart, chart, nothing_yet

MOST = 25
ROW = 24
TONES = {"": ACCENT, "ok": OK, "bad": BAD, "open": MUTED}


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """One row; `tone` is "", "ok", "bad" or "open"."""

    name: str
    mark: Estimate
    tone: str = ""
    tip: str = ""


def intervals_chart(text: str, rows: Sequence[Named], *, x_title: str, line: float | None = 0.0, waits: str = "") -> Chart:
    """Draw each estimate as a point on its interval.

    Args:
        text: The chart in words.
        rows: In the order in which they are drawn, at most `MOST`.
        line: Where a rule is drawn; None = nowhere.
        waits: What is said when there is no row.
    """
    known = [one for one in rows if isfinite(one.mark.value)][:MOST]
    if not known:
        return nothing_yet(waits or text)
    values = [_row(one) for one in known]
    names = list(dict.fromkeys(one.name for one in known))
    y = {
        "field": "name", "type": "nominal", "sort": names,
        "axis": {"labelColor": INK, "grid": False, "labelLimit": 190, "labelFontSize": 11}, "scale": {"padding": 0.4},
    }  # fmt: skip
    x: dict[str, Any] = {
        "type": "quantitative",
        "scale": {"zero": False, "nice": True},
        "axis": {"tickCount": 5, "format": "~g", "title": x_title, "grid": True},
    }
    colour = {"field": "tone", "type": "nominal", "scale": {"domain": list(TONES), "range": list(TONES.values())}, "legend": None}
    tips = [{"field": "name", "title": "what"}, {"field": "said", "title": x_title}, {"field": "n", "title": "rows", "format": ","}]
    if any(one.tip for one in known):
        tips.append({"field": "tip", "title": "note"})
    layers: list[dict[str, Any]] = [
        {"mark": {"type": "rule", "strokeWidth": 2.5, "strokeCap": "round", "opacity": 0.45}, "encoding": {"x": {"field": "low", **x}, "x2": {"field": "high"}, "y": y, "color": colour, "tooltip": tips}},
        {"mark": {"type": "point", "filled": True, "size": 62, "opacity": 1}, "encoding": {"x": {"field": "value", **x}, "y": y, "color": colour, "tooltip": tips}},
    ]  # fmt: skip
    if line is not None:
        layers.insert(0, {"data": {"values": [{"at": line}]}, "mark": {"type": "rule", "color": SOFT, "strokeWidth": 1}, "encoding": {"x": {"field": "at", **x}}})  # fmt: skip
    return chart(text, height=ROW * len(names) + 12, data={"values": values}, layer=layers)


def toned(gain: Estimate) -> str:
    """The tone of a difference of which positive is better: shown better, shown worse, or open."""
    return "ok" if gain.low > 0 else "bad" if gain.high < 0 else "open"


def _row(one: Named) -> dict[str, Any]:
    mark = one.mark
    return {
        "name": one.name,
        "value": mark.value,
        "low": mark.low if isfinite(mark.low) else mark.value,
        "high": mark.high if isfinite(mark.high) else mark.value,
        "n": mark.n,
        "tone": one.tone,
        "said": f"{mark.value:.4g} [{mark.low:.4g}, {mark.high:.4g}]",
        "tip": one.tip,
    }
