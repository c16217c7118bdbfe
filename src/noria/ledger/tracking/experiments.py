"""Experiments: made, renamed, deleted and restored; each within its project."""

from __future__ import annotations

from collections.abc import Mapping

from noria.core.errors import AlreadyThere, NotFound, RequestInvalid
from noria.core.rights import DEFAULT_PROJECT
from noria.core.tracking import Experiment, Stage
from noria.ledger.tracking.rules import EXPERIMENT_TAG_LIMIT, check_experiment_name, check_key, check_length
from noria.ports.sql import Row, Sql, Tx

DEFAULT = "Default"
COLUMNS = "id, project, name, artifacts, state, created_ms, updated_ms"


def create(tx: Tx, project: str, name: str, *, now_ms: int, artifacts: str = "", tags: Mapping[str, str] | None = None) -> int:
    """Make an experiment and return its id.

    Args:
        artifacts: Where its files shall lie; "" = in this server's own store.

    Raises:
        AlreadyThere: the project has one of that name, maybe deleted.
        RequestInvalid: the name or a tag is not allowed.
    """
    check_experiment_name(name)
    found = tx.run("SELECT state FROM noria_experiments WHERE project = ? AND name = ?", (project, name))
    if found:
        deleted = " It is deleted: restore it, or delete it for good, to use the name." if found[0][0] == Stage.DELETED else ""
        raise AlreadyThere(f"Experiment '{name}' already exists.{deleted}")
    insert = f"INSERT INTO noria_experiments ({COLUMNS[4:]}) VALUES (?, ?, ?, ?, ?, ?) RETURNING id"
    id: int = tx.run(insert, (project, name, artifacts, Stage.ACTIVE, now_ms, now_ms))[0][0]
    if not artifacts:
        tx.run("UPDATE noria_experiments SET artifacts = ? WHERE id = ?", (f"mlflow-artifacts:/{id}", id))
    for key, value in (tags or {}).items():
        set_tag(tx, project, id, key, value)
    return id


def ensure_default(sql: Sql, project: str, *, now_ms: int) -> None:
    """Let a project have the experiment that runs fall under when none is named; of the default project it is number 0."""
    if sql.read("SELECT 1 FROM noria_experiments WHERE project = ? AND name = ?", (project, DEFAULT)):
        return

    def make(tx: Tx) -> None:
        if project != DEFAULT_PROJECT:
            if not tx.run("SELECT 1 FROM noria_experiments WHERE project = ? AND name = ?", (project, DEFAULT)):
                create(tx, project, DEFAULT, now_ms=now_ms)
            return
        insert = f"INSERT INTO noria_experiments ({COLUMNS}) VALUES (0, ?, ?, 'mlflow-artifacts:/0', ?, ?, ?) ON CONFLICT DO NOTHING"
        tx.run(insert, (project, DEFAULT, Stage.ACTIVE, now_ms, now_ms))

    sql.write(make)


def get(sql: Sql, project: str, id: int) -> Experiment:
    """One experiment, deleted or not.

    Raises:
        NotFound: the project has none of that number.
    """
    rows = sql.read(f"SELECT {COLUMNS} FROM noria_experiments WHERE id = ? AND project = ?", (id, project))
    if not rows:
        raise NotFound(f"No Experiment with id={id} exists")
    return with_tags(sql, rows)[0]


def by_name(sql: Sql, project: str, name: str) -> Experiment:
    """One experiment, deleted or not.

    Raises:
        NotFound: the project has none of that name.
    """
    rows = sql.read(f"SELECT {COLUMNS} FROM noria_experiments WHERE project = ? AND name = ?", (project, name))
    if not rows:
        raise NotFound(f"Could not find experiment with name '{name[:500]}'")
    return with_tags(sql, rows)[0]


def with_tags(sql: Sql, rows: list[Row]) -> list[Experiment]:
    """Rows of `COLUMNS` as experiments with their tags, in the rows' order."""
    marks = ", ".join("?" * len(rows))
    tags: dict[int, dict[str, str]] = {row[0]: {} for row in rows}
    if rows:
        query = f"SELECT experiment, key, value FROM noria_experiment_tags WHERE experiment IN ({marks})"
        for experiment, key, value in sql.read(query, [row[0] for row in rows]):
            tags[experiment][key] = value
    return [
        Experiment(
            id=id, project=project, name=name, artifacts=artifacts, state=Stage(state), created_ms=made, updated_ms=updated, tags=tags[id]
        )
        for id, project, name, artifacts, state, made, updated in rows
    ]


def rename(tx: Tx, project: str, id: int, name: str, *, now_ms: int) -> None:
    """Give an active experiment another name.

    Raises:
        AlreadyThere: the project has one of that name.
        NotFound: there is no such experiment.
        RequestInvalid: the name is not allowed, or the experiment is deleted.
    """
    check_experiment_name(name)
    active(tx, project, id)
    if tx.run("SELECT 1 FROM noria_experiments WHERE project = ? AND name = ? AND id <> ?", (project, name, id)):
        raise AlreadyThere(f"Experiment '{name}' already exists.")
    tx.run("UPDATE noria_experiments SET name = ?, updated_ms = ? WHERE id = ?", (name, now_ms, id))


def delete(tx: Tx, project: str, id: int, *, now_ms: int) -> None:
    """Delete an active experiment with its runs; `restore` brings all of them back.

    Raises:
        NotFound: there is no such active experiment.
    """
    if _state(tx, project, id) is not Stage.ACTIVE:
        raise NotFound(f"No Experiment with id={id} exists")
    tx.run("UPDATE noria_experiments SET state = ?, updated_ms = ? WHERE id = ?", (Stage.DELETED, now_ms, id))
    tx.run("UPDATE noria_runs SET state = ?, deleted_ms = ? WHERE experiment = ? AND state = ?", (Stage.DELETED, now_ms, id, Stage.ACTIVE))


def restore(tx: Tx, project: str, id: int, *, now_ms: int) -> None:
    """Bring a deleted experiment back, with its runs.

    Raises:
        NotFound: there is no such deleted experiment.
    """
    if _state(tx, project, id) is not Stage.DELETED:
        raise NotFound(f"No deleted Experiment with id={id} exists")
    tx.run("UPDATE noria_experiments SET state = ?, updated_ms = ? WHERE id = ?", (Stage.ACTIVE, now_ms, id))
    tx.run("UPDATE noria_runs SET state = ?, deleted_ms = NULL WHERE experiment = ?", (Stage.ACTIVE, id))


def set_tag(tx: Tx, project: str, id: int, key: str, value: str) -> None:
    """Set a tag, whatever it was.

    Raises:
        NotFound: there is no such experiment.
        RequestInvalid: key or value is not allowed, or the experiment is deleted.
    """
    check_key(key, "key")
    check_length(value, EXPERIMENT_TAG_LIMIT, "value")
    active(tx, project, id)
    upsert = "INSERT INTO noria_experiment_tags VALUES (?, ?, ?) ON CONFLICT (experiment, key) DO UPDATE SET value = excluded.value"
    tx.run(upsert, (id, key, value))


def delete_tag(tx: Tx, project: str, id: int, key: str) -> None:
    """Take a tag away.

    Raises:
        NotFound: there is no such experiment, or it has no such tag.
        RequestInvalid: the experiment is deleted.
    """
    active(tx, project, id)
    if not tx.run("DELETE FROM noria_experiment_tags WHERE experiment = ? AND key = ? RETURNING key", (id, key)):
        raise NotFound(f"No tag with name: {key} in experiment with id {id}")


def active(tx: Tx, project: str, id: int) -> None:
    """Refuse to change what is not there, or was deleted.

    Raises:
        NotFound: there is no such experiment.
        RequestInvalid: it is deleted.
    """
    state = _state(tx, project, id)
    if state is None:
        raise NotFound(f"No Experiment with id={id} exists")
    if state is not Stage.ACTIVE:
        raise RequestInvalid(f"The experiment {id} must be in the 'active' state. Current state is {state}.", fix="restore it first")


def _state(tx: Tx, project: str, id: int) -> Stage | None:
    rows = tx.run("SELECT state FROM noria_experiments WHERE id = ? AND project = ?", (id, project))
    return Stage(rows[0][0]) if rows else None
