"""A recipe over time: how it did on several recent windows, and how its models age."""

from __future__ import annotations

from math import isfinite
from typing import Any

from noria.core.examination.backtest import Backtest, Staleness
from noria.core.schema import Estimate
from noria.drawing.theme import ACCENT, BAD, MUTED, SERIES, SOFT, Chart, chart, ms, nothing_yet

HEIGHT = 200
RECIPE, CHAMPION = "this recipe, just trained", "today's champion"


def backtest_chart(backtest: Backtest) -> Chart:
    """Draw each window's mark with its interval, the champion's beside it where it can answer."""
    rows = []
    for window in backtest.windows:
        middle = ms(window.start + (window.end - window.start) / 2)
        rows.append(_row(RECIPE, middle, window.mark, f"{window.start:%-d %b %Y} to {window.end:%-d %b %Y}", window.note))
        if window.champion is not None:
            seen = window.note if window.fair else "it was trained on some of these rows"
            beside = middle + round(0.1 * (ms(window.end) - ms(window.start)))
            rows.append(_row(CHAMPION, beside, window.champion, f"{window.start:%-d %b %Y} to {window.end:%-d %b %Y}", seen))
    rows = [row for row in rows if isfinite(row["v"])]
    if not rows:
        return nothing_yet("How the recipe did on recent windows appears here when the loop asks for a backtest.")
    several = any(row["who"] == CHAMPION for row in rows)
    colour = {
        "field": "who", "type": "nominal", "scale": {"domain": [RECIPE, CHAMPION], "range": [ACCENT, MUTED]},
        "legend": {"orient": "top", "title": None, "labelLimit": 260} if several else None,
    }  # fmt: skip
    x = {"field": "t", "type": "temporal", "scale": {"type": "utc", "padding": 18}, "axis": {"tickCount": 6, "format": "%-d %b %y"}}
    y = {
        "field": "v",
        "type": "quantitative",
        "scale": {"zero": False, "nice": True},
        "axis": {"tickCount": 5, "format": ".3~f", "title": backtest.metric},
    }
    tips = [{"field": "who", "title": "model"}, {"field": "when"}, {"field": "said", "title": backtest.metric}, {"field": "note"}]
    where = {"x": x, "color": colour, "tooltip": tips}
    pooled = backtest.mark
    return chart(
        f"{len(backtest.windows)} windows of {backtest.metric}: {pooled.value:.4f} on average, between {pooled.low:.4f} and {pooled.high:.4f}. {backtest.left_out}".strip(),
        height=HEIGHT,
        data={"values": rows},
        layer=[
            {"mark": {"type": "line", "strokeWidth": 1, "opacity": 0.35}, "encoding": {"x": x, "y": y, "color": colour}},
            {"mark": {"type": "rule", "strokeWidth": 2.5, "strokeCap": "round", "opacity": 0.4}, "encoding": {**where, "y": {**y, "field": "low"}, "y2": {"field": "high"}}},
            {"mark": {"type": "point", "filled": True, "size": 60, "opacity": 1}, "encoding": {**where, "y": y}},
        ],
    )  # fmt: skip


def staleness_chart(staleness: Staleness) -> Chart:
    """Draw what is lost over the age of a model, with the loss that may be borne."""
    rows = [
        {**_row("", 0, point.lost, f"{point.age_days:.0f} days, {point.windows} windows", ""), "age": point.age_days}
        for point in staleness.points
        if isfinite(point.lost.value)
    ]
    if not rows:
        return nothing_yet("How fast models age appears here when the loop asks for a backtest.")
    x = {"field": "age", "type": "quantitative", "scale": {"nice": True, "zero": True}, "axis": {"title": "age in days", "tickCount": 6}}
    y: dict[str, Any] = {
        "field": "v", "type": "quantitative", "scale": {"nice": True}, "axis": {"tickCount": 5, "format": "~g", "title": f"{staleness.metric} lost"},
    }  # fmt: skip
    borne = [{"at": staleness.tolerance}] if isfinite(staleness.tolerance) and staleness.tolerance > 0 else []
    tips = [{"field": "when", "title": "age"}, {"field": "said", "title": "lost"}]
    layers = [
        {"data": {"values": [{"at": 0}]}, "mark": {"type": "rule", "color": SOFT}, "encoding": {"y": {**y, "field": "at"}}},
        {"data": {"values": borne}, "mark": {"type": "rule", "color": BAD, "strokeDash": [4, 3]}, "encoding": {"y": {**y, "field": "at"}}},
        {
            "mark": {"type": "area", "color": SERIES[1], "opacity": 0.15},
            "encoding": {"x": x, "y": {**y, "field": "low"}, "y2": {"field": "high"}},
        },
        {
            "mark": {"type": "line", "color": SERIES[1], "strokeWidth": 1.75, "point": {"size": 40, "color": SERIES[1]}},
            "encoding": {"x": x, "y": y, "tooltip": tips},
        },
    ]
    return chart(
        staleness.advice or f"How {staleness.metric} falls with the age of a model.", height=HEIGHT, data={"values": rows}, layer=layers
    )


def _row(who: str, at: int, mark: Estimate, when: str, note: str) -> dict[str, Any]:
    low, high = (end if isfinite(end) else mark.value for end in (mark.low, mark.high))
    return {
        "who": who, "t": at, "v": mark.value, "low": low, "high": high, "when": when, "note": note,
        "said": f"{mark.value:.4f} [{mark.low:.4f}, {mark.high:.4f}]",
    }  # fmt: skip
