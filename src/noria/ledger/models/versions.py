"""Register, describe, tag and delete versions of registered models and prompts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from noria.core.errors import NotFound, RequestInvalid
from noria.ledger.book import Ledger
from noria.ledger.models import reading
from noria.ledger.models.models import free
from noria.ledger.models.rules import check_key, check_name, check_number, check_stage, check_tags
from noria.ledger.models.sources import Source
from noria.ledger.models.telling import announce, moved, note
from noria.ledger.models.values import ACTIVE_STAGES, OF_PROMPTS, PROMPT_TEXT, Keeper, RegisteredVersion, Stage, Who, is_prompt
from noria.ports.sql import Sql, Tx


class Versions:
    """Versions of registered models and prompts. Thread-safe; each verb is one transaction."""

    def __init__(self, sql: Sql, ledger: Ledger) -> None:
        self._sql, self._ledger = sql, ledger

    def create(
        self, who: Who, name: str, source: Source, *, description: str = "", run_link: str = "", tags: Mapping[str, str] | None = None
    ) -> RegisteredVersion:
        """Register a version under the model's next number, which was never used before.

        Args:
            source: See `sources.resolved`.

        Raises:
            RequestInvalid: a tag cannot be one, or the name is a loop's or a deployment's, which makes its versions itself.
            NotFound: there is no such model.
        """
        check_name(name)
        check_tags(given := dict(tags or {}))

        def work(tx: Tx) -> RegisteredVersion:
            place = reading.locked(tx, who.project, name)
            if place.keeper is not Keeper.CLIENTS:
                raise _kept(place)
            number = place.top + 1
            insert(tx, who, place.row, number, source, description=description, run_link=run_link, tags=given)
            announced(tx, self._ledger, who, name, number, source, description=description, tags=given)
            return reading.version(tx.run, who.project, name, number)

        return self._sql.write(work)

    def get(self, project: str, name: str, version: str | int) -> RegisteredVersion:
        """One version.

        Raises:
            NotFound: there is no such version.
        """
        check_name(name)
        return reading.version(self._sql.read, project, name, check_number(version))

    def latest(self, project: str, name: str, stages: Sequence[str] = ()) -> list[RegisteredVersion]:
        """The newest version of each stage, or of those that are named.

        Raises:
            NotFound: there is no such model.
            RequestInvalid: there is no such stage.
        """
        wanted = {check_stage(stage) for stage in stages}
        found = reading.model(self._sql.read, project, name).latest
        return [one for one in found if not wanted or one.stage in wanted]

    def named(self, project: str, reference: str) -> RegisteredVersion:
        """The version that `NAME/3`, `NAME/latest`, `NAME/STAGE` or `NAME@ALIAS` names.

        Raises:
            NotFound: there is none.
            RequestInvalid: it is written in another way.
        """
        name, slash, which = reference.rpartition("/")
        if not slash:
            name, _, alias = reference.rpartition("@")
            found = reading.model(self._sql.read, project, name).aliases.get(alias)
            if found is None:
                raise NotFound(f"Registered model alias {alias[:200]} not found.")
            return self.get(project, name, found)
        if which.isdecimal():
            return self.get(project, name, which)
        newest = self.latest(project, name, () if which.lower() == "latest" else (which,))
        if not newest:
            raise NotFound(f"{name[:200]} has no version in stage {which[:100]!r}")
        return max(newest, key=lambda one: one.number)

    def describe(self, who: Who, name: str, version: str | int, description: str) -> RegisteredVersion:
        """Say what a version is.

        Raises:
            NotFound: there is no such version.
        """
        number = check_number(version)

        def work(tx: Tx) -> RegisteredVersion:
            row = existing(tx, who, name, number)
            tx.run(
                "UPDATE noria_model_versions SET description = ?, updated_ms = ? WHERE model = ? AND number = ?",
                (description, who.at_ms, row.row, number),
            )
            return reading.version(tx.run, who.project, name, number)

        return self._sql.write(work)

    def delete(self, who: Who, name: str, version: str | int) -> None:
        """Delete a version and the aliases that point to it; its number is not used again, the files it came from stay.

        Raises:
            NotFound: there is no such version.
            NotAllowed: a loop or a deployment made it.
        """
        number = check_number(version)

        def work(tx: Tx) -> None:
            place = existing(tx, who, name, number)
            free(place, "deleted")
            for (alias,) in tx.run("SELECT alias FROM noria_model_aliases WHERE model = ? AND number = ?", (place.row, number)):
                moved(tx, self._ledger, who, place.row, name, "alias", alias, str(number), "", "the version was deleted")
            for table in ("noria_model_aliases", "noria_version_tags", "noria_model_versions"):
                tx.run(f"DELETE FROM {table} WHERE model = ? AND number = ?", (place.row, number))
            tx.run("UPDATE noria_models SET updated_ms = ? WHERE row = ?", (who.at_ms, place.row))
            note(tx, self._ledger, who, "version.deleted", name, number, reasons=(f"v{number} deleted",))

        self._sql.write(work)

    def tag(self, who: Who, name: str, version: str | int, key: str, value: str) -> None:
        """Set a tag of a version.

        Raises:
            RequestInvalid: it cannot be one.
            NotFound: there is no such version.
        """
        number = check_number(version)
        check_tags({key: value})

        def work(tx: Tx) -> None:
            place = existing(tx, who, name, number)
            put_tags(tx, place.row, number, {key: value})
            told = {"name": name, "version": str(number), "key": key, "value": value}
            announce(tx, who, f"{'prompt' if place.prompt else 'model'}_version_tag", "set", told)

        self._sql.write(work)

    def untag(self, who: Who, name: str, version: str | int, key: str) -> None:
        """Take a tag of a version away; one that is not there is no mistake.

        Raises:
            NotFound: there is no such version.
        """
        number = check_number(version)
        check_key(key)

        def work(tx: Tx) -> None:
            place = existing(tx, who, name, number)
            tx.run("DELETE FROM noria_version_tags WHERE model = ? AND number = ? AND key = ?", (place.row, number, key))
            told = {"name": name, "version": str(number), "key": key}
            announce(tx, who, f"{'prompt' if place.prompt else 'model'}_version_tag", "deleted", told)

        self._sql.write(work)

    def transition(self, who: Who, name: str, version: str | int, stage: str, *, archive: bool = False) -> RegisteredVersion:
        """Move a version to a stage.

        Args:
            archive: Move all others of that stage to "Archived".

        Raises:
            RequestInvalid: there is no such stage, or it is none that others are archived from.
            NotFound: there is no such version.
        """
        number, to = check_number(version), check_stage(stage)
        if archive and to not in ACTIVE_STAGES:
            raise RequestInvalid(
                f"Model version transition cannot archive existing model versions because '{stage}' is not an Active stage. "
                f"Valid stages are {[str(one) for one in ACTIVE_STAGES]}"
            )

        def work(tx: Tx) -> RegisteredVersion:
            place = existing(tx, who, name, number)
            reason = who.reason or reason_of(reading.version(tx.run, who.project, name, number))
            if archive:
                others = tx.run(
                    "SELECT number FROM noria_model_versions WHERE model = ? AND stage = ? AND number <> ? ORDER BY number",
                    (place.row, to, number),
                )
                for (other,) in others:
                    self._staged(tx, who, place, other, Stage.ARCHIVED, f"v{number} took its place")
            self._staged(tx, who, place, number, to, reason)
            tx.run("UPDATE noria_models SET updated_ms = ? WHERE row = ?", (who.at_ms, place.row))
            return reading.version(tx.run, who.project, name, number)

        return self._sql.write(work)

    def _staged(self, tx: Tx, who: Who, place: reading.Place, number: int, to: Stage, reason: str) -> None:
        ((before,),) = tx.run("SELECT stage FROM noria_model_versions WHERE model = ? AND number = ?", (place.row, number))
        tx.run(
            "UPDATE noria_model_versions SET stage = ?, updated_ms = ? WHERE model = ? AND number = ?",
            (str(to), who.at_ms, place.row, number),
        )
        if before != to:
            moved(tx, self._ledger, who, place.row, place.name, "stage", str(number), before, str(to), reason)


def existing(tx: Tx, who: Who, name: str, number: int) -> reading.Place:
    """The locked place of a model that has the version.

    Raises:
        NotFound: it has not, or there is no such model.
    """
    check_name(name)
    try:
        place = reading.locked(tx, who.project, name)
    except NotFound:
        raise reading.missing_version(name, number) from None
    if not tx.run("SELECT 1 FROM noria_model_versions WHERE model = ? AND number = ?", (place.row, number)):
        raise reading.missing_version(name, number)
    return place


def insert(
    tx: Tx,
    who: Who,
    row: int,
    number: int,
    source: Source,
    *,
    description: str = "",
    run_link: str = "",
    tags: Mapping[str, str],
) -> None:
    """Make a version's row under a number that is free; the model's row is locked."""
    tx.run(
        "UPDATE noria_models SET top = CASE WHEN top < ? THEN ? ELSE top END, updated_ms = ? WHERE row = ?",
        (number, number, who.at_ms, row),
    )
    tx.run(
        "INSERT INTO noria_model_versions (model, number, description, person, stage, source, location, run, run_link, model_id, "
        "created_ms, updated_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            row,
            number,
            description,
            who.by,
            str(Stage.NONE),
            source.source,
            source.location,
            source.run,
            run_link,
            source.model_id,
            who.at_ms,
            who.at_ms,
        ),
    )
    put_tags(tx, row, number, tags)


def announced(
    tx: Tx, ledger: Ledger | None, who: Who, name: str, number: int, source: Source, *, description: str, tags: Mapping[str, str]
) -> None:
    """File that a version was registered (unless the ledger is None: it has its own line), and tell the webhooks."""
    told = {"name": name, "version": str(number), "description": description or None}
    if is_prompt(tags):
        shown = {key: value for key, value in tags.items() if key not in OF_PROMPTS}
        announce(tx, who, "prompt_version", "created", {**told, "template": tags.get(PROMPT_TEXT, ""), "tags": shown})
        if ledger is not None:
            note(tx, ledger, who, "prompt.written", name, number, reasons=(f"v{number} written",))
        return
    announce(tx, who, "model_version", "created", {**told, "source": source.source, "run_id": source.run or None, "tags": dict(tags)})
    if ledger is None:
        return
    origin = f"from run {source.run}" if source.run else f"from {source.source[:200]}"
    note(tx, ledger, who, "version.registered", name, number, reasons=(f"v{number} registered, {origin}",))


def put_tags(tx: Tx, row: int, number: int, tags: Mapping[str, str]) -> None:
    """Set tags of a version."""
    if tags:
        tx.many(
            "INSERT INTO noria_version_tags (model, number, key, value) VALUES (?, ?, ?, ?) "
            "ON CONFLICT (model, number, key) DO UPDATE SET value = excluded.value",
            [(row, number, key, value) for key, value in tags.items()],
        )


def reason_of(version: RegisteredVersion) -> str:
    """Why a version was moved, as far as somebody said: its tag `reason`, else the first line of its description."""
    said = version.tags.get("reason") or version.description.strip()
    return said.splitlines()[0][:300] if said else ""


def _kept(place: reading.Place) -> RequestInvalid:
    return RequestInvalid(
        f"'{place.name}' is the name of a {place.keeper} of Noria, which registers its versions itself; register yours under another name",
        fix=f"`noria deploy NAME models:/OTHER/1` lets a version of another model answer; `noria turn {place.name}` makes one of this",
    )
