"""Anomalous requests in whole loops: queued with reasons, numbered on, decided on by a person."""

from __future__ import annotations

import polars as pl
import pytest

from noria.core.anomalies import QUEUE, AnomalousRequest, AnomalyQueue, AnomalyState
from noria.core.errors import NotFound, RequestInvalid
from noria.core.watching import Incident, Reading
from noria.loop.anomalies import decide, listed, opened

WATCHED = "nr.anomalies(min_rows=150, keep=5, k=1, m=1), "


@pytest.fixture
def watched(noria, declaration):
    one = noria(declaration=declaration.replace("nr.drift(min_rows=150), ", WATCHED))
    one.be_born()
    return one


def strange(one, every):
    """Days on which each so-manieth order has an `a` that was never seen."""
    orders = one.shop.orders

    def odd(day, n):
        return orders(day, n).with_columns(a=pl.when(pl.int_range(n) % every == 0).then(25.0).otherwise("a"))

    one.shop.orders = odd


def test_strange_requests_are_queued_with_reasons_and_their_share_alerts(watched):
    strange(watched, 10)
    watched.days(2, parts=1)
    documents = watched.world.documents
    queue = listed(documents, "orders")
    assert len(queue) == 10 and [one.number for one in queue] == list(range(10, 0, -1))
    one = opened(documents, queue[0].id)
    assert one.far[0].name in ("a", "ab") and one.inputs["a"] == 25.0 and one.answer is not None
    assert one.request_id.startswith("o") and len(one.neighbours) == 5 and one.score > one.threshold
    told = documents.find(Reading, where={"loop": "orders", "monitor": "anomalies"})
    assert told and all(reading.value > 0.09 for reading in told)
    (incident,) = documents.find(Incident)
    assert incident.severity == "notice" and "anomalous" in incident.title
    assert [turn.signal.cause for turn in watched.turns()] == ["birth"]


def test_a_decision_is_kept_with_who_and_why(watched):
    strange(watched, 50)
    watched.days(1, parts=1)
    documents, ledger = watched.world.documents, watched.world.ledger
    (first, *_) = listed(documents, "orders", "open")
    decide(documents, ledger, first.id, "dismissed", by="Ada", reason="a test order", at=watched.clock.now())
    assert opened(documents, first.id).state is AnomalyState.DISMISSED
    assert first.id not in [one.id for one in listed(documents, "orders", "open")]
    (event,) = watched.events("anomaly.dismissed")
    assert event.by == "Ada" and event.subject == first.id and "a test order" in event.reasons
    with pytest.raises(RequestInvalid):
        decide(documents, ledger, first.id, "open", by="Ada", reason="", at=watched.clock.now())
    for id in ("orders-999999", "orders-x", "taxis-1"):
        with pytest.raises(NotFound, match="noria anomalies"):
            opened(documents, id)


def test_the_oldest_make_room_for_the_newest(watched):
    documents = watched.world.documents
    documents.put(AnomalyQueue(loop="orders", pushed=QUEUE - 3))
    strange(watched, 50)
    watched.days(2, parts=1)
    assert len(documents.find(AnomalousRequest)) == len(listed(documents, "orders")) == 10
    assert {one.number for one in listed(documents, "orders")} == set(range(QUEUE - 2, QUEUE + 8))
    documents.put(AnomalyQueue(loop="orders", pushed=2 * QUEUE - 3))
    watched.days(1, parts=1)
    with pytest.raises(NotFound):
        opened(documents, f"orders-{QUEUE - 2}")
    assert opened(documents, f"orders-{2 * QUEUE - 2}").number == 2 * QUEUE - 2


def test_of_very_many_requests_some_are_looked_at_spread_over_the_chunk(watched, monkeypatch):
    monkeypatch.setattr("noria.loop.monitors.asked.MOST_ROWS", 220)
    strange(watched, 10)
    watched.days(1, parts=2)
    told = watched.world.documents.find(Reading, where={"loop": "orders", "monitor": "anomalies"})[-1]
    assert 150 < told.rows <= 220 and 0.03 < told.value < 0.2
    assert len(listed(watched.world.documents, "orders")) == 5
