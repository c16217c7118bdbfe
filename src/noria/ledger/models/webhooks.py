"""Webhooks of the registry: who is told when a model, a version, a tag, an alias or a prompt changes, and what is still to be delivered."""

from __future__ import annotations

import re
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from noria.core.errors import NotFound, RequestInvalid
from noria.ledger.models.values import Who
from noria.ports.sql import Row, Sql, Tx

ACTIONS = {
    "registered_model": ("created",),
    "model_version": ("created",),
    "model_version_tag": ("set", "deleted"),
    "model_version_alias": ("created", "deleted"),
    "prompt": ("created",),
    "prompt_version": ("created",),
    "prompt_tag": ("set", "deleted"),
    "prompt_version_tag": ("set", "deleted"),
    "prompt_alias": ("created", "deleted"),
}
"""What changes, and how."""

ACTIVE, DISABLED = "ACTIVE", "DISABLED"
WAITING, DELIVERED, GIVEN_UP = "waiting", "delivered", "given up"
MOST = 1_000
"""Webhooks of a project."""

_NAME = re.compile(r"[A-Za-z0-9](?:[\w.\-]{0,61}[A-Za-z0-9])?", re.ASCII)
_COLUMNS = "id, project, name, description, url, secret, status, created_ms, updated_ms"


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """One webhook; `secret` is never shown, `repr` included."""

    id: str
    project: str
    name: str
    description: str
    url: str
    secret: str
    status: str
    created_ms: int
    updated_ms: int
    events: tuple[tuple[str, str], ...] = ()

    def __repr__(self) -> str:
        return f"Webhook({self.name!r}, {self.id})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """One delivery that is to be tried now."""

    id: str
    webhook: Webhook
    body: str
    tries: int
    made_ms: int


class Webhooks:
    """Webhooks of all projects. Thread-safe; each verb is one transaction."""

    def __init__(self, sql: Sql) -> None:
        self._sql = sql

    def create(
        self, who: Who, name: str, url: str, events: Sequence[tuple[str, str]], *, description: str, secret: str, status: str
    ) -> Webhook:
        """Make one.

        Raises:
            RequestInvalid: the name, an event or the status cannot be one, or there are too many.
        """
        check_name(name)
        check_events(events)
        id = uuid.uuid4().hex
        row = (id, who.project, name, description, url, secret, check_status(status or ACTIVE), who.at_ms, who.at_ms)

        def work(tx: Tx) -> None:
            ((count,),) = tx.run("SELECT count(*) FROM noria_webhooks WHERE project = ?", (who.project,))
            if count >= MOST:
                raise RequestInvalid(f"the project has {MOST} webhooks already", fix="delete one")
            tx.run(f"INSERT INTO noria_webhooks ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
            _put_events(tx, id, events)

        self._sql.write(work)
        return self.get(who.project, id)

    def get(self, project: str, id: str) -> Webhook:
        """One.

        Raises:
            NotFound: there is none of that id.
        """
        rows = self._sql.read(f"SELECT {_COLUMNS} FROM noria_webhooks WHERE id = ? AND project = ?", (id, project))
        if not rows:
            raise NotFound(f"Webhook with ID {id[:100]} not found.")
        return _webhook(self._sql, rows[0])

    def all(self, project: str, *, after: tuple[int, str] | None, size: int) -> list[Webhook]:
        """Those made before one, newest first."""
        beyond, args = "", []
        if after is not None:
            beyond, args = " AND (created_ms < ? OR (created_ms = ? AND id > ?))", [after[0], after[0], after[1]]
        query = f"SELECT {_COLUMNS} FROM noria_webhooks WHERE project = ?{beyond} ORDER BY created_ms DESC, id LIMIT ?"
        return [_webhook(self._sql, row) for row in self._sql.read(query, [project, *args, size])]

    def change(self, who: Who, id: str, *, events: Sequence[tuple[str, str]] | None = None, **changes: str) -> Webhook:
        """Change what is given: name, description, url, secret, status, events.

        Raises:
            NotFound: there is none of that id.
            RequestInvalid: something cannot be so.
        """
        if "name" in changes:
            check_name(changes["name"])
        if "status" in changes:
            check_status(changes["status"])
        if events is not None:
            check_events(events)
        self.get(who.project, id)

        def work(tx: Tx) -> None:
            for column in ("name", "description", "url", "secret", "status"):
                if column in changes:
                    tx.run(f"UPDATE noria_webhooks SET {column} = ? WHERE id = ?", (changes[column], id))
            tx.run("UPDATE noria_webhooks SET updated_ms = ? WHERE id = ?", (who.at_ms, id))
            if events is not None:
                tx.run("DELETE FROM noria_webhook_events WHERE webhook = ?", (id,))
                _put_events(tx, id, events)

        self._sql.write(work)
        return self.get(who.project, id)

    def delete(self, who: Who, id: str) -> None:
        """Delete it, with what is still to be delivered.

        Raises:
            NotFound: there is none of that id.
        """
        self.get(who.project, id)

        def work(tx: Tx) -> None:
            tx.run("DELETE FROM noria_webhook_events WHERE webhook = ?", (id,))
            tx.run("DELETE FROM noria_webhook_deliveries WHERE webhook = ?", (id,))
            tx.run("DELETE FROM noria_webhooks WHERE id = ?", (id,))

        self._sql.write(work)

    def due(self, now_ms: int, *, limit: int = 100) -> list[Due]:
        """Deliveries that are to be tried now, oldest first."""
        columns = ", ".join(f"w.{column}" for column in _COLUMNS.split(", "))
        rows = self._sql.read(
            f"SELECT d.id, d.body, d.tries, d.made_ms, {columns} FROM noria_webhook_deliveries d JOIN noria_webhooks w ON w.id = d.webhook "
            "WHERE d.state = ? AND d.next_ms <= ? ORDER BY d.next_ms, d.id LIMIT ?",
            (WAITING, now_ms, limit),
        )
        return [Due(id=row[0], body=row[1], tries=row[2], made_ms=row[3], webhook=_plain(row[4:])) for row in rows]

    def claim(self, due: Due, *, until_ms: int) -> bool:
        """Take a delivery, so that no other process tries it before `until_ms`; whether it was still to be had."""
        query = "UPDATE noria_webhook_deliveries SET tries = tries + 1, next_ms = ? WHERE id = ? AND tries = ? AND state = ? RETURNING id"
        return bool(self._sql.write(lambda tx: tx.run(query, (until_ms, due.id, due.tries, WAITING))))

    def settle(self, due: Due, state: str, said: str, *, next_ms: int = 0) -> None:
        """Write down what became of a claimed delivery."""
        query = "UPDATE noria_webhook_deliveries SET state = ?, said = ?, next_ms = ? WHERE id = ?"
        self._sql.write(lambda tx: tx.run(query, (state, said[:500], next_ms, due.id)))


def check_name(name: str) -> None:
    """Refuse what cannot be a webhook's name.

    Raises:
        RequestInvalid: it has other signs, or is too long.
    """
    if not _NAME.fullmatch(name):
        raise RequestInvalid(
            f"Webhook name {name[:100]!r} is invalid. It must start and end with a letter or digit, be less than 63 characters long, "
            "and contain only letters, digits, dots (.), underscores (_), and hyphens (-)."
        )


def check_events(events: Sequence[tuple[str, str]]) -> None:
    """Refuse events that there are not.

    Raises:
        RequestInvalid: there is none, or one that is not known.
    """
    if not events:
        raise RequestInvalid("Webhook events must be a non-empty list of WebhookEvent objects")
    for entity, action in events:
        if action not in ACTIONS.get(entity, ()):
            raise RequestInvalid(f"Invalid action '{action[:50]}' for entity '{entity[:50]}'")


def check_status(status: str) -> str:
    """A status.

    Raises:
        RequestInvalid: it is none.
    """
    if status not in (ACTIVE, DISABLED):
        raise RequestInvalid(f"Invalid webhook status: {status[:50]!r}. It must be {ACTIVE} or {DISABLED}")
    return status


def _put_events(tx: Tx, id: str, events: Sequence[tuple[str, str]]) -> None:
    rows = [(entity, action, id) for entity, action in dict.fromkeys(events)]
    tx.many("INSERT INTO noria_webhook_events (entity, action, webhook) VALUES (?, ?, ?)", rows)


def _webhook(sql: Sql, row: Row) -> Webhook:
    events = sql.read("SELECT entity, action FROM noria_webhook_events WHERE webhook = ? ORDER BY entity, action", (row[0],))
    return _plain(row, tuple((entity, action) for entity, action in events))


def _plain(row: Row, events: tuple[tuple[str, str], ...] = ()) -> Webhook:
    named: dict[str, Any] = dict(zip(_COLUMNS.split(", "), row, strict=True))
    return Webhook(**named, events=events)
