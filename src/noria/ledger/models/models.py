"""Make, rename, describe, tag and delete registered models and prompts."""

from __future__ import annotations

from collections.abc import Mapping

from noria.core.errors import AlreadyThere, NotAllowed
from noria.ledger.book import Ledger
from noria.ledger.models import reading
from noria.ledger.models.rules import check_key, check_name, check_tags
from noria.ledger.models.telling import announce, note
from noria.ledger.models.values import OF_PROMPTS, Keeper, RegisteredModel, Who, is_prompt
from noria.ports.sql import Sql, Tx


class Models:
    """Registered models and prompts of all projects. Thread-safe; each verb is one transaction."""

    def __init__(self, sql: Sql, ledger: Ledger) -> None:
        self._sql, self._ledger = sql, ledger

    def create(self, who: Who, name: str, *, description: str = "", tags: Mapping[str, str] | None = None) -> RegisteredModel:
        """Register a name; what has the tag of prompts is a prompt.

        Raises:
            RequestInvalid: the name or a tag cannot be one.
            AlreadyThere: a model or a prompt has it.
        """
        check_name(name)
        check_tags(given := dict(tags or {}))

        def work(tx: Tx) -> RegisteredModel:
            made = insert(tx, who, name, description=description, tags=given)
            if made is None:
                raise _taken(name, was_prompt=reading.locked(tx, who.project, name).prompt, is_prompt=is_prompt(given))
            announced_model(tx, self._ledger, who, name, description=description, tags=given)
            return reading.model(tx.run, who.project, name)

        return self._sql.write(work)

    def get(self, project: str, name: str) -> RegisteredModel:
        """One model.

        Raises:
            NotFound: there is none of that name.
        """
        return reading.model(self._sql.read, project, name)

    def rename(self, who: Who, name: str, new_name: str) -> RegisteredModel:
        """Give a model another name; its versions, aliases and history go with it.

        Raises:
            NotFound: there is no such model.
            AlreadyThere: another one has the new name.
            NotAllowed: a loop or a deployment has this name.
        """
        check_name(name)
        check_name(new_name, "new_name")

        def work(tx: Tx) -> RegisteredModel:
            place = reading.locked(tx, who.project, name)
            free(place, "renamed")
            taken = tx.run("SELECT prompt FROM noria_models WHERE project = ? AND name = ?", (who.project, new_name))
            if taken:
                raise _taken(new_name, was_prompt=bool(taken[0][0]), is_prompt=place.prompt)
            tx.run("UPDATE noria_models SET name = ?, updated_ms = ? WHERE row = ?", (new_name, who.at_ms, place.row))
            tx.run("UPDATE noria_model_versions SET updated_ms = ? WHERE model = ?", (who.at_ms, place.row))
            note(tx, self._ledger, who, f"{_kind(place.prompt)}.renamed", new_name, reasons=(f"{name} is called {new_name} now",))
            return reading.model(tx.run, who.project, new_name)

        return self._sql.write(work)

    def describe(self, who: Who, name: str, description: str) -> RegisteredModel:
        """Say what a model is for.

        Raises:
            NotFound: there is no such model.
        """

        def work(tx: Tx) -> RegisteredModel:
            place = reading.locked(tx, who.project, name)
            tx.run("UPDATE noria_models SET description = ?, updated_ms = ? WHERE row = ?", (description, who.at_ms, place.row))
            return reading.model(tx.run, who.project, name)

        return self._sql.write(work)

    def delete(self, who: Who, name: str) -> None:
        """Delete a model with its versions and aliases. The files that they came from stay, and so does the ledger.

        Raises:
            NotFound: there is no such model.
            NotAllowed: a loop or a deployment has this name.
        """

        def work(tx: Tx) -> None:
            place = reading.locked(tx, who.project, name)
            free(place, "deleted")
            for table in ("noria_model_tags", "noria_model_aliases", "noria_version_tags", "noria_model_versions", "noria_model_moves"):
                tx.run(f"DELETE FROM {table} WHERE model = ?", (place.row,))
            tx.run("DELETE FROM noria_models WHERE row = ?", (place.row,))
            note(tx, self._ledger, who, f"{_kind(place.prompt)}.deleted", name, reasons=(f"deleted with its {place.top} version(s)",))

        self._sql.write(work)

    def tag(self, who: Who, name: str, key: str, value: str) -> None:
        """Set a tag.

        Raises:
            RequestInvalid: it cannot be one.
            NotFound: there is no such model.
        """
        check_tags({key: value})

        def work(tx: Tx) -> None:
            place = reading.locked(tx, who.project, name)
            put_tags(tx, place.row, {key: value})
            if place.prompt:
                announce(tx, who, "prompt_tag", "set", {"name": name, "key": key, "value": value})

        self._sql.write(work)

    def untag(self, who: Who, name: str, key: str) -> None:
        """Take a tag away; one that is not there is no mistake.

        Raises:
            NotFound: there is no such model.
        """
        check_key(key)

        def work(tx: Tx) -> None:
            place = reading.locked(tx, who.project, name)
            tx.run("DELETE FROM noria_model_tags WHERE model = ? AND key = ?", (place.row, key))
            if place.prompt:
                announce(tx, who, "prompt_tag", "deleted", {"name": name, "key": key})

        self._sql.write(work)


def insert(tx: Tx, who: Who, name: str, *, description: str, tags: Mapping[str, str], keeper: Keeper = Keeper.CLIENTS) -> int | None:
    """Make a model's row; None where the name is taken."""
    made = tx.run(
        "INSERT INTO noria_models (project, name, description, person, keeper, prompt, top, created_ms, updated_ms) "
        "VALUES (?, ?, ?, ?, ?, ?, 0, ?, ?) ON CONFLICT (project, name) DO NOTHING RETURNING row",
        (who.project, name, description, who.by, str(keeper), int(is_prompt(tags)), who.at_ms, who.at_ms),
    )
    if not made:
        return None
    put_tags(tx, made[0][0], tags)
    return int(made[0][0])


def announced_model(tx: Tx, ledger: Ledger | None, who: Who, name: str, *, description: str, tags: Mapping[str, str]) -> None:
    """File that a model or a prompt was made (unless the ledger is None: it has its own line), and tell the webhooks."""
    prompt = is_prompt(tags)
    shown = {key: value for key, value in tags.items() if not prompt or key not in OF_PROMPTS}
    announce(tx, who, "prompt" if prompt else "registered_model", "created", {"name": name, "tags": shown, "description": description})
    if ledger is not None:
        note(
            tx, ledger, who, f"{_kind(prompt)}.created", name, reasons=(description.splitlines()[0][:200] if description else "registered",)
        )


def put_tags(tx: Tx, row: int, tags: Mapping[str, str]) -> None:
    """Set tags of a model."""
    if tags:
        tx.many(
            "INSERT INTO noria_model_tags (model, key, value) VALUES (?, ?, ?) ON CONFLICT (model, key) DO UPDATE SET value = excluded.value",
            [(row, key, value) for key, value in tags.items()],
        )


def free(place: reading.Place, verb: str) -> None:
    """Refuse what would pull a name from under a loop or a deployment.

    Raises:
        NotAllowed: it has this name.
    """
    if place.keeper is not Keeper.CLIENTS:
        raise NotAllowed(
            f"{place.name!r} is kept by the {place.keeper} of that name and cannot be {verb} here",
            fix="noria is where its versions are made; tag it, describe it or move its aliases instead",
        )


def _kind(prompt: bool) -> str:
    return "prompt" if prompt else "model"


def _taken(name: str, *, was_prompt: bool, is_prompt: bool) -> AlreadyThere:
    old, new = ("Prompt" if one else "Registered Model" for one in (was_prompt, is_prompt))
    if old == new:
        return AlreadyThere(f"{new} (name={name[:500]}) already exists.")
    return AlreadyThere(
        f"Tried to create a {new.lower()} with name {name[:500]!r}, but the name is already taken by a {old.lower()}. "
        "MLflow does not allow creating a model and a prompt with the same name."
    )
