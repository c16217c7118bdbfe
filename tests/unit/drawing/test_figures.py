"""Every subject of an examination is drawn, in a spec that browsers read and in words."""

import json
from dataclasses import replace

import pytest
from examined import curves, examination, mark
from hypothesis import given
from hypothesis import strategies as st

from noria.core.examination.curves import Confusion, Curve, CurveKind, Line
from noria.core.examination.examination import Examination
from noria.core.schema import Estimate
from noria.drawing.charts.curves import TITLES, beside, confusion_chart, curve_chart
from noria.drawing.charts.intervals import Named, intervals_chart
from noria.drawing.convert import svgs
from noria.drawing.figures import figures_of
from noria.drawing.theme import printed

NAN = float("nan")


def test_every_subject_has_its_figure_under_a_name_of_its_own():
    names = [one.name for one in figures_of(examination())]
    assert len(names) == len(set(names))
    assert {
        "roc",
        "calibration",
        "confusion",
        "slices",
        "baselines",
        "importance",
        "backtest",
        "staleness",
        "stress",
        "parts",
        "partial-1",
    } <= set(names)


def test_an_examination_of_nothing_has_no_figure():
    assert figures_of(Examination(made_from=())) == ()


def test_figures_are_json_with_words_and_every_colour_can_be_printed():
    for one in figures_of(examination()):
        text = json.dumps(printed(one.chart.spec), allow_nan=False)
        assert len(one.chart.text) > 20, one.name
        assert "var(--" not in text.replace("var(--on-accent)", ""), one.name


def test_one_worker_draws_them_all_and_keeps_the_colours_names():
    found = figures_of(examination())
    pictures = svgs([{**one.chart.spec, "width": 400} for one in found])
    assert len(pictures) == len(found) and all(picture.startswith("<svg") for picture in pictures)
    assert any("var(--accent)" in picture for picture in pictures) and not any("NaN" in picture for picture in pictures)


def test_user_text_in_a_picture_is_text():
    rows = [Named(name='<img src=x onerror="alert(1)">', mark=mark(0.1))]
    (picture,) = svgs([{**intervals_chart("told", rows, x_title="<b>x</b>").spec, "width": 300}])
    assert "<img" not in picture and "<b>" not in picture and "&lt;img" in picture


@pytest.mark.parametrize("kind", list(CurveKind))
def test_every_kind_of_curve_has_a_title_and_is_drawn(kind):
    curve = Curve(kind=kind, x_name="x", y_name="y", lines=(Line(x=(0.0, 1.0), y=(0.0, 1.0)),), times=kind is CurveKind.RESIDUALS_OVER_TIME)
    assert kind in TITLES and curve_chart(curve).spec["layer"]


def test_bands_are_left_out_where_there_are_many_lines():
    one = curves().curves[0].lines[0]
    many = Curve(kind=CurveKind.ROC, x_name="x", y_name="y", lines=tuple(replace(one, name=str(k)) for k in range(6)))
    marks = [layer["mark"]["type"] for layer in curve_chart(many).spec["layer"]]
    assert "area" not in marks and "line" in marks


def test_two_curves_lie_over_each_other():
    first = curves().curves[0]
    both = beside(first, first, ("before", "now"))
    assert [line.name for line in both.lines] == ["before", "now"]
    assert curve_chart(both).spec["layer"][-1]["encoding"]["color"]["scale"]["domain"] == ["before", "now"]


def test_confusion_is_told_as_a_share_of_right_answers():
    drawn = confusion_chart(Confusion(classes=("a", "b"), counts=((8, 2), (1, 9))))
    assert "17 of 20" in drawn.text and len(drawn.spec["data"]["values"]) == 4
    assert confusion_chart(Confusion(classes=(), counts=())).spec == {}


@given(st.lists(st.tuples(st.floats(), st.floats(), st.floats()), max_size=8))
def test_whatever_numbers_come_the_spec_is_json(numbers):
    rows = [Named(name=str(k), mark=Estimate(value=v, low=low, high=high, n=1)) for k, (v, low, high) in enumerate(numbers)]
    line = Line(
        x=tuple(n[0] for n in numbers), y=tuple(n[1] for n in numbers), low=tuple(n[2] for n in numbers), high=tuple(n[2] for n in numbers)
    )
    curve = Curve(kind=CurveKind.LIFT, x_name="x", y_name="y", lines=(line,))
    for drawn in (intervals_chart("told", rows, x_title="x"), curve_chart(curve)):
        json.dumps(drawn.spec, allow_nan=False)
