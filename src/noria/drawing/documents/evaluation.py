"""What `noria.evaluate` found, as HTML and Markdown."""

from __future__ import annotations

from math import isfinite

from noria.core.examination.evaluation import Evaluation
from noria.core.examination.examination import Examination
from noria.core.schema import Estimate
from noria.drawing.documents.scorecard import drawn
from noria.drawing.documents.sheet import cell, fragment, whole
from noria.drawing.figures import Figure, figures_of
from noria.drawing.words import metric


def to_html(shown: Evaluation) -> str:
    """One HTML file with everything, its charts inside."""
    return whole("evaluation.html", title=f"{shown.task} evaluation", **_values(shown))


def to_fragment(shown: Evaluation) -> str:
    """The same for a notebook."""
    return fragment("evaluation.html", title="", **_values(shown))


def to_markdown(shown: Evaluation) -> str:
    """Every mark for a pull request or a message."""
    lines = [f"## {cell(shown.task)}", "", cell(headline(shown), 200), "", cell(judged_on(shown), 200), "", "| metric | value | interval |"]
    lines += ["|---|---:|---|", *(f"| {name} | {metric(mark.value)} | {_span(mark)} |" for name, mark in shown.metrics.items())]
    lines += ["", *(cell(note, 240) for note in shown.notes)] if shown.notes else []
    return "\n".join(lines) + "\n"


def headline(shown: Evaluation) -> str:
    """The main mark in one line."""
    if not shown.metrics:
        return "no metric could be measured"
    name, mark = next(iter(shown.metrics.items()))
    return f"{name} {metric(mark.value)}" + (f", between {metric(mark.low)} and {metric(mark.high)}" if isfinite(mark.low) else "")


def judged_on(shown: Evaluation) -> str:
    """What the intervals rest on, in one sentence."""
    if not shown.clusters:
        return f"Judged on {shown.rows:,} rows" + (", neighbours taken as alike." if shown.serial else ", taken as independent.")
    return f"Judged on {shown.rows:,} rows in {shown.clusters:,} clusters" + (", neighbours taken as alike." if shown.serial else ".")


def _values(shown: Evaluation) -> dict[str, object]:
    figures: tuple[Figure, ...] = figures_of(Examination(made_from=(), curves=shown.curves))
    return {"shown": shown, "headline": headline(shown), "judged_on": judged_on(shown), "figures": figures, "drawn": drawn(figures)}


def _span(mark: Estimate) -> str:
    return f"{metric(mark.low)} to {metric(mark.high)}" if isfinite(mark.low) else "–"
