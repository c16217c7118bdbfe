"""Alerts over HTTP: what was told, and orders that need the token."""

import pytest
from sample import LOOP

TOKEN = {"Authorization": "Bearer sample-token"}
WINTER = "/api/v1/incidents/incident_2winter"


@pytest.fixture
def services(tmp_path):
    from sample import SampleServices

    return SampleServices(tmp_path)


def test_an_incident_is_told_whole(ask):
    told = ask.get(f"{WINTER}/story").json()
    assert [one["kind"] for one in told["incident"]["evidence"]] == ["late", "slice", "moved"]
    assert {one["channel"]: one["progress"] for one in told["deliveries"]} == {
        "ops": "delivered",
        "log": "delivered",
        "old-pager": "undelivered",
    }
    assert told["opinions"][0]["by"] == "Ada" and told["tunings"][0]["factor"] == 1.4
    assert [one["id"] for one in told["silences"]] == ["silence_1"]
    assert told["records"][0]["monitor"] == "drift" and told["records"][0]["noise"] == 1


def test_what_a_loop_may_still_tell_is_told(ask):
    told = ask.get(f"/api/v1/alerts/{LOOP}").json()
    assert (told["pages_per_week"], told["left"], told["waiting"], told["held"]) == (3, 2, 2, 1)
    assert [one["channel"] for one in told["undelivered"]] == ["old-pager"]
    assert ask.get("/api/v1/alerts/nobody").status_code == 404
    assert len(ask.get(f"/api/v1/silences?loop={LOOP}").json()["silences"]) == 1
    assert ask.get(f"/api/v1/tunings?loop={LOOP}").json()["tunings"][0]["state"] == "proposed"
    assert len(ask.get(f"/api/v1/deliveries?loop={LOOP}&state=delivered").json()["deliveries"]) == 2


ORDERS = [
    (f"{WINTER}/opinion", {"useful": True}),
    (f"{WINTER}/acknowledge", {}),
    (f"{WINTER}/close", {}),
    (f"/api/v1/loops/{LOOP}/silences", {"length": "2h"}),
    ("/api/v1/silences/silence_1/end", {}),
    ("/api/v1/tunings/tuning_1/applied", {}),
    (f"/api/v1/loops/{LOOP}/fire-drill", {}),
]


@pytest.mark.parametrize(("address", "body"), ORDERS)
def test_every_order_needs_the_token_and_is_on_record_with_who_and_why(ask, closed, services, address, body):
    assert closed.post(address, json={**body, "by": "ada"}).status_code == 401
    before = len(services.ledger.events(limit=10_000))
    told = ask.post(address, json={**body, "by": "ada", "reason": "because"}, headers=TOKEN)
    assert told.status_code in (200, 201, 202), told.text
    written = services.ledger.events(limit=10_000)[before:]
    assert any(event.by == "ada" and any("because" in reason for reason in event.reasons) for event in written)


def test_orders_that_make_no_sense_say_why(ask):
    assert ask.post(f"/api/v1/loops/{LOOP}/silences", json={"length": "soon"}, headers=TOKEN).status_code == 422
    assert "no monitor" in ask.post(f"/api/v1/loops/{LOOP}/silences", json={"length": "2h", "monitor": "x"}, headers=TOKEN).text
    assert ask.post("/api/v1/incidents/incident_0storm/acknowledge", json={}, headers=TOKEN).status_code == 409
    assert ask.post("/api/v1/incidents/nothing/close", json={}, headers=TOKEN).status_code == 404
    assert ask.post("/api/v1/tunings/tuning_1/ended", json={}, headers=TOKEN).status_code == 409
    assert ask.post("/api/v1/tunings/tuning_1/perhaps", json={}, headers=TOKEN).status_code == 422


def test_the_page_of_an_incident_has_its_evidence_orders_and_timeline(ask):
    page = ask.get("/incidents/incident_2winter", headers={"accept": "text/html"}).text
    for part in (
        "arrives 6h late since 29 December",
        "only in slice origin=EWR",
        "explained by the whole dataset",
        'data-verb="/api/v1/incidents/incident_2winter/opinion"',
        'data-verb="/api/v1/tunings/tuning_1/applied"',
        'data-verb="/api/v1/silences/silence_1/end"',
        f'data-verb="/api/v1/loops/{LOOP}/silences"',
        "old-pager",
        "the feed was moved, as announced",
        "incident opened",
    ):
        assert part in page, part


def test_the_list_shows_the_budget_and_what_did_not_arrive(ask):
    page = ask.get("/incidents", headers={"accept": "text/html"}).text
    for part in ("2 of 3 pages left this week", "1 of them held back", "1 undelivered, last to old-pager: HTTP 410: gone", "fire-drill"):
        assert part in page, part
