"""The figures of a scorecard by name: what the page draws live, a document draws in place."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import isfinite

from noria.core.examination.baselines import Baselines
from noria.core.examination.curves import CurveKind
from noria.core.examination.examination import Examination
from noria.core.examination.explaining import Explained
from noria.core.examination.importance import Importance
from noria.core.examination.slices import FoundSlice, SliceSearch
from noria.core.examination.stress import Strain, Stress
from noria.drawing.charts.ageing import backtest_chart, staleness_chart
from noria.drawing.charts.curves import TITLES, confusion_chart, curve_chart
from noria.drawing.charts.explaining import beeswarm_chart, partial_chart
from noria.drawing.charts.intervals import Named, intervals_chart, toned
from noria.drawing.theme import Chart

CURVES_FIRST = (CurveKind.ROC, CurveKind.PR, CurveKind.CALIBRATION, CurveKind.SCORES, CurveKind.GAIN, CurveKind.LIFT, CurveKind.COST)


PARTIAL_DRAWN = 4
"""Features whose dependence is drawn, those that move answers most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A chart with its place.

    Attributes:
        name: Stable within a scorecard: part of the chart's address.
        section: "curves", "slices", "baselines", "leans", "moves", "time" or "stress".
        note: One sentence below the title.
    """

    name: str
    section: str
    title: str
    chart: Chart
    note: str = ""


def figures_of(examination: Examination) -> tuple[Figure, ...]:
    """Every figure that the examination has values for, in order."""
    return tuple(one for one in _all(examination) if one.chart.spec)


def _all(seen: Examination) -> Iterator[Figure]:
    yield from _curves(seen)
    if seen.slices is not None:
        yield _slices(seen.slices)
    if seen.baselines is not None:
        yield _baselines(seen.baselines)
    for name, importance in (("importance", seen.importance), ("lofo", seen.lofo)):
        if importance is not None:
            yield _importance(name, importance)
    if seen.explained is not None:
        yield from _explained(seen.explained)
    if seen.backtest is not None:
        yield Figure(
            name="backtest", section="time", title="On recent windows", chart=backtest_chart(seen.backtest), note=seen.backtest.left_out
        )
    if seen.staleness is not None:
        yield Figure(
            name="staleness", section="time", title="How models age", chart=staleness_chart(seen.staleness), note=seen.staleness.advice
        )
    if seen.stress is not None:
        yield _stress(seen.stress)


def _curves(seen: Examination) -> Iterator[Figure]:
    if seen.curves is None:
        return
    first = [seen.curves.of(kind) for kind in CURVES_FIRST]
    rest = [curve for curve in seen.curves.curves if curve.kind not in CURVES_FIRST]
    for curve in (*first, *rest):
        if curve is not None:
            yield Figure(name=curve.kind.value, section="curves", title=TITLES[curve.kind], chart=curve_chart(curve), note=curve.note)
    if seen.curves.confusion is not None:
        at = f"yes from {seen.curves.confusion.threshold:.3g} on" if len(seen.curves.confusion.classes) == 2 else "shares of each outcome"
        yield Figure(name="confusion", section="curves", title="Confusion", chart=confusion_chart(seen.curves.confusion), note=at)


def _slices(found: SliceSearch) -> Figure:
    rows = [Named(name=str(one), mark=one.gap, tone="bad", tip=_again(one)) for one in found.found]
    text = f"{found.shown} of {found.tested} slices are shown to be worse than the other rows by {found.loss}."
    if isfinite(found.shrinks_to):
        text += f" What was found in older rows had {found.shrinks_to:.0%} of its gap left in newer ones."
    chart = intervals_chart(text, rows, x_title=f"{found.loss} beyond the other rows", waits=text)
    return Figure(name="slices", section="slices", title="Where it is weak", chart=chart, note=text)


def _again(one: FoundSlice) -> str:
    newer = "" if one.again is None else f", {one.again.value:+.3g} in the newer half"
    return f"{one.gap.value:+.3g}{newer}, q {one.q:.2g}"


def _baselines(found: Baselines) -> Figure:
    rows = [Named(name=one.name, mark=one.versus, tone=toned(one.versus), tip=one.says) for one in found.marks]
    text = f"Gain in {found.metric} over simple models: " + "; ".join(f"{one.name} {one.versus.value:+.4f}" for one in found.marks) + "."
    chart = intervals_chart(text, rows, x_title=f"gain in {found.metric}: right is better")
    return Figure(name="baselines", section="baselines", title="Against simple models", chart=chart, note=found.note)


def _importance(name: str, found: Importance) -> Figure:
    rows = [
        Named(name=one.name, mark=one.lost, tone="" if one.lost.low > 0 else "open", tip=f"{one.share:.1%} of all")
        for one in found.features
    ]
    how = "shuffled" if found.method == "permutation" else "left out of the training"
    first = ", ".join(one.name for one in found.features[:3])
    text = f"What {found.metric} loses when a feature is {how}: most with {first}."
    chart = intervals_chart(text, rows, x_title=f"{found.metric} lost when {how}")
    title = "What it leans on" if found.method == "permutation" else "What training needs"
    return Figure(name=name, section="leans", title=title, chart=chart, note=found.note or f"each feature {how}, {found.rows:,} rows")


def _explained(found: Explained) -> Iterator[Figure]:
    swarm = beeswarm_chart([(one.feature, one.points) for one in found.features], found.scale)
    note = f"parts of {found.rows:,} answers by {found.method}; each dot is one row, redder where the value is higher"
    yield Figure(name="parts", section="leans", title="What moves answers", chart=swarm, note=note)
    for place, one in enumerate(sorted(found.partial, key=lambda one: -one.reach)[:PARTIAL_DRAWN], 1):
        note = "the mean answer, and thin lines of single rows, all other features as they are"
        yield Figure(name=f"partial-{place}", section="moves", title=f"With {one.feature}", chart=partial_chart(one), note=note)


def _stress(found: Stress) -> Figure:
    def named(one: Strain) -> str:
        what = "all features" if one.features == ("*",) else " and ".join(one.features)
        return {
            "noise": f"noise of {one.severity:g} sd on {what}",
            "missing": f"{one.severity:.0%} missing in {what}",
            "unseen": f"{one.severity:.0%} unseen in {what}",
            "scaled": f"{what} × {one.severity:g}",
        }.get(one.to, f"{what} {one.to}")

    worst = sorted(found.strains, key=lambda one: -(one.fall.value if one.fall.value == one.fall.value else float("-inf")))
    rows = [
        Named(name=named(one), mark=one.fall, tone="bad" if one.fall.low > 0 else "open", tip=f"{one.changed:.1%} of answers change")
        for one in worst
    ]
    text = f"How much {found.metric} falls when inputs are strained, on {found.rows:,} rows."
    chart = intervals_chart(text, rows, x_title=f"fall of {found.metric}: right is worse")
    return Figure(name="stress", section="stress", title="Under strain", chart=chart, note=text)
