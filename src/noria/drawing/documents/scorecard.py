"""A scorecard with its examination as HTML, Markdown and text: one template for the page, the file and the notebook."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite, isnan

from markupsafe import Markup

from noria.core.examination.examination import Examination
from noria.core.judging import Scorecard, SliceMark, Verdict
from noria.core.schema import Estimate
from noria.drawing.convert import svgs
from noria.drawing.documents.sheet import cell, fragment, templates, whole
from noria.drawing.figures import Figure, figures_of
from noria.drawing.words import day, latency, metric, signed, size

WIDTH, NARROW = 500, 350
"""Pixels of a figure in a document, and of a curve, three of which share a row; they are scaled to their places."""

MOST_SLICES = 60
MOST_LINES = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """All that is shown of one candidate.

    Attributes:
        title: "late-arrival v3", or what else it is called.
        examination: What was looked at behind the marks; None = nothing more was.
        verdict: The gates' say; None = none was asked.
    """

    title: str
    card: Scorecard
    examination: Examination | None = None
    verdict: Verdict | None = None


def to_html(shown: Shown) -> str:
    """One HTML file with everything, its charts inside."""
    return whole("scorecard.html", title=shown.title, **_values(shown, drawn(figures(shown))))


def to_fragment(shown: Shown) -> str:
    """The same for a notebook."""
    return fragment("scorecard.html", title="", **_values(shown, drawn(figures(shown))))


def to_sections(shown: Shown, live: Mapping[str, Markup]) -> Markup:
    """The same for a page that draws the charts itself.

    Args:
        live: Figure's name to the markup of its place.
    """
    return Markup(templates().get_template("scorecard.html").render(bare=True, **_values(shown, live)))


def figures(shown: Shown) -> tuple[Figure, ...]:
    """The figures that the sections have places for."""
    return () if shown.examination is None else figures_of(shown.examination)


def headline(card: Scorecard) -> str:
    """The main mark in one line, against the champion where there is one."""
    if not card.metrics:
        return "no metric could be measured"
    name, mark = next(iter(card.metrics.items()))
    said = f"{name} {metric(mark.value)}"
    if isfinite(mark.low):
        said += f", between {metric(mark.low)} and {metric(mark.high)}"
    gain = card.versus_champion.get(name)
    if gain is None or isnan(gain.value):
        return said
    shown = (
        "better than the champion" if gain.low > 0 else "worse than the champion" if gain.high < 0 else "not told apart from the champion"
    )
    return f"{said}: {shown} ({signed(gain.value)}, {signed(gain.low)} to {signed(gain.high)})"


def to_markdown(shown: Shown) -> str:
    """Marks, gates and weak places for a pull request or a model card."""
    card = shown.card
    lines = [f"## {cell(shown.title)}", "", cell(headline(card), 200), "", cell(_judged_on(card), 200), ""]
    if shown.verdict is not None:
        lines += [f"- **{cell(one.outcome.value)}** {cell(one.gate)}: {cell(one.reason, 200)}" for one in shown.verdict.results] + [""]
    with_champion = bool(card.champion_metrics)
    lines.append(
        "| metric | candidate | interval | champion | difference | its interval |" if with_champion else "| metric | candidate | interval |"
    )
    lines.append("|---|---:|---|---:|---:|---|" if with_champion else "|---|---:|---|")
    lines += [_markdown_mark(card, name, with_champion=with_champion) for name in card.metrics]
    if card.slices:
        lines += ["", "| slice | metric | value | interval | rows |", "|---|---|---:|---|---:|"]
        lines += [
            f"| {cell(one.column)} = {cell(one.value)} | {one.metric} | {metric(one.mark.value)} | {_span(one.mark)} | {one.mark.n:,} |"
            for one in card.slices[:MOST_LINES]
        ]
    lines += _markdown_examination(shown.examination) if shown.examination else []
    lines += ["", f"One row in {latency(card.latency_p50_ms * 1000)} (p99 {latency(card.latency_p99_ms * 1000)}), {size(card.size_bytes)}."]
    return "\n".join(lines) + "\n"


def _markdown_mark(card: Scorecard, name: str, *, with_champion: bool) -> str:
    mark, was, gain = card.metrics[name], card.champion_metrics.get(name), card.versus_champion.get(name)
    cells = [name, metric(mark.value), _span(mark)]
    if with_champion:
        cells += [metric(was.value if was else None), signed(gain.value if gain else None), _span(gain) if gain else ""]
    return f"| {' | '.join(cells)} |"


def _markdown_examination(seen: Examination) -> list[str]:
    lines: list[str] = []
    if seen.baselines is not None and seen.baselines.marks:
        lines += [
            "",
            "**Against simple models.** " + "; ".join(f"{cell(one.name)} {signed(one.versus.value)}" for one in seen.baselines.marks) + ".",
        ]
    if seen.importance is not None and seen.importance.features:
        lines += ["", "**Leans on** " + ", ".join(f"{cell(one.name)} ({one.share:.0%})" for one in seen.importance.features[:8]) + "."]
    if seen.slices is not None and seen.slices.found:
        lines += ["", "**Weak where** " + "; ".join(f"{cell(one)} ({one.mark.n:,} rows)" for one in seen.slices.found[:6]) + "."]
    if seen.fairness is not None:
        lines += [f"- {cell(one.column)}: {one.measure.replace('_', ' ')} differs by {metric(one.difference.value)} ({_span(one.difference)}) between {cell(one.lowest)} and {cell(one.highest)}" for one in seen.fairness.gaps[:8]]  # fmt: skip
    if seen.staleness is not None and seen.staleness.advice:
        lines += ["", cell(seen.staleness.advice, 240)]
    if seen.untold:
        lines += ["", "Not known: " + "; ".join(f"{cell(name)} ({cell(why, 120)})" for name, why in seen.untold.items()) + "."]
    return lines


def _span(mark: Estimate) -> str:
    return f"{metric(mark.low)} to {metric(mark.high)}" if isfinite(mark.low) else "–"


def _judged_on(card: Scorecard) -> str:
    return f"Judged on the newest {card.rows:,} rows, {day(card.start)} to {day(card.end)}, which it was not trained on."


def drawn(found: Sequence[Figure]) -> dict[str, Markup]:
    """Figures by name as SVG, all made by one worker; a user's text in them is text, as Vega escapes it."""
    pictures = svgs([{**one.chart.spec, "width": NARROW if one.section == "curves" else WIDTH} for one in found])
    return {one.name: Markup(picture) for one, picture in zip(found, pictures, strict=True)}


def _values(shown: Shown, pictures: Mapping[str, Markup]) -> dict[str, object]:
    by_section: dict[str, list[Figure]] = {}
    for figure in figures(shown):
        if figure.name in pictures:
            by_section.setdefault(figure.section, []).append(figure)
    card = shown.card
    return {
        "shown": shown,
        "card": card,
        "seen": shown.examination,
        "headline": headline(card),
        "judged_on": _judged_on(card),
        "sections": by_section,
        "drawn": pictures,
        "tiles": _tiles(card.slices[:MOST_SLICES]),
        "claims": {one.metric: one for one in shown.examination.rivalry.comparisons}
        if shown.examination and shown.examination.rivalry
        else {},
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """One slice on the heat map; `heat` is 0 (as good as any) to 5 (shown worse than the champion)."""

    value: str
    said: str
    rows: int
    heat: int
    tip: str


def _tiles(slices: Sequence[SliceMark]) -> dict[tuple[str, str], list[Tile]]:
    """Column and metric to its slices, worst first; without a champion the heat is the place in that order."""
    groups: dict[tuple[str, str], list[SliceMark]] = {}
    for one in slices:
        groups.setdefault((one.column, one.metric), []).append(one)
    return {key: [_tile(one, place, len(found)) for place, one in enumerate(found)] for key, found in groups.items()}


def _tile(one: SliceMark, place: int, among: int) -> Tile:
    versus = one.versus
    if versus is None:
        heat = 3 - round(3 * place / max(among - 1, 1)) if among > 1 else 1
        tip = f"{metric(one.mark.value)} [{_span(one.mark)}]"
    else:
        heat = 5 if versus.high < 0 else 3 if versus.value < 0 else 1
        tip = f"{metric(one.mark.value)} [{_span(one.mark)}], against the champion {signed(versus.value)} [{signed(versus.low)} to {signed(versus.high)}]"
    return Tile(value=one.value, said=metric(one.mark.value), rows=one.mark.n, heat=heat, tip=tip)
