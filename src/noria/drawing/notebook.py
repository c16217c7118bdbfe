"""Noria's values in a notebook: `%load_ext noria`, and scorecards, examinations, readings, incidents and charts draw themselves.

The values know nothing of it: IPython asks its formatters by type, and finds these functions there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from noria.core.examination.examination import Examination
from noria.core.judging import Scorecard, Verdict
from noria.core.watching import Incident, Reading
from noria.drawing.documents.sheet import fragment
from noria.drawing.theme import Chart

MOST_READINGS = 200


def register(html: Any) -> None:
    """Teach IPython's HTML formatter the types that are drawn; nothing is imported before one of them is shown."""
    for module, name, draw in _DRAWN:
        html.for_type_by_name(module, name, draw)


@dataclass(frozen=True, slots=True)
class Readings:
    """Readings as one table: `Readings(found)` as the last line of a cell."""

    readings: tuple[Reading, ...]

    def __init__(self, readings: Iterable[Reading]) -> None:
        object.__setattr__(self, "readings", tuple(readings))

    def _repr_html_(self) -> str:
        return readings_html(self.readings)


def scorecard_html(card: Scorecard) -> str:
    """A scorecard by itself: its examination is a value of its own."""
    from noria.drawing.documents.scorecard import Shown, to_fragment

    return to_fragment(Shown(title="Scorecard", card=card))


def examination_html(seen: Examination) -> str:
    """Every figure of an examination."""
    from noria.drawing.documents.scorecard import drawn
    from noria.drawing.figures import figures_of

    found = figures_of(seen)
    return fragment("figures.html", title="", figures=found, drawn=drawn(found), untold=seen.untold)


def chart_html(chart: Chart) -> str:
    """One chart as a picture with its words."""
    from noria.drawing.convert import svgs

    pictures = svgs([{**chart.spec, "width": 720}]) if chart.spec else []
    return fragment("chart.html", title="", text=chart.text, picture=pictures[0] if pictures else "")


def readings_html(readings: Iterable[Reading]) -> str:
    """Readings as a table, as they come."""
    shown = tuple(readings)
    return fragment("readings.html", title="", readings=shown[:MOST_READINGS], more=max(0, len(shown) - MOST_READINGS))


def reading_html(reading: Reading) -> str:
    """One reading against its limit."""
    return readings_html((reading,))


def incident_html(incident: Incident) -> str:
    """An incident: what happened, why, since when."""
    return fragment("incident.html", title="", incident=incident)


def verdict_html(verdict: Verdict) -> str:
    """All gates' say."""
    return fragment("verdict.html", title="", verdict=verdict)


_DRAWN: tuple[tuple[str, str, Callable[[Any], str]], ...] = (
    ("noria.core.judging", "Scorecard", scorecard_html),
    ("noria.core.judging", "Verdict", verdict_html),
    ("noria.core.examination.examination", "Examination", examination_html),
    ("noria.core.watching", "Reading", reading_html),
    ("noria.core.watching", "Incident", incident_html),
    ("noria.drawing.theme", "Chart", chart_html),
)
