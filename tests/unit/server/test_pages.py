import re
from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser
from urllib.parse import quote

import pytest
from sample import LOOP, REQUEST, FixedClock, SampleServices, deployment, write_sample

from noria.core.training import Members
from noria.core.turning import Rollout, Step, StepState
from noria.ledger.documents import Documents
from noria.ports import wire
from noria.server.application import create_app
from noria.server.page.render import coded
from noria.stages.registry import versions
from noria.testing.memory import MemoryRecords

PAGES = [
    "/",
    f"/loops/{LOOP}",
    f"/loops/{LOOP}/deployment",
    "/incidents",
    "/incidents/incident_2winter",
    f"/why/{LOOP}",
    "/events",
    "/anomalies",
    f"/anomalies/{LOOP}-2",
    "/deployments",
    "/deployments/churn",
    "/production",
    "/lineage",
    f"/lineage?of={LOOP}",
    f"/lineage?of={LOOP}@2&features=1",
    "/why/churn",
]
NEWBORN = ["/?loop=taxi-demand", "/loops/taxi-demand", "/loops/taxi-demand/deployment", "/why/taxi-demand"]
VOID = {"meta", "link", "input", "img", "br", "hr"}


class Wellformed(HTMLParser):
    """Fails on a tag that is closed without being open, or left open; SVG included."""

    def __init__(self):
        super().__init__()
        self.open, self.ids, self.inline = [], [], []

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self.ids += [given["id"]] if "id" in given else []
        self.inline += [name for name in given if name == "style" or name.startswith("on")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open and self.open.pop() == tag, f"</{tag}> closes nothing at {self.getpos()}"


def parsed(text):
    page = Wellformed()
    page.feed(text)
    return page


def turns(ask):
    return [f"/turns/{turn['id']}" for turn in ask.get(f"/api/v1/loops/{LOOP}/turns").json()["turns"]]


def test_every_page_is_wellformed_with_unique_ids_and_nothing_inline(ask):
    for path in [*PAGES, *NEWBORN, *turns(ask)]:
        answer = ask.get(path)
        assert answer.status_code == 200, path
        page = parsed(answer.text)
        assert page.open == [] and len(page.ids) == len(set(page.ids)) and page.inline == [], path
        assert "http://" not in answer.text.replace("http://www.w3.org", ""), f"{path} reaches out"


def test_the_ring_tells_the_live_values(ask):
    text = ask.get("/").text
    for station, value in {
        "data": "84,789",
        "features": "14",
        "tuning": "20",
        "evaluation": "0.7561",
        "registry": "v2",
        "serving": "225,453",
    }.items():
        assert re.search(rf'data-station="{station}">.*?{value}', text, re.DOTALL), station
    assert 'class="station working" data-station="serving"' in text and "Turn 6" in text
    assert "visibility, precip and wind_speed drifted" in text


def test_deployments_without_a_loop_are_listed_and_opened(ask):
    assert 'href="/deployments/churn"' in ask.get("/").text and 'href="/deployments/churn"' in ask.get("/deployments").text
    text = ask.get("/deployments/churn").text
    assert "churn.onnx" in text and 'data-verb="/api/v1/deployments/churn/rollback"' in text
    assert ask.get("/deployments/nobody", headers={"accept": "text/html"}).status_code == 404


def test_a_home_of_deployments_alone_has_a_home_page(ask, tmp_path):
    records = MemoryRecords()
    Documents(records).put(deployment("alone"))
    text = type(ask)(create_app(SampleServices(tmp_path, records))).get("/").text
    assert 'href="/deployments/alone"' in text and "No loop yet" not in text


def test_the_overview_says_what_is_estimated_and_under_which_light(ask):
    text = ask.get(f"/loops/{LOOP}").text
    assert "Estimated 0.74" in text and "Green light" in text and "dashed: estimated before outcomes come" in text
    assert "dashed" not in ask.get("/loops/taxi-demand").text


def test_the_overview_tells_turns_policy_and_champion(ask):
    text = ask.get(f"/loops/{LOOP}").text
    assert "refused: beats_champion" in text and "cooldown 7d" in text and 'data-chart="/charts/quality.json?loop=late-arrival"' in text


def test_a_failed_turn_shows_its_traceback_escaped(ask):
    text = ask.get(turns(ask)[1]).text
    assert "KeyError: &#39;seats&#39;" in text and "What went wrong" in text


def test_a_refused_turn_says_which_gate_failed_and_why(ask):
    text = ask.get(turns(ask)[4]).text
    assert "beats_champion" in text and "+0.0011" in text


def test_the_deployment_shows_the_ladder_the_guards_and_the_history(ask):
    text = ask.get(f"/loops/{LOOP}/deployment").text
    assert "Shadow" in text and re.search(r'class="now" aria-current="step">.*?10 %', text, re.DOTALL)
    assert "undecided" in text and "no harm at 50 % on 12,480 requests" in text


@pytest.mark.parametrize(("kind", "says"), [("ab", "until one is shown to be better"), ("bandit", "better with chance 80 %")])
def test_a_split_and_a_bandit_show_their_share_instead_of_a_ladder(ask, tmp_path, kind, says):
    records = write_sample().records
    running = next(found for found in Documents(records).find(Rollout) if found.ended_at is None)
    better = 0.8 if kind == "bandit" else None
    records.commit(Documents(records).write(replace(running, kind=kind, steps=(5.0, 35.0), step=1, share=0.35, better=better)))
    text = type(ask)(create_app(SampleServices(tmp_path, records))).get(f"/loops/{LOOP}/deployment").text
    parsed(text)
    assert re.search(rf'class="now" aria-current="step">.*?35 %.*?{says}', text, re.DOTALL)


@pytest.mark.parametrize(
    ("kind", "steps", "says"),
    [
        ("bluegreen", (100.0,), "all traffic at once; v3 stays ready"),
        ("interleave", (50.0,), "both draft each ranking"),
        ("shadow", (), "as declared: a person decides"),
    ],
)
def test_what_comes_in_at_once_is_said_in_words(ask, tmp_path, kind, steps, says):
    records = write_sample().records
    running = next(found for found in Documents(records).find(Rollout) if found.ended_at is None)
    records.commit(Documents(records).write(replace(running, kind=kind, steps=steps, step=0 if steps else -1)))
    text = type(ask)(create_app(SampleServices(tmp_path, records))).get(f"/loops/{LOOP}/deployment").text
    parsed(text)
    assert says.replace("v3", f"v{running.champion}") in text


def test_a_turns_page_says_what_became_of_its_family(ask, tmp_path):
    life = write_sample()
    turn = versions.get(life.records, LOOP, 1).turn
    named, left_out = ("ulm", "<b>"), {"with too few rows": 3}
    members = Members(family="f", by="shop", partitions=12, tried=9, kept=2, named=named, left_out=left_out)
    at = datetime(2013, 3, 1, tzinfo=UTC)
    result = wire.dump(members).decode()
    step = Step(turn=turn, name="family", seq=98, attempt=1, state=StepState.DONE, started_at=at, ended_at=at, result=result)
    life.put("step", f"{turn}/0098-family", step, turn=turn)
    text = type(ask)(create_app(SampleServices(tmp_path, life.records))).get(f"/turns/{turn}").text
    parsed(text)
    said = "family by shop: 9 of 12 partitions tried, 2 kept (ulm, &lt;b&gt;); left out: 3 with too few rows"
    assert f"<dt>Family</dt><dd>{said}</dd>" in text


def test_a_loop_can_be_killed_by_a_button(ask):
    assert f'data-verb="/api/v1/loops/{LOOP}/kill"' in ask.get(f"/loops/{LOOP}").text


def test_newborn_loops_teach_the_next_step(ask):
    assert "No turn yet" in ask.get("/loops/taxi-demand").text
    assert "No rollout yet" in ask.get("/loops/taxi-demand/deployment").text
    assert "Nothing to explain yet" in ask.get("/why/taxi-demand").text


def test_an_incident_shows_every_statistic_of_the_newest_readings(ask):
    page = ask.get("/incidents/incident_2winter").text
    assert all(f">{name} " in page for name in ("psi", "js", "hellinger", "wasserstein", "ks p", "chi2 p"))


def test_an_empty_home_says_how_to_begin(tmp_path, ask):
    empty = type(ask)(create_app(SampleServices(tmp_path, MemoryRecords())))
    assert "noria up flights.py" in empty.get("/").text
    assert "All calm" in empty.get("/incidents").text
    assert "No such event" in empty.get("/events").text


def test_an_unchanged_page_answers_304_and_a_changed_one_does_not(ask, services):
    tag = ask.get("/").headers["etag"]
    assert ask.get("/", headers={"If-None-Match": tag}).status_code == 304
    services.clock = FixedClock(services.clock.now().replace(minute=59))
    assert ask.get("/", headers={"If-None-Match": tag}).status_code == 200


def test_the_theme_follows_the_cookie_and_nothing_else(ask):
    assert 'data-theme="dark"' in ask.get("/", headers={"Cookie": "noria-theme=dark"}).text
    assert "data-theme" not in ask.get("/", headers={"Cookie": 'noria-theme="><script>'}).text


def test_events_are_filtered_and_paged(ask):
    text = ask.get("/events?kind=alias.moved").text
    assert text.count('class="event ') == 2
    assert "No such event" in ask.get("/events?kind=<b>").text and "&lt;b&gt;" in ask.get("/events?kind=<b>").text


def test_a_missing_page_is_told_to_people_as_a_page(ask):
    answer = ask.get("/loops/nope", headers={"Accept": "text/html"})
    assert answer.status_code == 404 and answer.headers["content-type"].startswith("text/html") and "nope" in answer.text


def test_own_static_files_are_small_and_own(ask):
    for name, lines in {"noria.js": 200, "charts.js": 100}.items():
        answer = ask.get(f"/static/{name}")
        assert answer.status_code == 200 and answer.text.count("\n") <= lines


@pytest.mark.parametrize("path", ["/static/../render.py", "/static/%2e%2e/render.py", "/static/nope.js"])
def test_static_files_do_not_leave_their_folder(ask, path):
    assert ask.get(path).status_code == 404


def test_a_request_opens_with_its_reasons_and_what_would_have_changed_it(ask):
    address = f"/loops/{LOOP}/requests/{quote(REQUEST)}"
    page = ask.get(address).text
    assert "f-1&lt;b&gt;" in page and "U&lt;i&gt;A" in page and "<i>A" not in page
    assert parsed(page).open == []
    assert "→ <b>9" not in page
    assert "31 → <b>9</b>" in ask.get(address, params={"search": "true", "keep": "carrier"}).text
    chart = ask.get("/charts/parts.json", params={"loop": LOOP, "request": REQUEST}).json()
    assert "wind raises it most" in chart["text"]
    assert ask.get(f"/loops/{LOOP}/requests/nobody").status_code == 404
    told = ask.get(f"/api/v1{address}/counterfactuals", params={"keep": "carrier"}).json()
    assert told["counterfactuals"][0]["changes"] == [{"feature": "wind", "before": 31.0, "after": 9.0}]


def test_a_loop_page_draws_how_outcomes_come_in_where_that_is_watched(ask):
    assert "How outcomes come in" in ask.get(f"/loops/{LOOP}").text
    assert "How outcomes come in" not in ask.get("/loops/taxi-demand").text
    drawn = ask.get(f"/charts/maturity.json?loop={LOOP}").json()
    assert drawn["text"].startswith("94.5% of 54,210 predictions get their outcome") and drawn["spec"]["layer"]
    assert ask.get("/charts/maturity.json?loop=taxi-demand").json()["spec"] == {}


def test_names_in_backticks_are_set_as_code_and_stay_escaped():
    assert coded("`wind<i>` is late") == "<code>wind&lt;i&gt;</code> is late"
    assert coded("one ` alone") == "one ` alone"


def test_the_loop_leads_to_its_champions_scorecard(ask):
    to = ask.get(f"/loops/{LOOP}/scorecard", follow_redirects=False)
    assert to.status_code == 307
    assert "Scorecard of late-arrival v2" in ask.get(to.headers["location"]).text
    assert f'href="/loops/{LOOP}/scorecard"' in ask.get(f"/loops/{LOOP}").text
    assert ask.get("/loops/taxi-demand/scorecard").status_code == 404
    assert "/loops/taxi-demand/scorecard" not in ask.get("/loops/taxi-demand").text


def test_the_head_counts_the_anomalous_requests_that_nobody_has_seen(ask):
    assert '<span class="count calm" title="Nobody has looked at them yet">2</span>' in ask.get("/").text
