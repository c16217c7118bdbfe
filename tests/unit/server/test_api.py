import json

import pytest
from sample import LOOP

from noria.core.errors import NotAllowed, NotFound, Unavailable

TOKEN = {"Authorization": "Bearer sample-token"}


def test_loops_are_listed_and_read_by_name(ask):
    names = [loop["name"] for loop in ask.get("/api/v1/loops").json()["loops"]]
    assert names == [LOOP, "taxi-demand"]
    assert ask.get(f"/api/v1/loops/{LOOP}").json()["champion"] == 2


def test_an_unknown_loop_is_an_error_with_a_fix(ask):
    answer = ask.get("/api/v1/loops/nope")
    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == "not-found"
    assert answer.json()["error"]["fix"]


def test_a_turn_is_told_with_its_steps_in_order(ask):
    newest = ask.get(f"/api/v1/loops/{LOOP}/turns").json()["turns"][0]
    assert newest["number"] == 6
    told = ask.get(f"/api/v1/turns/{newest['id']}").json()
    assert [step["name"] for step in told["steps"]][:3] == ["data", "features", "tuning"]


def test_versions_rollouts_and_aliases_are_told_newest_first(ask):
    assert [v["number"] for v in ask.get(f"/api/v1/loops/{LOOP}/versions").json()["versions"]] == [4, 3, 2, 1]
    assert ask.get(f"/api/v1/versions/{LOOP}/2").json()["scorecard"]["metrics"]["roc_auc"]["value"] == pytest.approx(0.7561)
    assert ask.get(f"/api/v1/loops/{LOOP}/rollouts").json()["rollouts"][0]["challenger"] == 4
    assert [m["after"] for m in ask.get(f"/api/v1/loops/{LOOP}/aliases").json()["moves"]] == [2, 1]


def test_readings_are_the_newest_in_order_of_time(ask):
    readings = ask.get(f"/api/v1/readings?loop={LOOP}&monitor=drift&subject=precip&limit=5").json()["readings"]
    times = [reading["time"] for reading in readings]
    assert len(times) == 5 and times == sorted(times) and times[-1].startswith("2013-12-31")


def test_readings_and_traffic_can_begin_at_a_moment(ask):
    since = "2013-12-30T00:00:00"
    assert len(ask.get(f"/api/v1/readings?loop={LOOP}&monitor=drift&subject=precip&since={since}").json()["readings"]) == 2
    assert len(ask.get(f"/api/v1/traffic?loop={LOOP}&since={since}").json()["traffic"]) == 8


def test_incidents_are_chosen_by_state(ask):
    assert [one["id"] for one in ask.get("/api/v1/incidents?state=open").json()["incidents"]] == ["incident_2winter"]
    assert ask.get("/api/v1/incidents/incident_1decay").json()["closed_because"] == "version 2 was promoted"


def test_events_are_read_page_by_page_without_gap_or_repeat(ask):
    whole = [event["id"] for event in ask.get("/api/v1/events?limit=500").json()["events"]]
    paged, after = [], 0
    while after is not None:
        page = ask.get(f"/api/v1/events?limit=7&after={after}").json()
        paged += [event["id"] for event in page["events"]]
        after = page["next"]
    assert paged == whole and len(whole) > 30


def test_why_tells_the_chain_of_the_last_decision(ask):
    told = ask.get(f"/api/v1/why/{LOOP}").json()
    kinds = [event["kind"] for event in told["chain"]]
    assert kinds[-1] == "policy.accepted" and "monitor.firing" in kinds


@pytest.mark.parametrize(
    "path", [f"/api/v1/readings?loop={LOOP}&limit=100000", "/api/v1/events?limit=0", "/api/v1/versions/late-arrival/three"]
)
def test_a_query_out_of_bounds_is_refused_with_words(ask, path):
    answer = ask.get(path)
    assert answer.status_code == 422
    assert answer.json()["error"]["code"] == "request-invalid"


@pytest.mark.parametrize("header", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": "Digest sample-token"}])
def test_a_verb_without_the_token_is_refused_and_says_how(closed, services, header):
    answer = closed.post(f"/api/v1/loops/{LOOP}/pause", json={"paused": True}, headers=header)
    assert answer.status_code == 401 and answer.headers["www-authenticate"].startswith("Bearer")
    assert "Authorization: Bearer" in answer.json()["error"]["fix"] and ".noria/run/token" in answer.json()["error"]["fix"]
    assert services.asked == []


def test_verbs_reach_the_services_with_who_and_why(ask, services):
    who = {"by": "ada", "reason": "a drill"}
    assert ask.post("/api/v1/loops/taxi-demand/turn", json=who, headers=TOKEN).status_code == 202
    ask.post("/api/v1/turns/turn_x/approve", json={"granted": False, **who}, headers=TOKEN)
    ask.post(f"/api/v1/loops/{LOOP}/promote", json={"version": 2, **who}, headers=TOKEN)
    ask.post(f"/api/v1/loops/{LOOP}/rollback", json=who, headers=TOKEN)
    assert ask.post(f"/api/v1/loops/{LOOP}/kill", json=who, headers=TOKEN).json() == {"loop": LOOP, "champion": 1, "held": True}
    ask.post(f"/api/v1/loops/{LOOP}/pause", json={"paused": True, **who}, headers=TOKEN)
    assert ask.post("/api/v1/settle", json={"at_ms": 5, "timeout_s": 2}, headers=TOKEN).json() == {"settled": True}
    assert services.asked == [
        ("turn", "taxi-demand", "ada", "a drill"),
        ("approve", "turn_x", False, "ada", "a drill"),
        ("promote", LOOP, 2, "ada", "a drill"),
        ("rollback", LOOP, "ada", "a drill"),
        ("kill", LOOP, "ada", "a drill"),
        ("pause", LOOP, True, "ada", "a drill"),
        ("settle", 5, 2.0),
    ]


def test_a_verb_that_is_not_allowed_now_answers_conflict(ask):
    answer = ask.post(f"/api/v1/loops/{LOOP}/turn", json={}, headers=TOKEN)
    assert answer.status_code == 409 and answer.json()["error"] == {
        "code": "not-allowed",
        "message": "turn 6 is open",
        "fix": "wait for it, or cancel it",
    }


@pytest.mark.parametrize(
    ("error", "status"), [(NotFound("gone"), 404), (NotAllowed("no"), 409), (Unavailable("down"), 503), (RuntimeError("bug"), 500)]
)
def test_errors_of_verbs_become_statuses(ask, services, error, status):
    def refuse(*_, **__):
        raise error

    services.rollback = refuse
    answer = ask.post(f"/api/v1/loops/{LOOP}/rollback", json={}, headers=TOKEN)
    assert answer.status_code == status and set(answer.json()["error"]) == {"code", "message", "fix"}
    assert "bug" not in answer.text and answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("body", [{"paused": "yes"}, {}, {"paused": True, "more": 1}, {"paused": True, "by": ""}])
def test_an_order_that_does_not_fit_is_refused(ask, body):
    assert ask.post(f"/api/v1/loops/{LOOP}/pause", json=body, headers=TOKEN).status_code == 422


def test_a_body_beyond_the_limit_is_refused(ask, services):
    body = json.dumps({"reason": "x" * 100_000})
    answer = ask.post(f"/api/v1/loops/{LOOP}/rollback", content=body, headers={**TOKEN, "content-type": "application/json"})
    assert answer.status_code == 422 and services.asked == []


@pytest.mark.parametrize("base", ["http://127.0.0.1:7700", "http://localhost", "http://[::1]:9"])
def test_loopback_names_are_answered(ask, base):
    assert ask.get("/health/live", base=base).status_code == 200


@pytest.mark.parametrize("base", ["http://evil.example", "http://127.0.0.1.evil.example:7700"])
def test_a_foreign_host_name_is_refused_against_dns_rebinding(ask, base):
    answer = ask.get("/api/v1/loops", base=base)
    assert answer.status_code == 421 and answer.json()["error"]["code"] == "host-refused"


def test_every_answer_carries_the_security_headers(ask):
    for path in ("/", "/api/v1/loops", "/nowhere", "/static/noria.css"):
        headers = ask.get(path).headers
        assert "script-src 'self'" in headers["content-security-policy"] and "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff" and headers["x-frame-options"] == "DENY"


def test_health_says_when_the_records_cannot_be_read(ask, services):
    assert ask.get("/health/ready").json() == {"ready": True}

    class Down:
        def find(self, *_, **__):
            raise Unavailable("the database does not answer")

    services.records = Down()
    assert ask.get("/health/ready").status_code == 503
    assert ask.get("/health/live").status_code == 200


def test_metrics_are_in_the_prometheus_format(ask):
    text = ask.get("/metrics").text
    assert f'noria_loop_champion_version{{loop="{LOOP}"}} 2.0' in text
    assert f'noria_incidents_open{{loop="{LOOP}"}} 1.0' in text
    assert f'noria_loop_phase{{loop="{LOOP}",phase="rolling-out"}} 1.0' in text


def test_the_api_describes_itself(ask):
    described = ask.get("/api/v1/openapi.json").json()
    paths = described["paths"]
    assert {"/api/v1/loops", "/api/v1/turns/{id}/approve", "/api/v1/why/{loop}"} <= set(paths)
    assert not any(path.startswith(("/loops", "/charts", "/static")) for path in paths)
    assert all(operation["summary"] for path in paths.values() for operation in path.values())


def test_realised_quality_is_told_as_it_was_known_at_a_moment(ask):
    told = ask.get(f"/api/v1/quality?loop={LOOP}&as_of=2013-06-01&window=30d").json()
    assert told["as_of"].startswith("2013-06-01") and told["windows"][0]["start"].startswith("2013-05-02")
    assert told["windows"][0]["mature"] is False and told["curve"]["waiting"] == 450
    assert ask.get(f"/api/v1/quality?loop={LOOP}&window=soon").status_code == 422
