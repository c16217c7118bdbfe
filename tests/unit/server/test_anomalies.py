"""Anomalous requests over HTTP and on the page."""

from sample import LOOP

TOKEN = {"authorization": "Bearer sample-token"}


def test_the_queue_is_listed_newest_first_and_one_can_be_opened(ask):
    told = ask.get(f"/api/v1/anomalies?loop={LOOP}&state=open").json()["anomalies"]
    assert [one["id"] for one in told] == [f"{LOOP}-3", f"{LOOP}-2"]
    opened = ask.get(f"/api/v1/anomalies/{LOOP}-2").json()["request"]
    assert opened["far"][0]["name"] == "wind_speed" and len(opened["neighbours"]) == 5
    assert opened["inputs"]["flight_id"] == "f-20131227-0412"


def test_one_that_is_not_there_is_not_found(ask):
    for id in (f"{LOOP}-1002", f"{LOOP}-9", "nothing", f"{LOOP}-x"):
        answer = ask.get(f"/api/v1/anomalies/{id}")
        assert answer.status_code == 404 and "anomalous request" in answer.json()["error"]["message"]


def test_a_decision_asks_for_the_token_and_is_passed_on(ask, closed, services):
    order = {"state": "dismissed", "by": "Ada", "reason": "a test"}
    assert closed.post(f"/api/v1/anomalies/{LOOP}-2/decide", json=order).status_code == 401
    assert ask.post(f"/api/v1/anomalies/{LOOP}-2/decide", json=order, headers=TOKEN).status_code == 200
    assert ("decide_anomaly", f"{LOOP}-2", "dismissed", "Ada", "a test") in services.asked
    assert ask.post(f"/api/v1/anomalies/{LOOP}-2/decide", json=order | {"state": "open"}, headers=TOKEN).status_code == 422


def test_the_pages_say_in_what_it_is_far(ask):
    queue = ask.get("/anomalies").text
    assert "f-20131227-0412" in queue and "f-20131226-0107" not in queue
    assert "f-20131226-0107" in ask.get("/anomalies?state=all").text
    page = ask.get(f"/anomalies/{LOOP}-2").text
    assert "1048" in page and "6.9 to 14.96" in page and "93 %" in page
    assert "No feature stands out" in ask.get(f"/anomalies/{LOOP}-3").text
