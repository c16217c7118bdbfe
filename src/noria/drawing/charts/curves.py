"""Curves of a model: lines with their bands, what would be ideal, and the places that have a name."""

from __future__ import annotations

from math import isfinite
from typing import Any

from noria.core.examination.curves import Confusion, Curve, CurveKind, Line
from noria.drawing.theme import ACCENT, INK, MUTED, SERIES, SOFT, Chart, chart, nothing_yet

HEIGHT = 230
SHARES = (CurveKind.ROC, CurveKind.PR, CurveKind.CALIBRATION, CurveKind.GAIN)
"""Curves whose both axes go from 0 to 1."""

TITLES = {
    CurveKind.ROC: "ROC",
    CurveKind.PR: "Precision and recall",
    CurveKind.CALIBRATION: "Calibration",
    CurveKind.GAIN: "Gain",
    CurveKind.LIFT: "Lift",
    CurveKind.COST: "Cost by threshold",
    CurveKind.SCORES: "Answers by outcome",
    CurveKind.RESIDUALS: "Errors by answer",
    CurveKind.RESIDUAL_QUANTILES: "Errors against normal ones",
    CurveKind.RESIDUALS_OVER_TIME: "Errors over time",
    CurveKind.HORIZON: "Error by horizon",
    CurveKind.COVERAGE: "Coverage",
    CurveKind.CUTOFF: "By threshold",
    CurveKind.PLACES: "Down the ranking",
}

WHOLE_BANDS = 4
"""With more lines than this, bands would hide each other."""


def curve_chart(curve: Curve, *, names: tuple[str, ...] = (), colours: tuple[str, ...] = ()) -> Chart:
    """Draw a curve.

    Args:
        names: What to call the lines, instead of their own names.
        colours: Of the lines; the house's series when left out, the accent for a single one.
    """
    lines = [line for line in curve.lines if any(isfinite(y) for y in line.y)]
    if not lines:
        return nothing_yet(f"{TITLES[curve.kind]} appears here when there are outcomes of both kinds.")
    called = [names[n] if n < len(names) else line.name or "model" for n, line in enumerate(lines)]
    painted = list(colours) or ([ACCENT] if len(lines) == 1 else [SERIES[n % len(SERIES)] for n in range(len(lines))])
    rows = [row for name, line in zip(called, lines, strict=True) for row in _rows(name, line)]
    colour = {
        "field": "line",
        "type": "nominal",
        "scale": {"domain": called, "range": painted},
        "legend": None if len(lines) == 1 else {"orient": "top", "title": None, "columns": 3, "labelLimit": 130},
    }
    x, y = _axes(curve)
    layers: list[dict[str, Any]] = []
    if curve.ideal is not None:
        layers.append(
            {
                "data": {"values": _rows(curve.ideal_name, curve.ideal)},
                "mark": {"type": "line", "color": MUTED, "strokeWidth": 1, "strokeDash": [3, 3]},
                "encoding": {"x": x, "y": y},
            }
        )
    if len(lines) <= WHOLE_BANDS and any(line.low for line in lines):
        layers.append(
            {
                "data": {"values": [row for row in rows if row["low"] is not None]},
                "mark": {"type": "area", "opacity": 0.16},
                "encoding": {"x": x, "y": {**y, "field": "low"}, "y2": {"field": "high"}, "color": colour},
            }
        )
    tips = [
        *([{"field": "line", "type": "nominal"}] if len(lines) > 1 else []),
        {"field": "x", "type": x["type"], "title": curve.x_name, **({} if curve.times else {"format": ".3~f"})},
        {"field": "y", "type": "quantitative", "title": curve.y_name, "format": ".3~f"},
    ]
    dots = curve.kind is CurveKind.CALIBRATION
    layers.append(
        {
            "data": {"values": rows},
            "mark": {"type": "line", "strokeWidth": 1.75, "point": {"size": 22} if dots else False, "interpolate": "linear"},
            "encoding": {"x": x, "y": y, "color": colour, "order": {"field": "n", "type": "quantitative"}, "tooltip": tips},
        }
    )
    layers += _points(curve, x, y)
    return chart(_said(curve, called, lines), height=HEIGHT, layer=layers)


def _of_shares(curve: Curve) -> bool:
    """Whether both axes go from 0 to 1; the calibration of predicted numbers does not."""
    return curve.kind in SHARES and all(0 <= value <= 1 for line in curve.lines for value in (*line.x, *line.y) if isfinite(value))


def beside(before: Curve, now: Curve, names: tuple[str, str]) -> Curve:
    """One curve with the first line of two, to be drawn over each other."""
    lines = tuple(
        Line(name=name, x=one.x, y=one.y, low=one.low, high=one.high, rows=one.rows, spread=one.spread)
        for name, curve in zip(names, (before, now), strict=True)
        for one in curve.lines[:1]
    )
    return Curve(
        kind=now.kind,
        x_name=now.x_name,
        y_name=now.y_name,
        lines=lines,
        ideal=now.ideal,
        ideal_name=now.ideal_name,
        level=now.level,
        times=now.times,
    )


def confusion_chart(confusion: Confusion) -> Chart:
    """Draw how often each class was answered with which, as shares of the outcome's rows."""
    if not confusion.counts:
        return nothing_yet("Which class is taken for which appears here when there are outcomes.")
    classes, shares = confusion.classes, confusion.shares()
    rows = [
        {"outcome": outcome, "answer": answer, "share": round(shares[i][j], 4), "rows": confusion.counts[i][j]}
        for i, outcome in enumerate(classes)
        for j, answer in enumerate(classes)
    ]
    right = sum(confusion.counts[k][k] for k in range(len(classes)))
    total = sum(map(sum, confusion.counts)) or 1
    small = len(classes) > 7
    place = {"type": "nominal", "sort": list(classes)}
    plain = {"labelColor": SOFT, "grid": False, "labelLimit": 90}
    return chart(
        f"{right:,} of {total:,} rows ({right / total:.1%}) were answered with the class that came.",
        height=max(110, min(30 * len(classes) + 30, 420)),
        data={"values": rows},
        encoding={
            "x": {"field": "answer", **place, "axis": {**plain, "orient": "top", "title": "answer", "labelAngle": -45 if small else 0}},
            "y": {"field": "outcome", **place, "axis": {**plain, "title": "outcome"}},
        },
        layer=[
            {
                "mark": {"type": "rect", "cornerRadius": 2, "color": ACCENT},
                "encoding": {
                    "opacity": {"field": "share", "type": "quantitative", "scale": {"domain": [0, 1], "range": [0.05, 1]}, "legend": None},
                    "tooltip": [{"field": "outcome"}, {"field": "answer"}, {"field": "rows", "format": ","}, {"field": "share", "format": ".1%"}],
                },
            },
            {
                "mark": {"type": "text", "fontSize": 10 if small else 12},
                "encoding": {
                    "text": {"field": "share", "type": "quantitative", "format": ".0%"},
                    "color": {"condition": {"test": "datum.share > 0.55", "value": "var(--on-accent)"}, "value": INK},
                },
            },
        ],
    )  # fmt: skip


def _rows(name: str, line: Line) -> list[dict[str, Any]]:
    return [
        {
            "n": n,
            "line": name,
            "x": x,
            "y": y,
            "low": line.low[n] if line.low and isfinite(line.low[n]) and isfinite(line.high[n]) else None,
            "high": line.high[n] if line.high and isfinite(line.high[n]) else None,
        }
        for n, (x, y) in enumerate(zip(line.x, line.y, strict=True))
        if isfinite(x) and isfinite(y)
    ]


def _axes(curve: Curve) -> tuple[dict[str, Any], dict[str, Any]]:
    scale: dict[str, Any] = {"domain": [0, 1]} if _of_shares(curve) else {"zero": False, "nice": False}
    x: dict[str, Any] = {
        "field": "x",
        "type": "quantitative",
        "scale": scale,
        "axis": {"title": curve.x_name, "tickCount": 5, "format": "~g"},
    }
    if curve.times:
        x = {
            "field": "x",
            "type": "temporal",
            "scale": {"type": "utc"},
            "axis": {"title": curve.x_name, "tickCount": 5, "format": "%-d %b"},
        }
    tall = {"domain": [0, 1]} if _of_shares(curve) else {"zero": False, "nice": True}
    y = {
        "field": "y",
        "type": "quantitative",
        "scale": tall,
        "axis": {"title": curve.y_name, "tickCount": 5, "format": "~g"},
    }
    return x, y


def _points(curve: Curve, x: dict[str, Any], y: dict[str, Any]) -> list[dict[str, Any]]:
    rows = [{"x": point.x, "y": point.y, "name": point.name} for point in curve.points if isfinite(point.x) and isfinite(point.y)]
    if not rows:
        return []
    data = {"values": rows}
    named = {"values": list({row["name"]: row for row in rows}.values())}
    return [
        {"data": data, "mark": {"type": "point", "filled": True, "size": 60, "color": INK, "opacity": 1}, "encoding": {"x": x, "y": y, "tooltip": [{"field": "name"}]}},
        {
            "data": named,
            "mark": {"type": "text", "align": "left", "baseline": "middle", "dx": 8, "dy": 8, "color": SOFT},
            "encoding": {"x": x, "y": y, "text": {"field": "name"}},
        },
    ]  # fmt: skip


def _said(curve: Curve, called: list[str], lines: list[Line]) -> str:
    """The ends and the middle of each line, in words."""
    told = []
    for name, line in list(zip(called, lines, strict=True))[:4]:
        middle = len(line.x) // 2
        told.append(f"{name}: {curve.y_name} {line.y[middle]:.3g} in the middle, {line.y[-1]:.3g} at the end")
    more = f", and {len(lines) - 4} more lines" if len(lines) > 4 else ""
    return f"{TITLES[curve.kind]}: {curve.y_name} over {curve.x_name}. {'; '.join(told)}{more}. {curve.note}".strip()
