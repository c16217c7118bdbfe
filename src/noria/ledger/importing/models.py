"""Registered models of another server, with their versions under the same numbers, stages and aliases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from noria.core.importing import ForeignModel, ForeignVersion
from noria.ledger.book import Ledger
from noria.ledger.models import aliases, models, reading, versions
from noria.ledger.models.sources import MODELS, RUNS, Source
from noria.ledger.models.values import Keeper, Who
from noria.ports.sql import Sql, Tx

_COPIES = 4
"""How long a chain of copies of copies is followed."""


def model(sql: Sql, ledger: Ledger, who: Who, found: ForeignModel, *, moved: Mapping[str, str]) -> str:
    """Write a model and those of its versions that are not here; why not, or "".

    Args:
        moved: Address of each run's and logged model's files there, to the one here.
    """

    def work(tx: Tx) -> str:
        theirs = Who(by=who.by, at_ms=found.created_ms or who.at_ms, project=who.project)
        models.insert(tx, theirs, found.name, description=found.description, tags=found.tags)
        place = reading.locked(tx, who.project, found.name)
        if place.keeper is not Keeper.CLIENTS:
            return f"the name is kept by the {place.keeper} of that name"
        for version in found.versions:
            _version(tx, who, place.row, version, moved)
        for alias, number in found.aliases.items():
            aliases.pointed(tx, ledger, who, place, alias, number, reason=who.reason)
        return ""

    return sql.write(work)


def _version(tx: Tx, who: Who, row: int, found: ForeignVersion, moved: Mapping[str, str]) -> None:
    if tx.run("SELECT 1 FROM noria_model_versions WHERE model = ? AND number = ?", (row, found.number)):
        return
    theirs = Who(by=found.person or who.by, at_ms=found.created_ms or who.at_ms, project=who.project)
    where = source(found, moved)
    versions.insert(tx, theirs, row, found.number, where, description=found.description, run_link=found.run_link, tags=found.tags)
    if found.stage:
        tx.run("UPDATE noria_model_versions SET stage = ? WHERE model = ? AND number = ?", (found.stage, row, found.number))


def source(found: ForeignVersion, moved: Mapping[str, str]) -> Source:
    """A version's source as it is here: where its run's or model's files moved to; elsewhere it stays what it was.

    Args:
        moved: Also knows `runs:/ID`, `models:/ID` and, of versions that others are copies of, `models:/NAME/3`.
    """
    there, rest = found.source.rstrip("/"), ""
    while there and there not in moved:
        there, _, last = there.rpartition("/")
        rest = f"/{last}{rest}"
    if not there:
        return Source(source=found.source, location=found.source, run=found.run, model_id=found.model_id)
    named = found.source if found.source.startswith((f"{RUNS}:", f"{MODELS}:")) else moved[there] + rest
    return Source(source=named, location=moved[there] + rest, run=found.run, model_id=found.model_id)


def placed(found: Sequence[ForeignModel], moved: dict[str, str]) -> None:
    """Let `moved` know where every version's files are, so that copies of versions find theirs."""
    for _ in range(_COPIES):
        for model in found:
            for version in model.versions:
                moved[f"{MODELS}:/{model.name}/{version.number}"] = source(version, moved).location
