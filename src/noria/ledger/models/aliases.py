"""Aliases of registered models: which version a name points to, moved by whom, and ever pointed to."""

from __future__ import annotations

from noria.core.errors import NotFound, RequestInvalid
from noria.ledger.book import Ledger
from noria.ledger.models import reading
from noria.ledger.models.rules import check_alias, check_number
from noria.ledger.models.telling import announce, history, moved
from noria.ledger.models.values import Move, RegisteredVersion, Who
from noria.ledger.models.versions import existing, reason_of
from noria.ports.sql import Sql, Tx

LATEST = "latest"


class Aliases:
    """Aliases of registered models and prompts. Thread-safe; each verb is one transaction."""

    def __init__(self, sql: Sql, ledger: Ledger) -> None:
        self._sql, self._ledger = sql, ledger

    def set(self, who: Who, name: str, alias: str, version: str | int) -> None:
        """Let an alias point to a version, and to no other.

        Raises:
            RequestInvalid: it cannot be an alias.
            NotFound: there is no such version.
        """
        check_alias(alias)
        number = check_number(version)

        def work(tx: Tx) -> None:
            place = existing(tx, who, name, number)
            reason = who.reason or reason_of(reading.version(tx.run, who.project, name, number))
            pointed(tx, self._ledger, who, place, alias, number, reason=reason)

        self._sql.write(work)

    def drop(self, who: Who, name: str, alias: str) -> None:
        """Take an alias away; one that is not there is no mistake.

        Raises:
            NotFound: there is no such model.
        """
        check_alias(alias, reserved=True)

        def work(tx: Tx) -> None:
            place = reading.locked(tx, who.project, name)
            pointed(tx, self._ledger, who, place, alias, None, reason=who.reason)

        self._sql.write(work)

    def version(self, project: str, name: str, alias: str) -> RegisteredVersion:
        """The version that an alias points to; "latest" is the newest.

        Raises:
            RequestInvalid: the alias is not there.
            NotFound: there is no such model, or it has no version.
        """
        check_alias(alias, reserved=True)
        found = reading.model(self._sql.read, project, name)
        if alias.lower() == LATEST:
            if not found.latest:
                raise NotFound(f"Latest version not found for model {name}.")
            return max(found.latest, key=lambda one: one.number)
        if alias not in found.aliases:
            raise RequestInvalid(f"Registered model alias {alias} not found.")
        return reading.version(self._sql.read, project, name, found.aliases[alias])

    def moves(self, project: str, name: str) -> list[Move]:
        """Every move of an alias or a stage of a model, oldest first."""
        columns = "m.name, h.kind, h.subject, h.before, h.after, h.person, h.reason, h.at_ms"
        rows = self._sql.read(
            f"SELECT {columns} FROM noria_model_moves h JOIN noria_models m ON m.row = h.model WHERE m.project = ? AND m.name = ? ORDER BY h.at_ms, h.row",
            (project, name),
        )
        return history(rows)

    def pointed_at(self, project: str, name: str, alias: str, at_ms: int) -> int | None:
        """The version that an alias pointed to at a moment; None = to none."""
        rows = self._sql.read(
            "SELECT h.after FROM noria_model_moves h JOIN noria_models m ON m.row = h.model WHERE m.project = ? AND m.name = ? AND h.kind = 'alias' "
            "AND h.subject = ? AND h.at_ms <= ? ORDER BY h.at_ms DESC, h.row DESC LIMIT 1",
            (project, name, alias, at_ms),
        )
        return int(rows[0][0]) if rows and rows[0][0] else None


def pointed(tx: Tx, ledger: Ledger | None, who: Who, place: reading.Place, alias: str, number: int | None, *, reason: str) -> None:
    """Point an alias at a version or (None) at nothing, with its line of history; the model's row is locked.

    Args:
        ledger: None = it has its own line already.
    """
    found = tx.run("SELECT number FROM noria_model_aliases WHERE model = ? AND alias = ?", (place.row, alias))
    before = int(found[0][0]) if found else None
    if before == number and (number is not None or not found):
        return
    entity = "prompt_alias" if place.prompt else "model_version_alias"
    if number is None:
        tx.run("DELETE FROM noria_model_aliases WHERE model = ? AND alias = ?", (place.row, alias))
        announce(tx, who, entity, "deleted", {"name": place.name, "alias": alias})
    else:
        tx.run(
            "INSERT INTO noria_model_aliases (model, alias, number) VALUES (?, ?, ?) "
            "ON CONFLICT (model, alias) DO UPDATE SET number = excluded.number",
            (place.row, alias, number),
        )
        announce(tx, who, entity, "created", {"name": place.name, "alias": alias, "version": str(number)})
    moved(tx, ledger, who, place.row, place.name, "alias", alias, str(before or ""), str(number or ""), reason)
