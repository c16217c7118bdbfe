"""A scorecard as a file, as Markdown, and in a notebook."""

import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from examined import card, examination, verdict

import noria
from noria.core.examination.examination import Examination
from noria.core.judging import GateResult, SliceMark
from noria.core.schema import Estimate
from noria.core.watching import Incident, Level, Reading
from noria.drawing import notebook
from noria.drawing.charts.intervals import Named, intervals_chart
from noria.drawing.documents.scorecard import Shown, headline, to_html, to_markdown

EVIL = '<img src=x onerror="alert(1)">|`x`'
NAN = float("nan")
VOID = {"meta", "br", "img", "path", "rect", "circle", "line", "link"}


class Tags(HTMLParser):
    def __init__(self):
        super().__init__()
        self.open, self.seen, self.attributes = [], set(), set()

    def handle_starttag(self, tag, attrs):
        self.seen.add(tag)
        self.attributes |= {name for name, _ in attrs}
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open and self.open.pop() == tag, tag


def parsed(page):
    tags = Tags()
    tags.feed(page)
    assert tags.open == []
    return tags


@pytest.fixture(scope="module")
def page():
    return to_html(Shown(title="late-arrival v3", card=card(), examination=examination(), verdict=verdict()))


def test_the_page_is_alone_well_formed_and_small(page):
    tags = parsed(page)
    assert not tags.seen & {"script", "img", "iframe"} and not tags.attributes & {"src", "href", "onclick"}
    assert "url(" not in page.replace("url(#", "") and not re.search(r"https?://(?!www\.w3\.org)", page)
    assert len(page.encode()) < 1_000_000


def test_every_subject_has_its_place(page):
    for title in (
        "Gates",
        "Marks",
        "Curves",
        "Threshold",
        "Slices",
        "Against simple models",
        "What it leans on",
        "Over time",
        "Fairness",
        "Robustness",
        "Leakage",
    ):
        assert title in page, title
    assert "shown better" in page and "lofo</b> is not known" in page and page.count('role="img"') >= 11


def test_a_bare_scorecard_is_a_page_too():
    bare = card(champion="", champion_metrics={}, versus_champion={}, slices=(), examination="", agreement=None)
    told = to_html(Shown(title="newborn v1", card=bare))
    assert "Curves" not in told and "Champion" not in told and headline(bare) == "roc_auc 0.7560, between 0.7486 and 0.7634"


def test_the_headline_says_what_is_shown_against_the_champion():
    assert "better than the champion (+0.0120" in headline(card())
    worse = {"roc_auc": Estimate(value=-0.02, low=-0.03, high=-0.01, n=9)}
    assert "worse than the champion" in headline(card(versus_champion=worse))


def test_markup_in_names_stays_text():
    evil = card(slices=(SliceMark(column=EVIL, value=EVIL, metric="roc_auc", mark=card().metrics["roc_auc"]),))
    shown = Shown(
        title=EVIL, card=evil, examination=examination(untold={EVIL: EVIL}),
        verdict=replace(verdict(), results=(GateResult(gate=EVIL, outcome=verdict().outcome, reason=EVIL),)),
    )  # fmt: skip
    tags = parsed(to_html(shown))
    assert "img" not in tags.seen and "onerror" not in tags.attributes
    assert "<img" not in to_markdown(shown)


def test_marks_that_could_not_be_computed_are_dashes():
    unknown = card(metrics={"roc_auc": Estimate(value=NAN, low=NAN, high=NAN, n=3)}, versus_champion={}, champion_metrics={})
    shown = Shown(title="x", card=unknown)
    assert "nan" not in to_html(shown).lower().replace("nanum", "") and "nan" not in to_markdown(shown).lower()


def test_markdown_has_marks_gates_and_weak_places():
    told = to_markdown(Shown(title="late-arrival v3", card=card(), examination=examination(), verdict=verdict()))
    assert "| roc\\_auc |" in told or "| roc_auc |" in told
    assert "**Leans on** dep\\_delay (40%)" in told and "**Weak where**" in told and "- **fail**" in told and len(told) < 8_000


class Formatter:
    """Keeps what IPython's formatter keeps."""

    def __init__(self):
        self.known = {}

    def for_type_by_name(self, module, name, draw):
        self.known[module, name] = draw

    def __call__(self, value):
        return self.known[type(value).__module__, type(value).__name__](value)


class Shell:
    def __init__(self):
        self.display_formatter = self
        self.formatters = {"text/html": Formatter()}


def test_a_notebook_draws_values_after_load_ext():
    shell = Shell()
    noria.load_ipython_extension(shell)
    draw = shell.formatters["text/html"]
    reading = Reading(
        loop="l", monitor="drift", subject=EVIL, time=card().end, value=0.31, threshold=0.1, level=Level.BREACH, rows=900, note=EVIL
    )
    incident = Incident(id="i", loop="l", severity="page", title=EVIL, cause=EVIL, subjects=("drift:x",), opened_at=card().end)
    for value in (
        card(),
        verdict(),
        Examination(made_from=()),
        reading,
        incident,
        intervals_chart("told", [Named(name="a", mark=card().agreement)], x_title="x"),
    ):
        piece = draw(value)
        tags = parsed(piece)
        assert "noria-doc" in piece and not tags.seen & {"img", "script", "html"}, type(value)
    assert "and 100 more" in notebook.Readings([reading] * 300)._repr_html_()
    assert draw(examination()).count("<figure") >= 11
