"""How outcomes come in by age, and realised quality with the windows that are not mature yet."""

from __future__ import annotations

from math import isfinite
from typing import Any

from noria.core.performance import MaturityCurve, QualityWindow, RealisedQuality
from noria.drawing.theme import ACCENT, MUTED, WARN, Chart, chart, moment_tip, ms, nothing_yet, time_axis

HOUR_S, DAY_S = 3_600.0, 86_400.0


def maturity_chart(curve: MaturityCurve, *, delay_s: float = 0.0) -> Chart:
    """Draw the share of outcomes that have come by age, with its interval and the delay that was declared."""
    if not curve.share:
        return nothing_yet("How soon outcomes come appears here once some have: send them to /feedback.")
    end = _shown_until(curve, delay_s)
    unit, name = (DAY_S, "days") if end > 3 * DAY_S else (HOUR_S, "hours")
    rows = [
        {"age": age / unit, "share": share, "low": low, "high": high}
        for age, share, low, high in zip(curve.age_s, curve.share, curve.low, curve.high, strict=True)
        if age <= end
    ]
    rows = [{"age": 0.0, "share": 0.0, "low": 0.0, "high": 0.0}, *rows, {**rows[-1], "age": end / unit}]
    x = {"field": "age", "type": "quantitative", "axis": {"title": f"age of the prediction, {name}", "tickCount": 8}}
    y = {"field": "share", "type": "quantitative", "scale": {"domain": [0, 1]}, "axis": {"tickCount": 5, "format": ".0%"}}
    tips = [{"field": "age", "title": name, "format": ".2f"}, {"field": "share", "title": "have come", "format": ".1%"}]
    data = {"values": rows}
    layers: list[dict[str, Any]] = [
        {
            "data": data,
            "mark": {"type": "area", "color": ACCENT, "opacity": 0.13, "interpolate": "step-after"},
            "encoding": {"x": x, "y": {**y, "field": "low"}, "y2": {"field": "high"}},
        },
        {
            "data": data,
            "mark": {"type": "line", "color": ACCENT, "strokeWidth": 1.75, "interpolate": "step-after"},
            "encoding": {"x": x, "y": y, "tooltip": tips},
        },
    ]
    if 0 < delay_s <= curve.horizon_s:
        said = {"data": {"values": [{"age": delay_s / unit, "said": "declared delay"}]}}
        layers.append({**said, "mark": {"type": "rule", "color": WARN, "strokeDash": [3, 3]}, "encoding": {"x": x}})
        layers.append({
            **said,
            "mark": {"type": "text", "align": "left", "baseline": "top", "dx": 5, "y": 0, "color": WARN},
            "encoding": {"x": x, "text": {"field": "said"}},
        })  # fmt: skip
    text = (
        f"{curve.share[-1]:.1%} of {curve.rows:,} predictions get their outcome within {spell(curve.horizon_s)}; "
        f"half of those within {spell(curve.median_s)}, nine of ten within {spell(curve.p90_s)}. {curve.waiting:,} still wait."
    )
    return chart(text, height=200, layer=layers)


def _shown_until(curve: MaturityCurve, delay_s: float) -> float:
    """Twice the age at which nearly all has come: beyond it the curve is flat."""
    nearly = next(age for age, share in zip(curve.age_s, curve.share, strict=True) if share >= 0.99 * curve.share[-1])
    return min(curve.horizon_s, max(2 * nearly, 1.5 * delay_s))


def realised_chart(found: RealisedQuality) -> Chart:
    """Draw each window's value with its interval; a window that is not mature is a hollow point, with its maturity in the tip."""
    known = [one for one in found.windows if isfinite(one.quality.value)]
    if not known:
        return nothing_yet(f"No outcome was known by {found.as_of:%-d %B %Y}.")
    data = {"values": [_row(one) for one in known]}
    y = {"field": "v", "type": "quantitative", "scale": {"zero": False, "nice": True}, "axis": {"tickCount": 5, "format": ".3f"}}
    tips = [
        moment_tip(),
        *({"field": field, "title": title, "format": form} for field, title, form in (
            ("v", found.metric, ".4f"), ("low", "low", ".4f"), ("high", "high", ".4f"), ("known", "outcomes known", ",d"), ("maturity", "of those to come", ".0%"),
        )),
    ]  # fmt: skip
    fill = {"condition": {"test": "datum.mature", "value": ACCENT}, "value": "transparent"}
    young = sum(not one.mature for one in known)
    text = f"{found.metric} of {len(known)} windows as it was known on {found.as_of:%-d %B %Y}; {young} of them are not mature."
    return chart(
        text,
        height=220,
        layer=[
            {"data": data, "mark": {"type": "rule", "color": ACCENT, "opacity": 0.4, "strokeWidth": 3}, "encoding": {"x": time_axis(), "y": {**y, "field": "low"}, "y2": {"field": "high"}}},
            {"data": data, "mark": {"type": "line", "color": MUTED, "strokeWidth": 1}, "encoding": {"x": time_axis(), "y": y}},
            {"data": data, "mark": {"type": "point", "size": 60, "stroke": ACCENT, "opacity": 1}, "encoding": {"x": time_axis(), "y": y, "fill": fill, "tooltip": tips}},
        ],
    )  # fmt: skip


def spell(seconds: float) -> str:
    """An age as a person says it.

    >>> spell(5_400.0), spell(200_000.0)
    ('1.5 hours', '2.3 days')
    """
    if not isfinite(seconds):
        return "an unknown time"
    for unit, name in ((DAY_S, "days"), (HOUR_S, "hours"), (60.0, "minutes")):
        if seconds >= 1.5 * unit or (unit == 60.0 and seconds >= unit):
            return f"{seconds / unit:.2g} {name}" if seconds < 100 * unit else f"{seconds / unit:,.0f} {name}"
    return f"{seconds:.0f} seconds"


def _row(one: QualityWindow) -> dict[str, Any]:
    q = one.quality
    ends = {name: end if isfinite(end) else q.value for name, end in (("low", q.low), ("high", q.high))}
    maturity = one.maturity if isfinite(one.maturity) else None
    return {"t": ms(one.start), "v": q.value, **ends, "known": one.labelled, "maturity": maturity, "mature": one.mature}
