"""What a change of the registry leaves behind in its own transaction: a line in the ledger, and a delivery for every webhook that wants it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from noria.core.ids import new_id
from noria.core.rights import DEFAULT_PROJECT
from noria.ledger.book import Ledger
from noria.ledger.models.values import Move, Who
from noria.ports.sql import Tx


def subject_of(project: str, name: str, number: int | None = None) -> str:
    """What events call a model or a version: its name, with its project in front where that is not the default one."""
    whole = name if project == DEFAULT_PROJECT else f"{project}/{name}"
    return whole if number is None else f"{whole}@{number}"


def note(tx: Tx, ledger: Ledger, who: Who, kind: str, name: str, number: int | None = None, *, reasons: Sequence[str]) -> None:
    """File a line in the ledger, in this transaction."""
    event = ledger.event(
        kind,
        loop=subject_of(who.project, name),
        subject=subject_of(who.project, name, number),
        by=who.by or "noria",
        reasons=(*reasons, *([who.reason] if who.reason else [])),
    )
    tx.file(ledger.line(event))


def moved(
    tx: Tx, ledger: Ledger | None, who: Who, row: int, name: str, kind: str, subject: str, before: str, after: str, reason: str
) -> None:
    """Write a line of an alias's or a stage's history, and file it in the ledger (None = it is there already)."""
    tx.run(
        "INSERT INTO noria_model_moves (model, kind, subject, before, after, person, reason, at_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (row, kind, subject, before, after, who.by, reason, who.at_ms),
    )
    if ledger is None:
        return
    said = f"{subject}: {_v(before)} → {_v(after)}" if kind == "alias" else f"stage: {before} → {after}"
    number = int(subject) if kind == "stage" else int(after) if after else None
    event = ledger.event(
        f"{kind}.moved",
        loop=subject_of(who.project, name),
        subject=subject_of(who.project, name, number),
        by=who.by or "noria",
        reasons=(said, *([reason] if reason else [])),
    )
    tx.file(ledger.line(event))


def history(rows: Sequence[tuple[Any, ...]]) -> list[Move]:
    """Lines of `model_moves` (name, kind, subject, before, after, person, reason, at_ms)."""
    return [
        Move(model=model, kind=kind, subject=subject, before=before, after=after, by=by, reason=reason, at_ms=at_ms)
        for model, kind, subject, before, after, by, reason, at_ms in rows
    ]


def announce(tx: Tx, who: Who, entity: str, action: str, data: Mapping[str, Any]) -> None:
    """Make a delivery for every webhook of the project that wants to hear of it."""
    wanting = tx.run(
        "SELECT w.id FROM noria_webhook_events e JOIN noria_webhooks w ON w.id = e.webhook "
        "WHERE e.entity = ? AND e.action = ? AND w.project = ? AND w.status = 'ACTIVE'",
        (entity, action, who.project),
    )
    if not wanting:
        return
    body = spoken(entity, action, data, at_ms=who.at_ms, project=who.project)
    tx.many(
        "INSERT INTO noria_webhook_deliveries (id, webhook, entity, action, body, state, tries, said, made_ms, next_ms) "
        "VALUES (?, ?, ?, ?, ?, 'waiting', 0, '', ?, ?)",
        [(new_id("delivery", who.at_ms), webhook, entity, action, body, who.at_ms, who.at_ms) for (webhook,) in wanting],
    )


def spoken(entity: str, action: str, data: Mapping[str, Any], *, at_ms: int, project: str = DEFAULT_PROJECT) -> str:
    """The body of a webhook, as MLflow writes it."""
    at = datetime.fromtimestamp(at_ms / 1000, UTC).isoformat()
    told = {"entity": entity, "action": action, "timestamp": at, "data": dict(data)}
    return json.dumps(told if project == DEFAULT_PROJECT else {**told, "workspace": project}, ensure_ascii=False)


def _v(number: str) -> str:
    return f"v{number}" if number else "none"
