"""What `noria quality` says, and what it does not take."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from math import nan

import pytest
import typer

from noria.cli.console import plainly
from noria.cli.quality import _cells, _drawn, _moment, _span
from noria.core.performance import QualityWindow
from noria.core.schema import Estimate
from noria.drawing.theme import chart, nothing_yet

START = datetime(2013, 6, 1, tzinfo=UTC)


def window(**changes):
    values = {
        "start": START, "end": START + timedelta(days=7), "rows": 900, "labelled": 450, "maturity": 0.5, "mature": False,
        "quality": Estimate(value=0.71, low=0.68, high=0.74, n=450), "versions": (2, 3),
    }  # fmt: skip
    return QualityWindow(**{**values, **changes})


def test_a_window_that_is_not_mature_is_marked():
    assert _cells(window()) == ("2013-06-01", "~0.7100", "0.6800 to 0.7400", "450", "900", "50%", "v2, v3")
    assert _cells(window(mature=True, maturity=1.0))[1] == "0.7100"
    unknown = window(quality=Estimate(value=nan, low=nan, high=nan, n=0), maturity=nan)
    assert _cells(unknown)[1:3] == ("not enough data", "") and _cells(unknown)[5] == "too early to tell"


def test_a_date_is_utc_and_what_is_none_is_told_in_words(capsys):
    assert _moment("2013-06-01", "--as-of") == START and _moment("", "--as-of") is None
    assert _span("30d") == timedelta(days=30)
    for wrong in (lambda: _moment("June", "--as-of"), lambda: _span("soon"), lambda: _span("0d")):
        with pytest.raises(typer.Exit):
            plainly(wrong)()
    assert "--as-of 2013-06-01" in capsys.readouterr().err


def test_charts_are_written_beside_their_specs(tmp_path):
    _drawn(tmp_path / "out", empty=nothing_yet("nothing"))
    assert list((tmp_path / "out").iterdir()) == []
    _drawn(tmp_path / "out", one=chart("a line", height=50, mark="line", data={"values": [{"a": 1}]}, encoding={"x": {"field": "a"}}))
    assert json.loads((tmp_path / "out" / "one.json").read_text())["height"] == 50
    assert (tmp_path / "out" / "one.png").read_bytes().startswith(b"\x89PNG")
