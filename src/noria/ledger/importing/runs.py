"""Experiments, runs and logged models of another server, written here under their own ids."""

from __future__ import annotations

from collections.abc import Iterable

from noria.core.importing import ForeignExperiment, ForeignLoggedModel, ForeignRun
from noria.core.tracking import ModelStatus, Point, RunStatus, Stage
from noria.ledger.tracking import experiments, inputs, logged_models, points, runs
from noria.ports.sql import Sql, Tx


def experiment(sql: Sql, project: str, found: ForeignExperiment, *, now_ms: int) -> int:
    """The experiment of the same name here, made where there is none; its number."""
    rows = sql.read("SELECT id FROM noria_experiments WHERE project = ? AND name = ?", (project, found.name))
    if rows:
        return int(rows[0][0])

    def work(tx: Tx) -> int:
        id = experiments.create(tx, project, found.name, now_ms=found.created_ms or now_ms, tags=found.tags)
        if found.deleted:
            experiments.delete(tx, project, id, now_ms=now_ms)
        return id

    return sql.write(work)


def run(tx: Tx, project: str, number: int, found: ForeignRun, *, now_ms: int) -> int:
    """Write a run with its parameters, tags and datasets, whatever state it is in; its row."""
    status = RunStatus(found.status) if found.status in RunStatus.__members__ else RunStatus.FINISHED
    root = tx.run("SELECT artifacts FROM noria_experiments WHERE id = ?", (number,))[0][0]
    tx.run(
        """INSERT INTO noria_runs (id, experiment, name, person, status, state, start_ms, artifacts) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
        ON CONFLICT (id) DO NOTHING""",
        (found.id, number, found.name, found.person, status, Stage.ACTIVE, found.start_ms, f"{root}/{found.id}/artifacts"),
    )
    row = int(tx.run("SELECT row FROM noria_runs WHERE id = ?", (found.id,))[0][0])
    runs.log_params(tx, row, found.id, found.params.items())
    runs.set_tags(tx, row, list(found.tags.items()))
    inputs.take_in(tx, row, found.inputs)
    inputs.give_out(tx, row, found.made)
    state, deleted_ms = (Stage.DELETED, now_ms) if found.deleted else (Stage.ACTIVE, None)
    update = "UPDATE noria_runs SET status = ?, end_ms = ?, state = ?, deleted_ms = ? WHERE row = ?"
    tx.run(update, (status, found.end_ms, state, deleted_ms, row))
    return row


def some_points(sql: Sql, row: int, found: Iterable[list[Point]]) -> int:
    """Write points, a piece a transaction; how many were given."""
    given = 0
    for piece in found:
        if piece:
            sql.write(lambda tx, piece=piece: points.log(tx, row, piece), durable=False)  # type: ignore[misc]
            given += len(piece)
    return given


def logged_model(tx: Tx, project: str, number: int, found: ForeignLoggedModel) -> None:
    """Write a logged model where it is not there yet."""
    if tx.run("SELECT 1 FROM noria_logged_models WHERE id = ?", (found.id,)):
        return
    given = {"name": found.name, "type": found.type, "run": found.run}
    pairs = {"params": found.params.items(), "tags": found.tags.items()}
    logged_models.create(tx, project, number, now_ms=found.created_ms, id=found.id, **given, **pairs)  # type: ignore[arg-type]
    status = ModelStatus(found.status) if found.status in set(ModelStatus) else ModelStatus.READY
    logged_models.finish(tx, project, found.id, status, now_ms=found.created_ms)
