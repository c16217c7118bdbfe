"""Takes OpenLineage events of other systems in: which job read and wrote what is kept, bounded, as lineage above the datasets."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from noria.core.errors import Conflict, RequestInvalid
from noria.core.ids import digest_of
from noria.core.lineage import Table, UpstreamJob
from noria.ledger.documents import Documents

MOST_JOBS = 10_000
MOST_TABLES = 200
"""Of one job and one side; those seen the longest ago go first."""

MOST_EVENTS = 1_000
LONGEST = 500
_TRIES = 20
log = logging.getLogger("noria.lineage")


def take(documents: Documents, event: Any, *, by: str) -> bool:
    """Keep what one event tells of its job; returns whether it told anything that is kept.

    Run and job events are taken in, in any order and any number of times. Events on a dataset alone say nothing of who made it.

    Raises:
        RequestInvalid: it is no OpenLineage event.
    """
    if not isinstance(event, Mapping):
        raise _no_event("an event is a JSON object")
    at = _moment(event.get("eventTime"))
    if "job" not in event:
        if isinstance(event.get("dataset"), Mapping):
            return False
        raise _no_event("it names neither a job nor a dataset")
    job = event["job"]
    fresh = UpstreamJob(
        namespace=_name(job, "namespace", "job"),
        name=_name(job, "name", "job"),
        run=str(_facet(event, "run").get("runId") or "")[:LONGEST],
        state=str(event.get("eventType") or "OTHER")[:20].upper(),
        seen_at=at,
        kind=_kind(job),
        producer=str(event.get("producer") or "")[:LONGEST],
        inputs=_tables(event.get("inputs"), at),
        outputs=_tables(event.get("outputs"), at),
        by=by,
    )
    return _kept(documents, fresh)


def _kept(documents: Documents, fresh: UpstreamJob) -> bool:
    key = digest_of(fresh.id.encode())
    for _ in range(_TRIES):
        found = documents.revision(UpstreamJob, key)
        if found is None and len(documents.find(UpstreamJob, limit=MOST_JOBS)) >= MOST_JOBS:
            log.warning("%s is not kept: %d jobs of other systems are known already", fresh.id, MOST_JOBS)
            return False
        try:
            documents.put(merged(found[0], fresh) if found else fresh, expect=found[1] if found else 0)
        except Conflict:
            continue
        return True
    raise Conflict(f"too many events of {fresh.id} at once")


def merged(known: UpstreamJob, fresh: UpstreamJob) -> UpstreamJob:
    """What is known of a job with what an event adds: the newest state, all tables, each as it was seen last."""
    last = fresh if fresh.seen_at >= known.seen_at else known
    return UpstreamJob(
        namespace=known.namespace,
        name=known.name,
        run=last.run,
        state=last.state,
        seen_at=last.seen_at,
        kind=last.kind or known.kind or fresh.kind,
        producer=last.producer,
        inputs=_together(known.inputs, fresh.inputs),
        outputs=_together(known.outputs, fresh.outputs),
        by=last.by,
    )


def _together(known: Sequence[Table], fresh: Sequence[Table]) -> tuple[Table, ...]:
    newest: dict[str, Table] = {}
    for table in sorted([*known, *fresh], key=lambda table: table.seen_at):
        newest[table.id] = table
    return tuple(sorted(newest.values(), key=lambda table: (table.seen_at, table.id), reverse=True)[:MOST_TABLES])


def _tables(told: Any, at: datetime) -> tuple[Table, ...]:
    if told is None:
        return ()
    if not isinstance(told, Sequence) or isinstance(told, str):
        raise _no_event("inputs and outputs are lists")
    return tuple(_table(one, at) for one in told[:MOST_TABLES])


def _table(told: Any, at: datetime) -> Table:
    symlinks = _facet(_facet(told, "facets"), "symlinks").get("identifiers")
    others = [one for one in symlinks if isinstance(one, Mapping)] if isinstance(symlinks, Sequence) else []
    return Table(
        namespace=_name(told, "namespace", "dataset"),
        name=_name(told, "name", "dataset"),
        seen_at=at,
        version=str(_facet(_facet(told, "facets"), "version").get("datasetVersion") or "")[:LONGEST],
        aliases=tuple((str(one.get("namespace", ""))[:LONGEST], str(one.get("name", ""))[:LONGEST]) for one in others[:5]),
    )


def _kind(job: Mapping[str, Any]) -> str:
    told = _facet(_facet(job, "facets"), "jobType")
    return " ".join(str(told[name]) for name in ("integration", "jobType") if told.get(name))[:100]


def _facet(value: Any, name: str) -> Mapping[str, Any]:
    found = value.get(name) if isinstance(value, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def _name(value: Any, field: str, of: str) -> str:
    found = value.get(field) if isinstance(value, Mapping) else None
    if not isinstance(found, str) or not found or len(found) > LONGEST:
        raise _no_event(f"a {of} has a {field} of 1 to {LONGEST} characters")
    return found


def _moment(told: Any) -> datetime:
    try:
        found = datetime.fromisoformat(told)
    except (TypeError, ValueError) as error:
        raise _no_event(f"eventTime is {str(told)[:40]!r}") from error
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _no_event(why: str) -> RequestInvalid:
    return RequestInvalid(f"this is no OpenLineage event: {why}", fix="see https://openlineage.io/spec/2-0-2/OpenLineage.json")
