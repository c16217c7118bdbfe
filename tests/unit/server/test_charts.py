import json
import subprocess
import sys

import pytest
from sample import LOOP

from noria.drawing.theme import PRINTED, printed

CHARTS = [
    f"quality.json?loop={LOOP}",
    f"traffic.json?loop={LOOP}",
    f"drift.json?loop={LOOP}",
    f"readings.json?loop={LOOP}&monitor=drift&subject=precip",
]


@pytest.mark.parametrize("path", CHARTS)
def test_every_chart_of_the_pages_has_a_spec_and_words(ask, path):
    drawn = ask.get(f"/charts/{path}").json()
    assert drawn["spec"]["width"] == "container" and len(drawn["text"]) > 20


def test_an_unchanged_chart_answers_304(ask):
    tag = ask.get(f"/charts/{CHARTS[0]}").headers["etag"]
    assert ask.get(f"/charts/{CHARTS[0]}", headers={"If-None-Match": tag}).status_code == 304


@pytest.mark.parametrize(
    "path", ["/charts/nope.json", "/charts/quality.json?loop=nope", "/charts/guards.json?rollout=nope", "/charts/tuning.json?turn=nope"]
)
def test_a_chart_of_nothing_is_not_found(ask, path):
    assert ask.get(path).status_code == 404


def test_a_printed_spec_has_no_css_variable_left(ask):
    for path in CHARTS:
        assert "var(--" not in json.dumps(printed(ask.get(f"/charts/{path}").json()["spec"]))


def test_printed_colours_name_variables_of_the_sheet(ask):
    sheet = ask.get("/static/noria.css").text
    assert all(f"{name.removeprefix('var(').removesuffix(')')}:" in sheet for name in PRINTED)


def test_the_png_for_pages_without_script_is_a_picture(ask):
    answer = ask.get(f"/charts/traffic.png?loop={LOOP}")
    assert answer.headers["content-type"] == "image/png" and answer.content.startswith(b"\x89PNG")


def test_importing_the_server_does_not_load_the_chart_converter():
    code = "import sys, noria.server.application; print('vl_convert' in sys.modules, 'polars' in sys.modules, 'noria.loop' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split() == ["False"] * 3
