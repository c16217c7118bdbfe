"""Logged models: made by a run, measured on datasets, finished, tagged, deleted and restored."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from random import Random

from noria.core.errors import NotFound, RequestInvalid
from noria.core.tracking import LoggedModel, ModelPoint, ModelStatus, Point, Stage
from noria.ledger.tracking import experiments
from noria.ledger.tracking.names import run_name
from noria.ledger.tracking.points import LARGEST, number_of
from noria.ledger.tracking.rules import KEY_LIMIT, PARAM_LIMIT, TAG_LIMIT, check_key, check_length
from noria.ports.sql import Row, Sql, Tx

COLUMNS = "m.row, m.id, m.experiment, m.name, m.type, m.run, m.status, m.state, m.artifacts, m.created_ms, m.updated_ms"
SOURCE = "noria_logged_models m JOIN noria_experiments e ON e.id = m.experiment"
SHOWN_POINTS = 1_000
"""The newest points of a model that its record shows."""

_FORBIDDEN = ("/", ":", ".", "%", '"', "'")
_NAME_LIMIT = 500


def create(
    tx: Tx,
    project: str,
    experiment: int,
    *,
    now_ms: int,
    name: str | None = None,
    type: str = "",
    run: str = "",
    params: Iterable[tuple[str, str]] = (),
    tags: Iterable[tuple[str, str]] = (),
    id: str = "",
) -> str:
    """Make a model that waits for its files, and return its id.

    Args:
        name: None = one is made up.
        run: Id of the run that made it.
        id: Of a model that had one elsewhere.

    Raises:
        NotFound: there is no such experiment.
        RequestInvalid: a name, parameter or tag is not allowed, or the experiment is deleted.
    """
    experiments.active(tx, project, experiment)
    id = id or f"m-{uuid.uuid4().hex}"
    called = run_name(Random(id)) if name is None else _checked(name)
    root = tx.run("SELECT artifacts FROM noria_experiments WHERE id = ?", (experiment,))[0][0]
    insert = f"INSERT INTO noria_logged_models ({COLUMNS[7:].replace('m.', '')}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING row"
    place = f"{root}/models/{id}/artifacts"
    row = tx.run(insert, (id, experiment, called, type, run, ModelStatus.PENDING, Stage.ACTIVE, place, now_ms, now_ms))[0][0]
    log_params(tx, row, params)
    set_tags(tx, row, tags)
    return id


def get(sql: Sql, project: str, id: str, *, deleted: bool = False) -> LoggedModel:
    """One model.

    Args:
        deleted: Whether a deleted one is given too.

    Raises:
        NotFound: the project has none of that id.
    """
    rows = sql.read(f"SELECT {COLUMNS} FROM {SOURCE} WHERE m.id = ? AND e.project = ?", (id, project))
    if not rows or (rows[0][7] == Stage.DELETED and not deleted):
        raise _not_found(id)
    return filled(sql, rows)[0]


def filled(sql: Sql, rows: Sequence[Row]) -> list[LoggedModel]:
    """Rows of `COLUMNS` as models with their parameters, tags and points; three queries for each 500 of them."""
    params: dict[int, dict[str, str]] = {row[0]: {} for row in rows}
    tags: dict[int, dict[str, str]] = {row[0]: {} for row in rows}
    points: dict[int, list[ModelPoint]] = {row[0]: [] for row in rows}
    for start in range(0, len(rows), 500):
        some = [row[0] for row in rows[start : start + 500]]
        marks = f"({', '.join('?' * len(some))})"
        for held, table in ((params, "params"), (tags, "tags")):
            for model, key, value in sql.read(f"SELECT model, key, value FROM noria_logged_model_{table} WHERE model IN {marks}", some):
                held[model][key] = value
        newest = f"""SELECT p.*, row_number() OVER (PARTITION BY p.model ORDER BY p.at_ms DESC, p.step DESC, p.metric, p.dataset) AS age
            FROM noria_logged_model_points p WHERE p.model IN {marks}"""
        query = f"""SELECT w.model, n.name, w.value, w.nan, w.step, w.at_ms, COALESCE(r.id, ''), w.dataset, w.digest FROM ({newest}) w
            JOIN noria_metric_names n ON n.id = w.metric LEFT JOIN noria_runs r ON r.row = w.run
            WHERE w.age <= ? ORDER BY w.model, w.at_ms, w.step, n.name"""
        for model, key, value, nan, step, at_ms, run, dataset, digest in sql.read(query, [*some, SHOWN_POINTS]):
            points[model].append(ModelPoint(Point(key, float("nan") if nan else value, step, at_ms), run, dataset, digest))
    return [_model(row, params[row[0]], tags[row[0]], points[row[0]]) for row in rows]


def open_row(tx: Tx, project: str, id: str) -> int:
    """The number of a model that is not deleted, to write to.

    Raises:
        NotFound: the project has none of that id.
    """
    rows = tx.run(f"SELECT m.row FROM {SOURCE} WHERE m.id = ? AND e.project = ? AND m.state = ?", (id, project, Stage.ACTIVE))
    if not rows:
        raise _not_found(id)
    return int(rows[0][0])


def finish(tx: Tx, project: str, id: str, status: ModelStatus, *, now_ms: int) -> None:
    """Say how far a model is.

    Raises:
        NotFound: there is no such model.
    """
    row = open_row(tx, project, id)
    tx.run("UPDATE noria_logged_models SET status = ?, updated_ms = ? WHERE row = ?", (status, now_ms, row))


def delete(tx: Tx, project: str, id: str, *, now_ms: int) -> None:
    """Delete a model; `restore` brings it back.

    Raises:
        NotFound: there is no such model.
    """
    row = open_row(tx, project, id)
    update = "UPDATE noria_logged_models SET state = ?, deleted_ms = ?, updated_ms = ? WHERE row = ?"
    tx.run(update, (Stage.DELETED, now_ms, now_ms, row))


def restore(tx: Tx, project: str, id: str, *, now_ms: int) -> None:
    """Bring a deleted model back; one that is not deleted is left as it is.

    Raises:
        NotFound: there is no such model.
    """
    rows = tx.run(f"SELECT m.row FROM {SOURCE} WHERE m.id = ? AND e.project = ?", (id, project))
    if not rows:
        raise _not_found(id)
    update = "UPDATE noria_logged_models SET state = ?, deleted_ms = NULL, updated_ms = ? WHERE row = ?"
    tx.run(update, (Stage.ACTIVE, now_ms, rows[0][0]))


def log_params(tx: Tx, row: int, params: Iterable[tuple[str, str]]) -> None:
    """Log parameters; what is too long is cut.

    Raises:
        RequestInvalid: a key is not allowed.
    """
    upsert = "INSERT INTO noria_logged_model_params VALUES (?, ?, ?) ON CONFLICT (model, key) DO UPDATE SET value = excluded.value"
    for key, value in params:
        check_key(key, "key")
        tx.run(upsert, (row, key, value[:PARAM_LIMIT]))


def set_tags(tx: Tx, row: int, tags: Iterable[tuple[str, str]]) -> None:
    """Set tags, whatever they were.

    Raises:
        RequestInvalid: a key is not allowed.
    """
    upsert = "INSERT INTO noria_logged_model_tags VALUES (?, ?, ?) ON CONFLICT (model, key) DO UPDATE SET value = excluded.value"
    for key, value in tags:
        check_length(key, KEY_LIMIT, "key")
        tx.run(upsert, (row, key, value[:TAG_LIMIT]))


def delete_tag(tx: Tx, project: str, id: str, key: str) -> None:
    """Take a tag away.

    Raises:
        NotFound: there is no such model, or it has no such tag.
    """
    row = open_row(tx, project, id)
    if not tx.run("DELETE FROM noria_logged_model_tags WHERE model = ? AND key = ? RETURNING key", (row, key)):
        raise NotFound(f"No tag with key {key[:500]!r} found for model with ID {id[:500]!r}.")


def measure(tx: Tx, row: int, measured: Iterable[tuple[str, Point, str, str]]) -> None:
    """Keep points of a run for the models that they were measured on, too; points of models that are not there are passed over.

    Args:
        row: The run's number.
        measured: (model's id, point, dataset's name, dataset's digest); "" = on no dataset.
    """
    for id, point, dataset, digest in measured:
        found = tx.run("SELECT m.row FROM noria_logged_models m JOIN noria_runs r ON r.row = ? WHERE m.id = ?", (row, id))
        if not found:
            continue
        nan = point.value != point.value
        value = 0.0 if nan else min(max(point.value, -LARGEST), LARGEST)
        tx.run(
            """INSERT INTO noria_logged_model_points (model, metric, at_ms, step, run, value, nan, dataset, digest)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING""",
            (found[0][0], number_of(tx, point.key), point.at_ms, point.step, row, value, int(nan), dataset[:_NAME_LIMIT], digest[:36]),
        )


def _model(row: Row, params: dict[str, str], tags: dict[str, str], points: list[ModelPoint]) -> LoggedModel:
    number, id, experiment, name, type, run, status, state, artifacts, created_ms, updated_ms = row
    return LoggedModel(
        row=number,
        id=id,
        experiment=experiment,
        name=name,
        type=type,
        run=run,
        status=ModelStatus(status),
        state=Stage(state),
        artifacts=artifacts,
        created_ms=created_ms,
        updated_ms=updated_ms,
        params=params,
        tags=tags,
        points=tuple(points),
    )


def _checked(name: str) -> str:
    if not name or any(sign in name for sign in _FORBIDDEN):
        raise RequestInvalid(
            f"Invalid model name ({name[:500]!r}) provided. Model name must be a non-empty string and cannot contain the following "
            f"characters: {_FORBIDDEN}"
        )
    check_length(name, _NAME_LIMIT, "name")
    return name


def _not_found(id: str) -> NotFound:
    return NotFound(f"Logged model with ID '{id[:500]}' not found.")
