"""Tells other systems by OpenLineage what each turn read and made, from the ledger: at least once, in order, whatever dies in between."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Mapping

from noria.core.data import DatasetVersion
from noria.core.errors import Conflict, NoriaError
from noria.core.registry import ModelVersion
from noria.core.training import Run
from noria.core.turning import Event, Turn
from noria.ledger.lineage.openlineage import TYPES, run_event
from noria.ledger.paging import every
from noria.loop.enrol import in_force
from noria.loop.source import anchored, datasets
from noria.loop.states import state_of
from noria.loop.world import World
from noria.ports.lineage import LineageSink
from noria.ports.records import Put

KIND, CURSOR = "openlineage", "cursor"
AT_ONCE = 200
logger = logging.getLogger("noria.openlineage")


class Herald:
    """Follows the ledger in a thread of its own. Its place is moved on after each event has arrived.

    It begins where the ledger is when it is switched on first. Two control planes may both tell an event. What the
    receiver refuses for good is logged and passed by: one event that it does not like must not hold up all others.

    Args:
        noria: The version of Noria that events are told by.
    """

    def __init__(self, world: World, sink: LineageSink, *, noria: str = "", every_s: float = 5.0) -> None:
        self._world, self._sink, self._noria, self._every_s = world, sink, noria, every_s
        self._stop = threading.Event()
        self._sources: dict[tuple[str, str], Mapping[str, str]] = {}

    def run(self) -> None:
        """Until `stop`; a pass that fails is told in the log and made again."""
        while not self._stop.is_set():
            try:
                self.once()
            except Exception:
                logger.exception("telling lineage failed and is tried again")
            self._stop.wait(self._every_s)

    def stop(self) -> None:
        """End `run` after the event that is under way."""
        self._stop.set()

    def begin(self) -> None:
        """Take the ledger's end as the place to go on from, unless there is one: to be done before what is told of begins."""
        if self._world.records.get(KIND, CURSOR) is None:
            newest = self._world.ledger.tail(limit=1, newest_first=True)
            self._move(newest[0][0] if newest else 0, 0)

    def once(self) -> int:
        """Tell what the ledger has beyond its place; returns how many events arrived."""
        self.begin()
        mark = self._world.records.get(KIND, CURSOR)
        assert mark is not None
        place, revision, told = int(mark.body), mark.revision, 0
        while not self._stop.is_set():
            found = self._world.ledger.tail(after=place, limit=AT_ONCE)
            if not found:
                return told
            for position, event in found:
                if event.kind in TYPES and event.turn:
                    if self._stop.is_set() or not self._told(event):
                        self._move(place, revision)
                        return told
                    told, revision = told + 1, self._move(position, revision)
                place = position
            revision = self._move(place, revision)
        return told

    def _told(self, event: Event) -> bool:
        made = self._made(event)
        if made is None:
            return True
        answer = self._sink.send(json.dumps(made, ensure_ascii=False, allow_nan=False).encode())
        if not answer.arrived and not answer.again:
            logger.error("the event %s of %s was refused and is passed by: %s", event.kind, event.turn, answer.said)
        return answer.arrived or not answer.again

    def _made(self, event: Event) -> dict[str, object] | None:
        documents = self._world.documents
        turn = documents.get(Turn, event.turn)
        if turn is None:
            return None
        taken = self._world.ledger.get([f"{turn.id}:data"])
        digests = dict.fromkeys(taken[0].made_from if taken else ())
        read = [one for one in every(self._world.records, DatasetVersion) if one.digest in digests] if digests else []
        versions = documents.find(ModelVersion, where={"model": turn.loop, "turn": turn.id}, limit=1)
        failed = documents.find(Run, where={"turn": turn.id}, limit=1) if event.kind == "turn.failed" else []
        return run_event(
            event,
            turn,
            read,
            version=versions[0] if versions and event.kind == "version.registered" else None,
            sources=self._sources_of(turn.loop),
            error=failed[0].error if failed else "",
            noria=self._noria,
        )

    def _sources_of(self, loop: str) -> Mapping[str, str]:
        """Where a loop's datasets are read from, as its file says now."""
        try:
            state = state_of(self._world.documents, loop)
            if (loop, state.code) not in self._sources:
                declared = in_force(self._world, state)
                given = {name: anchored(one, declared.folder).source for name, one in datasets(declared.loop).items()}
                self._sources[loop, state.code] = {name: str(source) for name, source in given.items() if isinstance(source, str)}
            return self._sources[loop, state.code]
        except NoriaError:
            logger.warning("the sources of %s are not known: its file does not load", loop)
            return {}

    def _move(self, place: int, revision: int) -> int:
        """Write the place down, and return its new revision."""
        try:
            self._world.records.commit(Put(kind=KIND, key=CURSOR, body=str(place).encode(), expect=revision))
        except Conflict:
            logger.debug("another control plane told first")
            found = self._world.records.get(KIND, CURSOR)
            return found.revision if found else 0
        return revision + 1
