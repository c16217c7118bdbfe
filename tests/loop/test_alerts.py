"""What people are told, on a turned clock: pages, digests, silences, opinions and the limits that they move."""

from __future__ import annotations

from datetime import timedelta
from random import Random

import numpy as np
import pytest

from noria.core.alerting import Silence, Tuning
from noria.core.errors import NotAllowed
from noria.core.notices import Happening, Notice
from noria.core.turning import Signal
from noria.core.watching import Incident, Level, MonitorPhase, MonitorState, Reading
from noria.loop.alert_verbs import AlertVerbs
from noria.loop.enrol import in_force
from noria.loop.outbox import Outbox
from noria.loop.states import state_of

QUICK = (
    ("nr.drift(min_rows=150)", "nr.drift(min_rows=150, k=1, m=1, floor=0.4)"),
    ('min_labels=1_000, window="60d"', 'min_labels=1_000_000, window="60d"'),
)


@pytest.fixture
def alerted(noria, declaration):
    """A loop whose drift fires at once and which never retrains."""

    def make(alerts: str = "nr.Alerts()"):
        text = declaration
        for old, new in QUICK:
            assert old in text
            text = text.replace(old, new)
        one = noria(declaration=text.replace("    gates=[", f"    alerts={alerts},\n    gates=["))
        one.be_born()
        return one

    return make


def verbs(one) -> AlertVerbs:
    return AlertVerbs(one.world, declared=lambda name: in_force(one.world, state_of(one.world.documents, name)).loop)


def told(one) -> list[Notice]:
    world = one.world
    Outbox(world.documents, world.ledger, world.channels, wall=world.wall, random=Random(1)).once()
    return world.channels.told


def shift(one, days: int) -> None:
    one.shop.shift = np.array([3.0, 2.0])
    one.days(days)


def opened(one, state: str = "open") -> list[Incident]:
    found = one.world.documents.find(Incident, where={"loop": "orders", "state": state})
    return [incident for incident in found if incident.trouble == "data"]


def test_a_page_is_in_the_outbox_with_its_incident_and_told_once_and_when_it_is_over(alerted):
    one = alerted()
    shift(one, 1)
    (incident,) = opened(one)
    (page,) = told(one)
    assert (page.incident, page.about, page.severity) == (incident.id, Happening.OPENED, "page")
    assert incident.source == "shop" and incident.title in page.title and incident.cause in page.text
    one.shop.shift = np.zeros(2)
    one.days(2)
    assert [notice.about for notice in told(one) if notice.dedupe == incident.id] == [Happening.OPENED, Happening.CLOSED]


def test_pages_beyond_the_budget_are_in_the_digest_marked_as_held_and_still_give_their_signal(alerted):
    one = alerted("nr.Alerts(pages_per_week=0, digest='1d')")
    shift(one, 1)
    (incident,) = opened(one)
    assert told(one) == [] and one.world.documents.find(Signal, where={"loop": "orders", "state": "new"})
    one.days(1)
    (digest,) = told(one)
    assert digest.about is Happening.DIGEST and digest.title.startswith("Digest: 1 page held back")
    assert "Held back" in digest.text and incident.title in digest.text
    one.days(1)
    assert len(told(one)) == 1


def test_silenced_monitors_read_and_are_recorded_but_open_nothing_until_the_silence_ends(alerted):
    one = alerted()
    one.days(1)
    made = verbs(one).silence("orders", timedelta(days=3), by="ada", because="sale")
    shift(one, 1)
    states = one.world.documents.find(MonitorState, where={"loop": "orders"})
    readings = one.world.documents.find(Reading, where={"loop": "orders", "monitor": "drift"})
    assert any(state.phase is MonitorPhase.FIRING for state in states) and any(reading.level is Level.BREACH for reading in readings)
    assert opened(one) == [] and told(one) == [] and one.world.documents.find(Signal, where={"state": "new"}) == []
    verbs(one).end_silence(made.id, by="ada")
    one.days(1)
    assert len(opened(one)) == 1 and one.world.documents.get(Silence, made.id).ended_at is not None
    with pytest.raises(NotAllowed):
        verbs(one).end_silence(made.id, by="ada")


def test_trouble_that_is_expected_opens_nothing(alerted):
    one = alerted("nr.Alerts(quiet=[nr.Quiet('00:00', '1d', because='sale')])")
    shift(one, 2)
    assert opened(one) == [] and any(state.phase is MonitorPhase.FIRING for state in one.world.documents.find(MonitorState))


def test_opinions_make_a_proposal_that_moves_the_limit_only_when_it_is_applied(alerted):
    one = alerted()
    for _ in range(3):
        one.shop.shift = np.array([0.9, 0.0])
        one.days(1)
        one.shop.shift = np.zeros(2)
        one.days(1)
    noisy = opened(one, "closed")
    assert len(noisy) >= 3
    made: list[Tuning] = []
    for incident in noisy[:3]:
        verbs(one).judge(incident.id, useful=True, by="ben")
        made = verbs(one).judge(incident.id, useful=False, by="ben", because="a sale") or made
    assert made and all(tuning.factor > 1 and tuning.state == "proposed" for tuning in made)
    (record,) = [found for found in verbs(one).record("orders") if found.monitor == "drift"]
    assert (record.useful, record.noise) == (0, 3)
    place = {"loop": "orders", "monitor": made[0].monitor, "subject": made[0].subject}
    before = one.world.documents.find(Reading, where=place, newest_first=True, limit=1)[0].threshold
    one.days(1)
    assert one.world.documents.find(Reading, where=place, newest_first=True, limit=1)[0].threshold == pytest.approx(before)
    for tuning in made:
        verbs(one).tune(tuning.id, "applied", by="ada", because="agreed")
    one.days(1)
    assert one.world.documents.find(Reading, where=place, newest_first=True, limit=1)[0].threshold == pytest.approx(before * made[0].factor)
    with pytest.raises(NotAllowed):
        verbs(one).tune(made[0].id, "dismissed", by="ada")
    kinds = [event.kind for event in one.events()]
    assert kinds.count("incident.judged") == 6 and kinds.count("tuning.applied") == len(made)


def test_an_incident_that_is_closed_by_hand_comes_again_as_another_when_it_goes_on(alerted):
    one = alerted()
    shift(one, 1)
    (incident,) = opened(one)
    verbs(one).acknowledge(incident.id, by="ada")
    verbs(one).close(incident.id, by="ada", because="known")
    assert [notice.about for notice in sorted(told(one), key=lambda one: one.id)] == ["acknowledged", "closed", "opened"]
    assert opened(one) == []
    one.days(1)
    (again,) = opened(one)
    assert again.id != incident.id
