"""Why an answer is what it is, and how answers move with a feature."""

from __future__ import annotations

from collections.abc import Sequence

from noria.core.explaining import Explanation, PartialDependence
from noria.drawing.theme import ACCENT, BAD, HEAT, INK, MUTED, SOFT, Chart, chart, nothing_yet

MOST_PARTS = 12
ROW = 24


def parts_chart(explanation: Explanation) -> Chart:
    """Draw what each feature added to the base, largest first, down to the margin."""
    if not explanation.parts:
        return nothing_yet("Parts of an answer appear here when the version has features.")
    shown, rest = explanation.parts[:MOST_PARTS], explanation.parts[MOST_PARTS:]
    bars, at = [], explanation.base
    for one in shown:
        bars.append(_bar(f"{one.feature} = {_said(one.value)}", at, one.part))
        at += one.part
    if rest:
        bars.append(_bar(f"{len(rest)} more", at, sum(one.part for one in rest)))
    order = [bar["feature"] for bar in bars]
    lead = explanation.parts[0]
    words = "raises" if lead.part > 0 else "lowers"
    return chart(
        f"From {explanation.base:.3g} on average to {explanation.margin:.3g} ({explanation.scale} of {explanation.subject}). "
        f"{lead.feature} {words} it most, by {abs(lead.part):.3g}.",
        height=ROW * (len(bars) + 1),
        data={"values": bars},
        encoding={"y": {"field": "feature", "type": "nominal", "sort": order, "axis": {"labelColor": INK, "labelLimit": 260}}},
        layer=[
            {
                "mark": {"type": "bar", "height": 14, "cornerRadius": 2},
                "encoding": {
                    "x": {"field": "from", "type": "quantitative", "axis": {"title": explanation.scale, "grid": True}, "scale": {"zero": False}},
                    "x2": {"field": "to"},
                    "color": {"field": "way", "type": "nominal", "legend": None, "scale": {"domain": ["raises", "lowers"], "range": [BAD, ACCENT]}},
                    "tooltip": [{"field": "feature"}, {"field": "part", "format": "+.3g"}],
                },
            },
            {
                "mark": {"type": "text", "align": "left", "dx": 4, "color": SOFT},
                "encoding": {"x": {"field": "end", "type": "quantitative"}, "text": {"field": "part", "format": "+.2g"}},
            },
        ],
    )  # fmt: skip


def partial_chart(found: PartialDependence) -> Chart:
    """Draw the mean answer over the feature's values, over thin lines of single rows."""
    if not found.grid:
        return nothing_yet("How answers move with a feature appears here when a candidate was examined.")
    ordered = all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in found.grid)
    axis = {"field": "at", "type": "quantitative" if ordered else "nominal", "axis": {"title": found.feature, "labelLimit": 80}}
    x = {**axis, "scale": {"zero": False, "nice": False}} if ordered else {**axis, "sort": [_said(value) for value in found.grid]}
    places = [value if ordered else _said(value) for value in found.grid]
    single = [
        {"at": at, "answer": round(answer, 5), "row": row}
        for row, line in enumerate(found.single)
        for at, answer in zip(places, line, strict=True)
    ]
    mean = [
        {"at": at, "answer": round(answer, 5), "share": round(share, 4)}
        for at, answer, share in zip(places, found.mean, found.share, strict=True)
    ]
    y = {
        "field": "answer",
        "type": "quantitative",
        "axis": {"title": f"answer for {found.subject}" if found.subject else "answer"},
        "scale": {"zero": False},
    }
    return chart(
        f"The mean answer moves by {found.reach:.3g} over the values of {found.feature}.",
        height=150,
        layer=[
            {
                "data": {"values": single},
                "mark": {"type": "line", "strokeWidth": 0.7, "opacity": 0.35, "color": MUTED},
                "encoding": {"x": x, "y": y, "detail": {"field": "row"}},
            },
            {
                "data": {"values": mean},
                "mark": {"type": "line", "strokeWidth": 2.5, "color": ACCENT, "point": {"size": 22, "color": ACCENT}},
                "encoding": {
                    "x": x,
                    "y": y,
                    "tooltip": [{"field": "at", "title": found.feature}, {"field": "answer", "format": ".4g"}, {"field": "share", "title": "of rows", "format": ".0%"}],
                },
            },
        ],
    )  # fmt: skip


def beeswarm_chart(features: Sequence[tuple[str, Sequence[tuple[float, float]]]], scale: str) -> Chart:
    """Draw every explained row's part of each feature, coloured by how high the feature's value is."""
    dots = [
        {"feature": name, "part": part, "rank": rank if rank >= 0 else None, "jitter": (place * 0.618) % 1 - 0.5}
        for name, points in features[:MOST_PARTS]
        for place, (rank, part) in enumerate(points)
    ]
    if not dots:
        return nothing_yet("What a candidate goes by appears here when it was examined.")
    order = [name for name, _ in features[:MOST_PARTS]]
    return chart(
        f"{order[0]} moves answers most; each dot is one row, redder where the feature's value is higher.",
        height=ROW * len(order) + 20,
        data={"values": dots},
        mark={"type": "circle", "size": 18, "opacity": 0.75},
        encoding={
            "y": {"field": "feature", "type": "nominal", "sort": order, "axis": {"labelColor": INK, "labelLimit": 200}},
            "yOffset": {"field": "jitter", "type": "quantitative"},
            "x": {"field": "part", "type": "quantitative", "axis": {"title": f"part of the answer, {scale}", "grid": True}},
            "color": {
                "field": "rank", "type": "quantitative", "legend": None,
                "scale": {"type": "threshold", "domain": [0.2, 0.4, 0.6, 0.8], "range": [HEAT[1], ACCENT, HEAT[3], HEAT[4], HEAT[5]]},
            },
            "tooltip": [{"field": "feature"}, {"field": "part", "format": "+.3g"}],
        },
    )  # fmt: skip


def _bar(feature: str, start: float, part: float) -> dict[str, object]:
    end = start + part
    return {
        "feature": feature[:80], "from": round(start, 6), "to": round(end, 6), "end": round(max(start, end), 6), "part": round(part, 6),
        "way": "raises" if part > 0 else "lowers",
    }  # fmt: skip


def _said(value: object) -> str:
    if value is None:
        return "missing"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
