import json
from html.parser import HTMLParser

import pytest
from sample import LOOP


@pytest.fixture
def turn(ask):
    turns = ask.get(f"/api/v1/loops/{LOOP}/turns").json()["turns"]
    return next(one["id"] for one in turns if len(ask.get(f"/turns/{one['id']}/scorecard").text) > 9_000)


def test_the_turn_leads_to_its_whole_scorecard(ask, turn):
    assert f'href="/turns/{turn}/scorecard"' in ask.get(f"/turns/{turn}").text
    page = ask.get(f"/turns/{turn}/scorecard").text
    for title in ("Marks", "Curves", "Slices", "Over time", "Fairness", "Robustness", "Leakage"):
        assert title in page, title


def test_every_figure_on_the_page_has_a_spec(ask, turn):
    class Places(HTMLParser):
        found = []  # noqa: RUF012

        def handle_starttag(self, tag, attributes):
            given = dict(attributes)
            assert not any(name == "style" or name.startswith("on") for name in given), given
            if "data-chart" in given:
                self.found.append(given["data-chart"])

    places = Places()
    places.feed(ask.get(f"/turns/{turn}/scorecard").text)
    assert len(places.found) >= 11
    for address in places.found:
        drawn = ask.get(address).json()
        assert drawn["spec"].get("layer") or drawn["spec"]["mark"], address


def test_a_scorecard_is_taken_away_as_html_markdown_and_json(ask, turn):
    for form, start in (("html", "<!doctype html>"), ("md", "## "), ("json", "{")):
        answer = ask.get(f"/turns/{turn}/scorecard.{form}")
        assert answer.text.startswith(start) and f"-scorecard.{form}" in answer.headers["content-disposition"]
    told = json.loads(ask.get(f"/turns/{turn}/scorecard.json").text)
    assert told["scorecard"]["metrics"]["roc_auc"]["value"] > 0.5 and told["examination"]["curves"]
    assert ask.get(f"/turns/{turn}/scorecard.exe").status_code == 404


def test_what_is_not_there_is_said(ask):
    assert ask.get("/turns/nope/scorecard").status_code == 404
    assert ask.get("/static/document.css").headers["content-type"].startswith("text/css")
