"""Brings notices from the outbox to every channel that takes them: at least once, with patience, and on record.

A notice becomes one delivery per channel. A delivery is claimed by compare-and-set before it is
tried, so two processes do not both send it; one that dies in between leaves a claim that runs out.
What fails is tried again after a pause that doubles, until it is too old to matter.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random
from time import monotonic

from noria.core.errors import Conflict
from noria.core.notices import Delivery, Notice, Progress, Told
from noria.ledger.book import Ledger
from noria.ledger.documents import Documents
from noria.ports.clock import Clock
from noria.ports.notify import Channel, Channels
from noria.ports.records import Write

CLAIM = timedelta(minutes=2)
"""How long one try is given before another process may think that it died."""
FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=5), timedelta(hours=1)
MOST_AGE = timedelta(days=1)
"""After so long a delivery is given up: `noria doctor` shows it."""
PASS_S = 30.0
"""A pass waits no longer for channels that hang; they are left to themselves, and get nothing new until they are back."""
AT_ONCE = 500
logger = logging.getLogger("noria.outbox")


class Outbox:
    """Delivers what is in the outbox; for one thread, which waits for channels and for nothing else.

    Args:
        wall: Wall time: claims and pauses.
        random: Spreads the tries of many homes, so that a receiver that comes back is not run over.
        pass_s: The longest that one pass waits for channels.
    """

    def __init__(
        self, documents: Documents, ledger: Ledger, channels: Channels, *, wall: Clock, random: Random, pass_s: float = PASS_S
    ) -> None:
        self._documents, self._ledger, self._channels = documents, ledger, channels
        self._wall, self._random, self._pass_s = wall, random, pass_s
        self._hands: dict[str, threading.Thread] = {}

    def once(self) -> int:
        """One pass; returns how many deliveries are still on their way."""
        channels = {channel.name: channel for channel in self._channels.all()}
        self._fan_out(list(channels.values()))
        started = monotonic()
        for name, channel in channels.items():
            queue = self._waiting(channel=name)
            if queue and (name not in self._hands or not self._hands[name].is_alive()):
                hand = threading.Thread(target=self._work_off, args=(channel, queue), name=f"telling {name}", daemon=True)
                hand.start()
                self._hands[name] = hand
        for hand in list(self._hands.values()):
            hand.join(max(0.0, self._pass_s - (monotonic() - started)))
        self._hands = {name: hand for name, hand in self._hands.items() if hand.is_alive()}
        left = self._waiting()
        self._gone([one for one in left if one.channel not in channels])
        return sum(one.channel in channels for one in left)

    def _waiting(self, **where: str) -> list[Delivery]:
        """Deliveries on their way, oldest first; asked channel by channel, so that one that is down hides no other."""
        found = self._documents.find(Delivery, where={**where, "state": Progress.WAITING}, limit=AT_ONCE)
        return sorted(found, key=lambda one: (one.first_at, one.at))

    def _fan_out(self, channels: Sequence[Channel]) -> None:
        """Make a delivery of each new notice for each channel that wants it."""
        now = self._wall.now()
        for notice in self._documents.find(Notice, where={"state": "new"}, limit=AT_ONCE):
            found = self._documents.revision(Notice, notice.id)
            assert found is not None
            writes: list[Write] = [self._documents.write(notice, expect=found[1], index={"state": "sent"})]
            writes += [self._documents.write(_made(notice, channel, now), expect=0) for channel in channels if channel.wants(notice)]
            try:
                self._documents.records.commit(*writes)
            except Conflict:
                continue  # another process was quicker

    def _work_off(self, channel: Channel, queue: Sequence[Delivery]) -> None:
        """Try what is due, in order, until one fails: a later word must not overtake an earlier one on the same incident."""
        blocked: set[str] = set()
        for delivery in queue:
            if delivery.dedupe in blocked or delivery.next_at > self._wall.now():
                blocked.add(delivery.dedupe)
                continue
            if not self._tried(channel, delivery):
                return

    def _tried(self, channel: Channel, delivery: Delivery) -> bool:
        """Claim, tell and write down; returns whether the channel took it (or somebody else has it)."""
        key = self._documents.key(delivery)
        found, notice = self._documents.revision(Delivery, key), self._documents.get(Notice, delivery.notice)
        if found is None or notice is None or found[0] != delivery:
            return True
        claimed = replace(delivery, tries=delivery.tries + 1, next_at=self._wall.now() + CLAIM)
        try:
            self._documents.put(claimed, expect=found[1])
        except Conflict:
            return True
        begun = monotonic()
        told = _told(channel, notice)
        ended = self._ended(claimed, told, (monotonic() - begun) * 1000)
        writes: list[Write] = [self._documents.write(ended, expect=found[1] + 1)]
        if ended.progress is not Progress.WAITING:
            writes.append(self._line(notice, ended))
        try:
            self._documents.records.commit(*writes)
        except Conflict:
            logger.warning("%s told %s late: somebody else has told it too", channel.name, notice.id)
        return told.arrived

    def _ended(self, delivery: Delivery, told: Told, latency_ms: float) -> Delivery:
        now = self._wall.now()
        if told.arrived:
            return replace(delivery, progress=Progress.DELIVERED, said=told.said, latency_ms=round(latency_ms, 1), ended_at=now)
        if not told.again or now - delivery.first_at >= MOST_AGE:
            return replace(delivery, progress=Progress.UNDELIVERED, said=told.said, ended_at=now)
        return replace(delivery, said=told.said, next_at=now + pause(delivery.tries, self._random))

    def _gone(self, queue: Sequence[Delivery]) -> None:
        """Give up what was meant for a channel that was removed."""
        for delivery in queue:
            found, notice = self._documents.revision(Delivery, self._documents.key(delivery)), self._documents.get(Notice, delivery.notice)
            if found is None or notice is None:
                continue
            ended = replace(found[0], progress=Progress.UNDELIVERED, said="the channel was removed", ended_at=self._wall.now())
            self._documents.records.commit(self._documents.write(ended, expect=found[1]), self._line(notice, ended))

    def _line(self, notice: Notice, delivery: Delivery) -> Write:
        arrived = delivery.progress is Progress.DELIVERED
        event = self._ledger.event(
            f"notice.{delivery.progress}",
            loop=notice.loop,
            subject=notice.incident or notice.loop,
            reasons=(f"{notice.title} {'→' if arrived else 'did not reach'} {delivery.channel}", delivery.said),
            because=(f"{notice.incident}:opened",) if notice.incident else (),
            numbers={"tries": delivery.tries, **({"latency ms": delivery.latency_ms} if arrived else {})},
            id=f"{notice.id}:{delivery.channel}",
        )
        return self._ledger.line(event)


class Teller:
    """Works the outbox off, pass after pass, in a thread of its own: whatever a channel does, nothing else waits for it."""

    def __init__(self, outbox: Outbox, *, every_s: float = 1.0) -> None:
        self._outbox, self._every_s = outbox, every_s
        self._stop = threading.Event()

    def run(self) -> None:
        """Until `stop`; a pass that fails is told and tried again."""
        while not self._stop.is_set():
            try:
                self._outbox.once()
            except Exception:
                logger.exception("a pass over the outbox failed and is tried again")
            self._stop.wait(self._every_s)

    def stop(self) -> None:
        """End `run` after the pass that is under way."""
        self._stop.set()


def failing(documents: Documents, loop: str = "") -> list[Delivery]:
    """What did not reach people and is not made good: of each channel what was given up since it last took something, and what is tried again."""
    where = {"loop": loop} if loop else {}
    given_up = documents.find(Delivery, where={**where, "state": Progress.UNDELIVERED}, newest_first=True, limit=AT_ONCE)
    arrived: dict[str, datetime] = {}
    for channel in {one.channel for one in given_up}:
        well = documents.find(Delivery, where={"channel": channel, "state": Progress.DELIVERED}, newest_first=True, limit=AT_ONCE)
        arrived[channel] = max((one.ended_at for one in well if one.ended_at), default=datetime.min.replace(tzinfo=UTC))
    lost = [one for one in given_up if one.ended_at is not None and one.ended_at > arrived[one.channel]]
    waiting = documents.find(Delivery, where={**where, "state": Progress.WAITING}, limit=AT_ONCE)
    return [*lost, *(one for one in waiting if one.tries and one.said)]


def pause(tries: int, random: Random) -> timedelta:
    """How long to wait after so many tries: doubling, up to an hour, spread by half to either side."""
    longest = min(FIRST_PAUSE * 2 ** min(tries - 1, 20), LONGEST_PAUSE)
    return longest * (0.5 + random.random())


def _made(notice: Notice, channel: Channel, now: datetime) -> Delivery:
    return Delivery(notice=notice.id, loop=notice.loop, channel=channel.name, dedupe=notice.dedupe, at=notice.at, next_at=now, first_at=now)


def _told(channel: Channel, notice: Notice) -> Told:
    try:
        return channel.notify.tell(notice)
    except Exception as error:
        logger.exception("the channel %s broke its promise and raised", channel.name)
        return Told(arrived=False, said=f"{type(error).__name__}: {error}"[:300])
