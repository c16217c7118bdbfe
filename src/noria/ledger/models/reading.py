"""Registered models and versions read from their tables, each with its tags and aliases."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from noria.core.errors import NotFound
from noria.ledger.models.rules import check_name
from noria.ledger.models.values import Keeper, RegisteredModel, RegisteredVersion, Stage
from noria.ports.sql import Row, Tx

Rows = Callable[[str, Sequence[Any]], list[Row]]
"""`Sql.read`, or `Tx.run` of a transaction."""

MODEL = "m.row, m.name, m.description, m.person, m.keeper, m.created_ms, m.updated_ms"
VERSION = (
    "v.model, m.name, v.number, v.description, v.person, v.stage, v.source, v.location, v.run, v.run_link, v.model_id, "
    "v.created_ms, v.updated_ms"
)
VERSIONS = "noria_model_versions v JOIN noria_models m ON m.row = v.model"

_TOGETHER = 400
"""Rows whose tags are read in one query."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a model is kept; while a transaction that read it so lasts, nobody else writes it."""

    row: int
    name: str
    keeper: Keeper
    prompt: bool
    top: int


def locked(tx: Tx, project: str, name: str) -> Place:
    """A model's place, with its row locked.

    Raises:
        NotFound: there is no such model.
    """
    check_name(name)
    found = tx.run("UPDATE noria_models SET top = top WHERE project = ? AND name = ? RETURNING row, keeper, prompt, top", (project, name))
    if not found:
        raise missing(name)
    row, keeper, prompt, top = found[0]
    return Place(row=row, name=name, keeper=Keeper(keeper), prompt=bool(prompt), top=top)


def model(read: Rows, project: str, name: str) -> RegisteredModel:
    """One model with the newest version of each stage.

    Raises:
        NotFound: there is no such model.
    """
    check_name(name)
    found = models(read, "WHERE m.project = ? AND m.name = ?", (project, name))
    if not found:
        raise missing(name)
    return found[0]


def missing(name: str) -> NotFound:
    """What is said of a model that is not there."""
    return NotFound(f"Registered Model with name={name[:500]} not found")


def models(read: Rows, tail: str, args: Sequence[Any]) -> list[RegisteredModel]:
    """Models that a `WHERE … ORDER BY … LIMIT` over `models m` selects."""
    rows = read(f"SELECT {MODEL} FROM noria_models m {tail}", args)
    numbers = [row[0] for row in rows]
    tags, aliases, latest = (
        defaultdict[int, dict[str, str]](dict),
        defaultdict[int, dict[str, int]](dict),
        defaultdict[int, list[Any]](list),
    )
    for some in _parted(numbers):
        marks = ", ".join("?" * len(some))
        for owner, key, value in read(f"SELECT model, key, value FROM noria_model_tags WHERE model IN ({marks}) ORDER BY key", some):
            tags[owner][key] = value
        for owner, alias, number in read(
            f"SELECT model, alias, number FROM noria_model_aliases WHERE model IN ({marks}) ORDER BY alias", some
        ):
            aliases[owner][alias] = number
        newest = "(SELECT max(number) FROM noria_model_versions w WHERE w.model = v.model AND w.stage = v.stage)"
        for owner, version in _versions(read, f"WHERE v.model IN ({marks}) AND v.number = {newest} ORDER BY v.model, v.number", some):
            latest[owner].append(version)
    return [
        RegisteredModel(
            name=name,
            description=description,
            by=by,
            keeper=Keeper(keeper),
            created_ms=created_ms,
            updated_ms=updated_ms,
            tags=tags[row],
            aliases=aliases[row],
            latest=tuple(latest[row]),
        )
        for row, name, description, by, keeper, created_ms, updated_ms in rows
    ]


def version(read: Rows, project: str, name: str, number: int) -> RegisteredVersion:
    """One version.

    Raises:
        NotFound: there is no such version.
    """
    check_name(name)
    found = versions(read, "WHERE m.project = ? AND m.name = ? AND v.number = ?", (project, name, number))
    if not found:
        raise missing_version(name, number)
    return found[0]


def missing_version(name: str, number: int) -> NotFound:
    """What is said of a version that is not there."""
    return NotFound(f"Model Version (name={name[:500]}, version={number}) not found")


def versions(read: Rows, tail: str, args: Sequence[Any]) -> list[RegisteredVersion]:
    """Versions that a `WHERE … ORDER BY … LIMIT` over `model_versions v` and `models m` selects."""
    return [one for _, one in _versions(read, tail, args)]


def _versions(read: Rows, tail: str, args: Sequence[Any]) -> list[tuple[int, RegisteredVersion]]:
    rows = read(f"SELECT {VERSION} FROM {VERSIONS} {tail}", args)
    found = [(row[0], _version(row)) for row in rows]
    tags, aliases = defaultdict[Any, dict[str, str]](dict), defaultdict[Any, list[str]](list)
    for some in _parted([(owner, one.number) for owner, one in found]):
        marks = ", ".join(["(?, ?)"] * len(some))
        pairs = [part for pair in some for part in pair]
        place = f"(model, number) IN (VALUES {marks})"
        for owner, number, key, value in read(
            f"SELECT model, number, key, value FROM noria_version_tags WHERE {place} ORDER BY key", pairs
        ):
            tags[owner, number][key] = value
        for owner, number, alias in read(f"SELECT model, number, alias FROM noria_model_aliases WHERE {place} ORDER BY alias", pairs):
            aliases[owner, number].append(alias)
    return [(owner, replace(one, tags=tags[owner, one.number], aliases=tuple(aliases[owner, one.number]))) for owner, one in found]


def _version(row: Row) -> RegisteredVersion:
    _, name, number, description, by, stage, source, location, run, run_link, model_id, created_ms, updated_ms = row
    return RegisteredVersion(
        name=name,
        number=number,
        description=description,
        by=by,
        stage=Stage(stage),
        source=source,
        location=location,
        run=run,
        run_link=run_link,
        model_id=model_id,
        created_ms=created_ms,
        updated_ms=updated_ms,
    )


def _parted(whole: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for start in range(0, len(whole), _TOGETHER):
        yield whole[start : start + _TOGETHER]
