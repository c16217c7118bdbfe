import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from noria.adapters.sqlite import Sqlite
from noria.core.notices import Delivery, Happening, Progress, Told
from noria.ledger.book import Ledger
from noria.ledger.documents import Documents
from noria.loop.outbox import CLAIM, FIRST_PAUSE, LONGEST_PAUSE, MOST_AGE, Outbox, failing, pause
from noria.ports.notify import Channel
from noria.testing.clocks import HandClock
from noria.testing.memory import MemoryRecords
from noria.testing.notify import notice
from noria.testing.receivers import HttpReceiver

AT = datetime(2024, 1, 1, tzinfo=UTC)


class Scripted:
    """A channel that answers as it is told to, and then well."""

    def __init__(self, *answers):
        self.answers, self.told = list(answers), []

    def tell(self, one):
        self.told.append(one)
        answer = self.answers.pop(0) if self.answers else Told(arrived=True, said="fine")
        if isinstance(answer, Exception):
            raise answer
        return answer


LATER, NEVER = Told(arrived=False, said="HTTP 503"), Told(arrived=False, said="HTTP 404", again=False)


class Home:
    def __init__(self, records=None, **channels):
        self.wall = HandClock(AT)
        self.records = records or MemoryRecords()
        self.documents = Documents(self.records)
        self.ledger = Ledger(self.records, clock=self.wall, wall=self.wall)
        self.channels = [Channel(name=name, notify=one) if not isinstance(one, Channel) else one for name, one in channels.items()]
        self.outbox = self.another()

    def all(self):
        return self.channels

    def another(self, pass_s=5.0):
        return Outbox(self.documents, self.ledger, self, wall=self.wall, random=Random(1), pass_s=pass_s)

    def put(self, one):
        self.documents.put(one, expect=0)
        return one

    def deliveries(self, channel=""):
        return [one for one in self.documents.find(Delivery) if not channel or one.channel == channel]

    def events(self):
        return [(event.kind, event.numbers["tries"]) for event in self.ledger.events()]


def test_a_notice_goes_once_to_every_channel_that_takes_it_and_each_delivery_is_on_record():
    ops, desk = Scripted(), Scripted()
    picky = Scripted()
    home = Home(
        ops=ops, desk=desk, picky=Channel(name="picky", notify=picky, takes=frozenset({"notice"})),
        other=Channel(name="other", notify=picky, loops=frozenset({"another-loop"})),
    )  # fmt: skip
    home.put(notice())
    assert home.outbox.once() == 0
    assert home.outbox.once() == 0
    assert ops.told == desk.told and len(ops.told) == 1 and not picky.told
    assert {(one.channel, one.progress, one.said) for one in home.deliveries()} == {
        ("ops", "delivered", "fine"),
        ("desk", "delivered", "fine"),
    }
    assert home.events() == [("notice.delivered", 1)] * 2


def test_what_fails_is_tried_again_after_pauses_that_grow_and_given_up_after_a_day():
    ops = Scripted(*[LATER] * 1_000)
    home = Home(ops=ops)
    home.put(notice())
    tried = []
    while home.outbox.once():
        if len(ops.told) > len(tried):
            tried.append(home.wall.now())
        home.wall.turn(timedelta(minutes=5) if len(tried) > 8 else timedelta(seconds=5))
        assert len(tried) < 60
    gaps = [after - before for before, after in pairwise(tried)]
    assert gaps[0] <= FIRST_PAUSE * 1.5 + timedelta(seconds=5) and max(gaps) <= LONGEST_PAUSE * 1.5 + timedelta(minutes=5)
    assert 20 < len(tried) < 50
    (ended,) = home.deliveries()
    assert ended.progress is Progress.UNDELIVERED and ended.said == "HTTP 503" and ended.ended_at - AT >= MOST_AGE
    assert home.events() == [("notice.undelivered", len(ops.told))]


def test_a_refusal_for_good_is_not_tried_again_and_a_channel_that_raises_is_caught():
    home = Home(gone=Scripted(NEVER), rude=Scripted(RuntimeError("broken")))
    home.put(notice())
    assert home.outbox.once() == 1
    home.wall.turn(timedelta(minutes=1))
    assert home.outbox.once() == 0
    assert {one.channel: (one.progress, one.tries) for one in home.deliveries()} == {"gone": ("undelivered", 1), "rude": ("delivered", 2)}


def test_the_end_never_overtakes_the_beginning_of_the_same_incident():
    ops = Scripted(LATER)
    home = Home(ops=ops)
    home.put(notice())
    home.outbox.once()
    home.put(notice(id="incident_1:told:closed", about=Happening.CLOSED, at=AT))
    home.put(notice(id="incident_2:told:opened", dedupe="incident_2", at=AT))
    home.outbox.once()
    assert [one.id for one in ops.told] == ["incident_1:told:opened", "incident_2:told:opened"]
    home.wall.turn(timedelta(minutes=1))
    home.outbox.once()
    assert [one.id for one in ops.told][2:] == ["incident_1:told:opened", "incident_1:told:closed"]


def test_a_channel_that_hangs_holds_up_nobody_else_and_is_not_asked_again_meanwhile():
    release, ops = threading.Event(), Scripted()

    class Hanging:
        asked = 0

        def tell(self, one):
            self.asked += 1
            release.wait(20)
            return Told(arrived=True)

    hanging = Hanging()
    home = Home(slow=hanging, ops=ops)
    outbox = home.another(pass_s=0.1)
    for number in range(3):
        home.put(notice(id=f"n{number}", dedupe=f"n{number}"))
        outbox.once()
        home.wall.turn(CLAIM * 2)
    assert len(ops.told) == 3 and hanging.asked == 1
    release.set()
    while outbox.once():
        home.wall.turn(CLAIM * 2)
    assert all(one.progress is Progress.DELIVERED for one in home.deliveries())


def test_what_was_meant_for_a_channel_that_was_removed_is_given_up():
    home = Home(ops=Scripted(LATER))
    home.put(notice())
    home.outbox.once()
    home.channels.clear()
    assert home.outbox.once() == 0
    assert home.deliveries()[0].said == "the channel was removed"


def test_what_did_not_arrive_is_shown_until_the_channel_takes_something_again():
    ops = Scripted(NEVER)
    home = Home(ops=ops, shy=Scripted(LATER, LATER))
    home.put(notice())
    home.outbox.once()
    assert {(one.channel, one.progress) for one in failing(home.documents)} == {("ops", "undelivered"), ("shy", "waiting")}
    assert failing(home.documents, "another") == []
    home.wall.turn(timedelta(minutes=10))
    home.put(notice(id="n2", dedupe="n2"))
    home.outbox.once()
    home.wall.turn(timedelta(minutes=10))
    home.outbox.once()
    assert failing(home.documents, "late-arrival") == []


def test_a_channel_that_is_down_for_long_hides_no_other(monkeypatch):
    monkeypatch.setattr("noria.loop.outbox.AT_ONCE", 3)
    ops = Scripted()
    home = Home(down=Scripted(*[LATER] * 100), ops=ops)
    for number in range(9):
        home.put(notice(id=f"n{number}", dedupe=f"n{number}"))
        home.outbox.once()
    assert [one.id for one in ops.told] == [f"n{number}" for number in range(9)]


def test_two_processes_do_not_both_tell():
    ops = Scripted()
    home = Home(ops=ops)
    home.put(notice())
    with ThreadPoolExecutor(8) as processes:
        passes = [processes.submit(home.another().once) for _ in range(8)]
    assert [one.exception() for one in passes] == [None] * 8
    assert len(ops.told) == 1


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.lists(st.sampled_from([LATER, NEVER, Told(arrived=True), RuntimeError("x")]), max_size=6), min_size=1, max_size=3),
    st.integers(1, 5),
)
def test_every_notice_ends_and_is_told_exactly_as_often_as_it_was_tried(scripts, notices):
    channels = {f"c{n}": Scripted(*script) for n, script in enumerate(scripts)}
    home = Home(**channels)
    for number in range(notices):
        home.put(notice(id=f"n{number}", dedupe=f"i{number % 2}"))
    for _ in range(400):
        if not home.outbox.once():
            break
        home.wall.turn(timedelta(minutes=10))
    assert all(one.progress is not Progress.WAITING for one in home.deliveries())
    assert len(home.deliveries()) == notices * len(channels) == len(home.events())
    for name, channel in channels.items():
        assert sum(one.tries for one in home.deliveries(name)) == len(channel.told)


def test_pauses_double_within_their_bounds():
    random = Random(3)
    for tries in range(1, 40):
        middle = min(FIRST_PAUSE * 2 ** min(tries - 1, 20), LONGEST_PAUSE)
        assert all(middle * 0.5 <= pause(tries, random) <= middle * 1.5 for _ in range(20))


DIES = """
import os, sys
from pathlib import Path
from random import Random
from noria.adapters.sqlite import Sqlite
from noria.adapters.system_clock import SystemClock
from noria.adapters.tell_webhook import Webhook
from noria.core.notices import Words
from noria.ledger.book import Ledger
from noria.ledger.documents import Documents
from noria.loop.outbox import Outbox
from noria.ports.notify import Channel

wall, records = SystemClock(), Sqlite(Path(sys.argv[1]))
hook = Webhook(sys.argv[2], words=Words(), wall=wall)

class Dies:
    def all(self):
        return [Channel(name="ops", notify=self)]
    def tell(self, notice):
        if sys.argv[3] == "after":
            hook.tell(notice)
        os.kill(os.getpid(), 9)

Outbox(Documents(records), Ledger(records, clock=wall, wall=wall), Dies(), wall=wall, random=Random(1)).once()
"""


def test_a_notice_survives_a_process_that_is_killed_before_or_after_telling(tmp_path):
    from noria.adapters.tell_webhook import Webhook
    from noria.core.notices import Words

    with HttpReceiver() as receiver:
        for moment, heard in (("before", 1), ("after", 2)):
            file = tmp_path / f"{moment}.db"
            home = Home(Sqlite(file), ops=Webhook(receiver.url, words=Words(), wall=HandClock(AT)))
            home.wall.turn(datetime.now(UTC) - AT)
            home.put(notice())
            killed = subprocess.run([sys.executable, "-c", DIES, str(file), receiver.url, moment], check=False)
            assert killed.returncode == -9
            home.outbox.once()
            assert home.deliveries()[0].progress is Progress.WAITING, "its claim holds: the other may yet be at it"
            home.wall.turn(CLAIM + timedelta(minutes=1))
            assert home.outbox.once() == 0
            assert len(receiver.got) == heard and home.deliveries()[0].tries == 2
            assert len({got.headers.get("webhook-id", got.json()["notice"]["id"]) for got in receiver.got}) == 1
            receiver.got.clear()
            home.records.close()
