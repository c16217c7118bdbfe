"""The queue of anomalous requests: what monitors put into it, and what a person does with it."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from noria.core.anomalies import QUEUE, AnomalousRequest, AnomalyQueue, AnomalyState, place_of
from noria.core.errors import NotFound, RequestInvalid
from noria.core.turning import Event
from noria.ledger.book import Ledger
from noria.ledger.documents import Documents
from noria.ports.records import Write

DECISIONS = (AnomalyState.SEEN, AnomalyState.DISMISSED)


def push(documents: Documents, loop: str, found: list[AnomalousRequest]) -> list[Write]:
    """The writes that put requests into the loop's queue, numbered on; one that is full gives up its oldest."""
    if not found:
        return []
    known = documents.revision(AnomalyQueue, loop)
    queue, revision = known if known is not None else (AnomalyQueue(loop=loop), 0)
    writes: list[Write] = [documents.write(replace(queue, pushed=queue.pushed + len(found)), expect=revision)]
    return writes + [documents.write(replace(one, number=queue.pushed + n)) for n, one in enumerate(found, 1)]


def listed(documents: Documents, loop: str = "", state: str = "", limit: int = QUEUE) -> list[AnomalousRequest]:
    """Anomalous requests, newest first; "" selects all."""
    where = {name: value for name, value in (("loop", loop), ("state", state)) if value}
    found = documents.find(AnomalousRequest, where=where, limit=QUEUE)
    return sorted(found, key=lambda one: (one.time, one.number), reverse=True)[:limit]


def opened(documents: Documents, id: str) -> AnomalousRequest:
    """One anomalous request.

    Raises:
        NotFound: there is none of the id, or it had to make room for newer ones.
    """
    return _found(documents, id)[0]


def decide(documents: Documents, ledger: Ledger, id: str, state: str, *, by: str, reason: str, at: datetime) -> AnomalousRequest:
    """Say that a person has seen it, or that it is nothing; on the record with who and why.

    Raises:
        NotFound: there is none of the id.
        RequestInvalid: `state` is no decision.
        Conflict: somebody else decided at this moment.
    """
    if state not in DECISIONS:
        raise RequestInvalid(f"{state!r} is no decision on an anomalous request", fix=f"say {' or '.join(DECISIONS)}")
    known, revision = _found(documents, id)
    decided = replace(known, state=AnomalyState(state), by=by, reason=reason, decided_at=at)
    event: Event = ledger.event(
        f"anomaly.{state}",
        loop=known.loop,
        subject=known.id,
        by=by,
        reasons=tuple(one for one in (f"request {known.request_id}", reason) if one),
        numbers={"score": known.score, "threshold": known.threshold},
    )
    documents.records.commit(documents.write(decided, expect=revision), ledger.line(event))
    return decided


def _found(documents: Documents, id: str) -> tuple[AnomalousRequest, int]:
    loop, _, number = id.rpartition("-")
    found = documents.revision(AnomalousRequest, place_of(loop, int(number))) if number.isdecimal() else None
    if found is None or found[0].id != id:
        raise NotFound(f"there is no anomalous request {id[:100]!r}", fix="`noria anomalies` lists them; the oldest make room for new ones")
    return found
