"""The reading room: every typed, bounded question that the API and the pages ask of the records."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from noria.core.anomalies import QUEUE, AnomalousRequest, place_of
from noria.core.data import DatasetVersion
from noria.core.errors import NotFound
from noria.core.registry import AliasMove, Deployment, ModelVersion
from noria.core.state import LoopState, TrafficPoint
from noria.core.turning import Event, Rollout, Step, Turn
from noria.core.watching import Incident, MonitorState, Reading
from noria.ledger import why
from noria.ledger.book import Ledger
from noria.ledger.documents import SHELVES
from noria.ports import wire
from noria.ports.records import Records

T = TypeVar("T")

MOST = 1_000
"""Documents that one question may bring back."""

CHAIN_LIMIT = 80
"""Events of one chain that a reader is shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """An event with its place in the log, so that a reader can go on from it."""

    position: int
    event: Event


class Reads:
    """Typed questions about one installation. Thread-safe; nothing is cached, so every answer is what is committed."""

    def __init__(self, records: Records, ledger: Ledger) -> None:
        self._records = records
        self._ledger = ledger

    def get(self, cls: type[T], key: str) -> T | None:
        """The document, or None."""
        record = self._records.get(SHELVES[cls].kind, key)
        return None if record is None else wire.load(record.body, cls)

    def find(self, cls: type[T], *, limit: int = MOST, newest_first: bool = False, after: str = "", **where: str) -> list[T]:
        """Documents by index fields, ordered by key; fields given as "" do not select."""
        chosen = {name: value for name, value in where.items() if value}
        found = self._records.find(SHELVES[cls].kind, where=chosen, limit=min(limit, MOST), newest_first=newest_first, after=after)
        return [wire.load(record.body, cls) for record in found]

    def loops(self) -> list[LoopState]:
        """All loops by name."""
        return self.find(LoopState)

    def loop(self, name: str) -> LoopState:
        """One loop.

        Raises:
            NotFound: no loop has the name.
        """
        return _there(self.get(LoopState, name), f"there is no loop {name!r}", "`noria status` lists the loops")

    def deployments(self, *, after: str = "", limit: int = 100) -> list[Deployment]:
        """Deployments without a loop by name, those beyond `after`."""
        return self.find(Deployment, after=after, limit=limit)

    def deployment(self, name: str) -> Deployment:
        """One deployment without a loop.

        Raises:
            NotFound: none has the name.
        """
        return _there(self.get(Deployment, name), f"there is no deployment {name!r} without a loop", "/deployments lists them")

    def named(self, name: str) -> str:
        """The name, if a loop or a deployment without one has it.

        Raises:
            NotFound: neither has.
        """
        return name if self.get(Deployment, name) is not None else self.loop(name).name

    def turns(self, loop: str, *, limit: int = 50) -> list[Turn]:
        """A loop's turns, newest first."""
        return self.find(Turn, loop=loop, limit=limit, newest_first=True)

    def turn(self, id: str) -> Turn:
        """One turn.

        Raises:
            NotFound: no turn has the id.
        """
        return _there(self.get(Turn, id), f"there is no turn {id!r}", "the loop's page lists its turns")

    def steps(self, turn: str) -> list[Step]:
        """A turn's journalled steps in order."""
        return self.find(Step, turn=turn, limit=200)

    def versions(self, model: str, *, limit: int = 50) -> list[ModelVersion]:
        """A model's versions, newest first."""
        return self.find(ModelVersion, model=model, limit=limit, newest_first=True)

    def version(self, model: str, number: int) -> ModelVersion:
        """One version.

        Raises:
            NotFound: the model has no such version.
        """
        found = self.get(ModelVersion, f"{model}@{number:06d}")
        return _there(found, f"{model!r} has no version {number}", "the loop's page lists its versions")

    def version_of_turn(self, turn: str) -> ModelVersion | None:
        """The version that a turn registered, or None."""
        newest = self.versions(self.turn(turn).loop, limit=200)
        return next((version for version in newest if version.turn == turn), None)

    def rollouts(self, loop: str, *, limit: int = 20) -> list[Rollout]:
        """A loop's rollouts, newest first."""
        return self.find(Rollout, loop=loop, limit=limit, newest_first=True)

    def alias_moves(self, model: str, *, limit: int = 50) -> list[AliasMove]:
        """The history of a model's aliases, newest first."""
        moves = self.find(AliasMove, model=model, limit=MOST)
        return sorted(moves, key=lambda move: move.at, reverse=True)[:limit]

    def incidents(self, loop: str = "", *, state: str = "", limit: int = 100) -> list[Incident]:
        """Incidents, newest first; `state` is "open", "closed" or "" for both."""
        return self.find(Incident, loop=loop, state=state, limit=limit, newest_first=True)

    def incident(self, id: str) -> Incident:
        """One incident.

        Raises:
            NotFound: no incident has the id.
        """
        return _there(self.get(Incident, id), f"there is no incident {id!r}", "/incidents lists them")

    def anomalies(self, loop: str = "", *, state: str = "", limit: int = 100) -> list[AnomalousRequest]:
        """Anomalous requests, newest first; "" selects all."""
        found = self.find(AnomalousRequest, loop=loop, state=state, limit=QUEUE)
        return sorted(found, key=lambda one: (one.time, one.number), reverse=True)[:limit]

    def anomaly(self, id: str) -> AnomalousRequest:
        """One anomalous request.

        Raises:
            NotFound: none has the id, or it had to make room for newer ones.
        """
        loop, _, number = id.rpartition("-")
        found = self.get(AnomalousRequest, place_of(loop, int(number))) if number.isdecimal() else None
        there = found if found is not None and found.id == id else None
        return _there(there, f"there is no anomalous request {id!r}", "/anomalies lists them; the oldest make room for new ones")

    def monitors(self, loop: str) -> list[MonitorState]:
        """Where each monitor of each subject stands."""
        return self.find(MonitorState, loop=loop)

    def readings(
        self, loop: str, monitor: str = "", subject: str = "", *, since: datetime | None = None, limit: int = 400
    ) -> list[Reading]:
        """Readings in order of time, the newest `limit` of them."""
        found = self.find(Reading, loop=loop, monitor=monitor, subject=subject, limit=limit, newest_first=True)
        kept = [one for one in found if since is None or one.time >= since]
        return sorted(kept, key=lambda one: one.time)

    def newest_reading(self, loop: str, monitor: str, subject: str) -> Reading | None:
        """The newest reading of one monitor of one subject; None when there is none, or the subject is ""."""
        found = self.readings(loop, monitor, subject, limit=1) if subject else []
        return found[-1] if found else None

    def traffic(self, loop: str, *, since: datetime | None = None, limit: int = MOST) -> list[TrafficPoint]:
        """What flowed through a deployment, in order of time, the newest `limit` buckets."""
        found = self.find(TrafficPoint, loop=loop, limit=limit, newest_first=True)
        return [point for point in reversed(found) if since is None or point.start >= since]

    def events(self, *, after: int = 0, limit: int = 100, newest_first: bool = True, **where: str) -> list[Placed]:
        """Lines of the ledger beyond a position, by loop, kind, subject or turn; fields given as "" do not select."""
        told = self._ledger.tail(after=after, limit=min(limit, MOST), newest_first=newest_first, **where)
        return [Placed(position=position, event=event) for position, event in told]

    def decisions(self, loop: str, *, limit: int = 30) -> list[Event]:
        """The events that decided a loop's course, newest first."""
        return why.decisions(self._ledger, loop, limit=limit)

    def newest_decision(self, loop: LoopState) -> str:
        """The event that "why" means when nothing is said: the policy's last decision, else the newest decisive one, else ""."""
        return loop.last_decision_event or next((event.id for event in self.decisions(loop.name, limit=1)), "")

    def chain(self, id: str) -> list[Event]:
        """An event and all that led to it, oldest first.

        Raises:
            NotFound: the ledger has no such event.
        """
        return why.chain(self._ledger, id)[-CHAIN_LIMIT:]

    def dataset_of(self, version: ModelVersion) -> DatasetVersion | None:
        """The main dataset version (most rows) that a model version was made from."""
        records = self._records.find(SHELVES[DatasetVersion].kind, limit=MOST, newest_first=True)
        wanted = [record for record in records if record.key.partition("/")[2] in version.datasets]
        return max((wire.load(record.body, DatasetVersion) for record in wanted), key=lambda one: one.rows, default=None)


def _there(found: T | None, message: str, fix: str) -> T:
    if found is None:
        raise NotFound(message, fix=fix)
    return found
