"""Runs: begun, ended, deleted and restored, with their parameters and tags."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from random import Random

from noria.core.errors import NotFound, RequestInvalid
from noria.core.tracking import Point, RunContents, RunStatus, Stage, TrackedRun
from noria.ledger.tracking import experiments
from noria.ledger.tracking.names import run_name
from noria.ledger.tracking.rules import KEY_LIMIT, PARAM_LIMIT, TAG_LIMIT, check_key, check_length, check_run_id
from noria.ports.sql import Row, Sql, Tx

RUN_NAME, USER = "mlflow.runName", "mlflow.user"
"""Tags that say what a run's own fields say too; they are kept alike."""

COLUMNS = "r.row, r.id, r.experiment, r.name, r.person, r.status, r.state, r.start_ms, r.end_ms, r.artifacts"
SOURCE = "noria_runs r JOIN noria_experiments e ON e.id = r.experiment"


def create(
    tx: Tx,
    project: str,
    experiment: int,
    *,
    start_ms: int,
    name: str = "",
    person: str = "",
    tags: Sequence[tuple[str, str]] = (),
    id: str = "",
    status: RunStatus = RunStatus.RUNNING,
) -> str:
    """Begin a run and return its id.

    Args:
        id: The client's own; a run of that id that is there already is left as it is.

    Raises:
        NotFound: there is no such experiment.
        RequestInvalid: a name or tag is not allowed, or the experiment is deleted.
    """
    experiments.active(tx, project, experiment)
    tagged = dict(tags)
    if name and tagged.get(RUN_NAME, name) != name:
        raise RequestInvalid(f"Both 'run_name' argument and '{RUN_NAME}' tag are specified, but with different values.")
    id = id or uuid.uuid4().hex
    check_run_id(id)
    name = name or tagged.get(RUN_NAME) or run_name(Random(id))
    tagged[RUN_NAME] = name
    root = tx.run("SELECT artifacts FROM noria_experiments WHERE id = ?", (experiment,))[0][0]
    made = tx.run(
        """INSERT INTO noria_runs (id, experiment, name, person, status, state, start_ms, artifacts) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
        ON CONFLICT (id) DO NOTHING RETURNING row""",
        (id, experiment, name, person or tagged.get(USER, ""), status, Stage.ACTIVE, start_ms, f"{root}/{id}/artifacts"),
    )
    if made:
        set_tags(tx, made[0][0], list(tagged.items()))
    return id


def get(sql: Sql, project: str, id: str) -> TrackedRun:
    """One run, deleted or not.

    Raises:
        NotFound: the project has none of that id.
    """
    rows = sql.read(f"SELECT {COLUMNS} FROM {SOURCE} WHERE r.id = ? AND e.project = ?", (id, project))
    if not rows:
        raise NotFound(f"Run with id={id[:300]} not found")
    return run_of(rows[0])


def run_of(row: Row) -> TrackedRun:
    """A row of `COLUMNS` as a run."""
    number, id, experiment, name, person, status, state, start_ms, end_ms, artifacts = row
    return TrackedRun(
        row=number,
        id=id,
        experiment=experiment,
        name=name,
        person=person,
        status=RunStatus(status),
        state=Stage(state),
        start_ms=start_ms,
        end_ms=end_ms,
        artifacts=artifacts,
    )


def contents(sql: Sql, rows: Sequence[int]) -> dict[int, RunContents]:
    """What the records of runs show, by their row; three queries for each 500 of them."""
    params: dict[int, dict[str, str]] = {row: {} for row in rows}
    tags: dict[int, dict[str, str]] = {row: {} for row in rows}
    metrics: dict[int, list[Point]] = {row: [] for row in rows}
    for start in range(0, len(rows), 500):
        some = rows[start : start + 500]
        marks = f"({', '.join('?' * len(some))})"
        for run, key, value in sql.read(f"SELECT run, key, value FROM noria_params WHERE run IN {marks}", some):
            params[run][key] = value
        for run, key, value in sql.read(f"SELECT run, key, value FROM noria_tags WHERE run IN {marks}", some):
            tags[run][key] = value
        query = f"""SELECT l.run, n.name, l.value, l.nan, l.step, l.at_ms FROM noria_latest l
            JOIN noria_metric_names n ON n.id = l.metric WHERE l.run IN {marks}"""
        for run, key, value, nan, step, at_ms in sql.read(query, some):
            metrics[run].append(Point(key, float("nan") if nan else value, step, at_ms))
    return {row: RunContents(params=params[row], tags=tags[row], metrics=tuple(metrics[row])) for row in rows}


def open_row(tx: Tx, project: str, id: str) -> int:
    """The row of an active run, to write to.

    Raises:
        NotFound: the project has no such run.
        RequestInvalid: it is deleted.
    """
    rows = tx.run(f"SELECT r.row, r.state FROM {SOURCE} WHERE r.id = ? AND e.project = ?", (id, project))
    if not rows:
        raise NotFound(f"Run with id={id[:300]} not found")
    row, state = rows[0]
    if state != Stage.ACTIVE:
        raise RequestInvalid(f"The run {id} must be in the 'active' state. Current state is {state}.", fix="restore it first")
    return int(row)


def update(
    tx: Tx, project: str, id: str, *, status: RunStatus | None = None, end_ms: int | None = None, name: str = "", only_open: bool = False
) -> None:
    """Say how far an active run is, or what it is called; what is left out stays.

    Args:
        only_open: Leave a run that has ended as it is.

    Raises:
        NotFound: there is no such run.
        RequestInvalid: it is deleted.
    """
    row = open_row(tx, project, id)
    if only_open and tx.run("SELECT 1 FROM noria_runs WHERE row = ? AND end_ms IS NOT NULL", (row,)):
        return
    if status is not None:
        tx.run("UPDATE noria_runs SET status = ? WHERE row = ?", (status, row))
    if end_ms is not None:
        tx.run("UPDATE noria_runs SET end_ms = ? WHERE row = ?", (end_ms, row))
    if name:
        set_tags(tx, row, [(RUN_NAME, name)])


def delete(tx: Tx, project: str, id: str, *, now_ms: int) -> None:
    """Delete a run; `restore` brings it back. A deleted one is left as it is: a client may ask again when an answer was lost.

    Raises:
        NotFound: there is no such run.
    """
    rows = tx.run(f"SELECT r.row FROM {SOURCE} WHERE r.id = ? AND e.project = ?", (id, project))
    if not rows:
        raise NotFound(f"Run with id={id[:300]} not found")
    stages = (Stage.DELETED, now_ms, rows[0][0], Stage.ACTIVE)
    tx.run("UPDATE noria_runs SET state = ?, deleted_ms = ? WHERE row = ? AND state = ?", stages)


def restore(tx: Tx, project: str, id: str) -> None:
    """Bring a deleted run back; an active one is left as it is.

    Raises:
        NotFound: there is no such run.
        RequestInvalid: its experiment is deleted.
    """
    rows = tx.run(f"SELECT r.row, r.experiment FROM {SOURCE} WHERE r.id = ? AND e.project = ?", (id, project))
    if not rows:
        raise NotFound(f"Run with id={id[:300]} not found")
    experiments.active(tx, project, rows[0][1])
    tx.run("UPDATE noria_runs SET state = ?, deleted_ms = NULL WHERE row = ?", (Stage.ACTIVE, rows[0][0]))


def log_params(tx: Tx, row: int, id: str, params: Iterable[tuple[str, str]], *, truncate: bool = True) -> None:
    """Log parameters; the same value again changes nothing.

    Args:
        truncate: Keep the beginning of what is too long, instead of refusing it.

    Raises:
        RequestInvalid: a key or value is not allowed, or a parameter has another value already.
    """
    for key, given in params:
        check_key(key, "key")
        if not truncate:
            check_length(given, PARAM_LIMIT, "value")
        value = given[:PARAM_LIMIT]
        if tx.run("INSERT INTO noria_params VALUES (?, ?, ?) ON CONFLICT DO NOTHING RETURNING run", (row, key, value)):
            continue
        ((old,),) = tx.run("SELECT value FROM noria_params WHERE run = ? AND key = ?", (row, key))
        if old != value:
            raise RequestInvalid(
                f"Changing param values is not allowed. Param with key='{key}' was already logged with value='{old[:500]}' "
                f"for run ID='{id}'. Attempted logging new value '{value[:500]}'."
            )


def set_tags(tx: Tx, row: int, tags: Sequence[tuple[str, str]], *, truncate: bool = True) -> None:
    """Set tags, whatever they were; the run's name follows its tag.

    Raises:
        RequestInvalid: a key or value is not allowed.
    """
    for key, given in tags:
        check_key(key, "key")
        if not truncate:
            check_length(given, TAG_LIMIT, "value")
        value = given[:TAG_LIMIT]
        tx.run("INSERT INTO noria_tags VALUES (?, ?, ?) ON CONFLICT (run, key) DO UPDATE SET value = excluded.value", (row, key, value))
        if key == RUN_NAME:
            tx.run("UPDATE noria_runs SET name = ? WHERE row = ?", (value[:KEY_LIMIT], row))
        elif key == USER:
            tx.run("UPDATE noria_runs SET person = ? WHERE row = ?", (value[:KEY_LIMIT], row))


def delete_tag(tx: Tx, row: int, id: str, key: str) -> None:
    """Take a tag away.

    Raises:
        NotFound: the run has no such tag.
    """
    if not tx.run("DELETE FROM noria_tags WHERE run = ? AND key = ? RETURNING key", (row, key)):
        raise NotFound(f"No tag with name: {key} in run with id {id}")


def of_contents(sql: Sql, run: TrackedRun) -> RunContents:
    """What one run's record shows."""
    found: Mapping[int, RunContents] = contents(sql, [run.row])
    return found[run.row]
