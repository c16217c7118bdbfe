"""Scorers: what judges traces, registered per experiment in versions; and how much of production they shall see.

A scorer is kept as the text that its client made of it. It is never run here: some are code.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import orjson

from noria.core.errors import NotFound, RequestInvalid
from noria.ledger.traces import rules
from noria.ledger.traces.filters import tests_of
from noria.ledger.tracking import experiments
from noria.ports.sql import Row, Sql, Tx

NAME_LIMIT = 256

_SHOWN = "s.id, s.experiment, s.name, v.version, v.body, v.created_ms"
_OF_PROJECT = "JOIN noria_experiments e ON e.id = s.experiment WHERE e.project = ?"
_NEWEST = "v.version = (SELECT MAX(n.version) FROM noria_scorer_versions n WHERE n.scorer = s.id)"


@dataclass(frozen=True, slots=True)
class ScorerVersion:
    """One version of a scorer; `body` is its client's JSON."""

    id: str
    experiment: int
    name: str
    version: int
    body: str
    created_ms: int


@dataclass(frozen=True, slots=True)
class Sampling:
    """Which share of an experiment's new traces a scorer shall judge, and which of them; None = all."""

    id: str
    scorer: str
    experiment: int
    share: float
    filter: str | None


def register(tx: Tx, project: str, experiment: int, name: str, body: str, *, new_id: str, now_ms: int) -> ScorerVersion:
    """Make the next version of a scorer, or its first.

    Args:
        new_id: The scorer's id if it is new.

    Raises:
        NotFound: there is no such experiment.
        RequestInvalid: the experiment is deleted, the name is not allowed, or the body is not JSON.
    """
    experiments.active(tx, project, experiment)
    name = rules.clean(name)
    if not name.strip() or len(name) > NAME_LIMIT:
        raise RequestInvalid(f"Invalid scorer name: {name[:300]!r}", fix=f"name it with 1 to {NAME_LIMIT} characters")
    try:
        orjson.loads(body)
    except orjson.JSONDecodeError:
        raise RequestInvalid("serialized_scorer must be valid JSON") from None
    insert = "INSERT INTO noria_scorers (id, experiment, name) VALUES (?, ?, ?) ON CONFLICT (experiment, name) DO NOTHING"
    tx.run(insert, (new_id, experiment, name))
    (id,) = tx.run("SELECT id FROM noria_scorers WHERE experiment = ? AND name = ?", (experiment, name))[0]
    (last,) = tx.run("SELECT COALESCE(MAX(version), 0) FROM noria_scorer_versions WHERE scorer = ?", (id,))[0]
    made = ScorerVersion(id, experiment, name, last + 1, rules.clean(body), now_ms)
    tx.run("INSERT INTO noria_scorer_versions VALUES (?, ?, ?, ?)", (id, made.version, made.body, now_ms))
    return made


def listed(sql: Sql, project: str, wanted: Sequence[int] | None = None) -> list[ScorerVersion]:
    """The newest version of each scorer of these experiments (None = of all that are not deleted), by name."""
    within = "e.state = 'active'" if wanted is None else f"s.experiment IN ({', '.join('?' * len(wanted))})"
    if wanted is not None and not wanted:
        return []
    query = f"""SELECT {_SHOWN} FROM noria_scorers s JOIN noria_scorer_versions v ON v.scorer = s.id AND {_NEWEST}
        {_OF_PROJECT} AND {within} ORDER BY s.experiment, s.name"""
    return [ScorerVersion(*row) for row in sql.read(query, (project, *(wanted or ())))]


def versions(sql: Sql, project: str, experiment: int, name: str) -> list[ScorerVersion]:
    """All versions of a scorer, the oldest first.

    Raises:
        NotFound: there is no such scorer.
    """
    query = f"""SELECT {_SHOWN} FROM noria_scorers s JOIN noria_scorer_versions v ON v.scorer = s.id {_OF_PROJECT}
        AND s.experiment = ? AND s.name = ? ORDER BY v.version"""
    rows: list[Row] = sql.read(query, (project, experiment, name))
    if not rows:
        raise _no(name, experiment)
    return [ScorerVersion(*row) for row in rows]


def get(sql: Sql, project: str, experiment: int, name: str, version: int | None = None) -> ScorerVersion:
    """One version of a scorer; None = the newest.

    Raises:
        NotFound: there is no such scorer or version.
    """
    found = versions(sql, project, experiment, name)
    if version is None:
        return found[-1]
    for one in found:
        if one.version == version:
            return one
    raise _no(name, experiment, version)


def delete(tx: Tx, project: str, experiment: int, name: str, version: int | None = None) -> None:
    """Delete a version of a scorer; None = the scorer with all of them.

    Raises:
        NotFound: there is no such scorer or version.
    """
    id = _id(tx, project, experiment, name)
    if version is not None:
        gone = tx.run("DELETE FROM noria_scorer_versions WHERE scorer = ? AND version = ? RETURNING version", (id, version))
        if not gone:
            raise _no(name, experiment, version)
    else:
        tx.run("DELETE FROM noria_scorer_versions WHERE scorer = ?", (id,))
    if not tx.run("SELECT 1 FROM noria_scorer_versions WHERE scorer = ?", (id,)):
        tx.run("DELETE FROM noria_scorer_sampling WHERE scorer = ?", (id,))
        tx.run("DELETE FROM noria_scorers WHERE id = ?", (id,))


def sample(sql: Sql, project: str, experiment: int, name: str, share: float, filter: str | None, *, new_id: str) -> Sampling:
    """Say which share of new traces a scorer shall judge.

    Raises:
        NotFound: there is no such scorer.
        RequestInvalid: the share is not between 0 and 1, or the filter cannot be read.
    """
    if not 0 <= share <= 1:
        raise RequestInvalid(f"sample_rate must be between 0.0 and 1.0, got {share}")
    if filter:
        tests_of(filter, sql.dialect)

    def work(tx: Tx) -> Sampling:
        id = _id(tx, project, experiment, name)
        tx.run("DELETE FROM noria_scorer_sampling WHERE scorer = ?", (id,))
        tx.run("INSERT INTO noria_scorer_sampling VALUES (?, ?, ?, ?)", (new_id, id, share, filter))
        return Sampling(new_id, id, experiment, share, filter)

    return sql.write(work)


def samplings(sql: Sql, project: str, scorers: Sequence[str]) -> list[Sampling]:
    """What was said of these scorers' shares."""
    if not scorers:
        return []
    query = f"""SELECT c.id, c.scorer, s.experiment, c.share, c.filter FROM noria_scorer_sampling c
        JOIN noria_scorers s ON s.id = c.scorer {_OF_PROJECT} AND c.scorer IN ({", ".join("?" * len(scorers))}) ORDER BY c.id"""
    return [Sampling(*row) for row in sql.read(query, (project, *scorers))]


def _id(tx: Tx, project: str, experiment: int, name: str) -> str:
    rows = tx.run(f"SELECT s.id FROM noria_scorers s {_OF_PROJECT} AND s.experiment = ? AND s.name = ?", (project, experiment, name))
    if not rows:
        raise _no(name, experiment)
    id: str = rows[0][0]
    return id


def _no(name: str, experiment: int, version: int | None = None) -> NotFound:
    which = "" if version is None else f" and version {version}"
    return NotFound(f"Scorer with name '{name[:200]}'{which} not found for experiment {experiment}.")
