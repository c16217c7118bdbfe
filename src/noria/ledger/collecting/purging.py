"""What was deleted long enough ago is deleted for good: runs with all that was logged to them, logged models, and experiments without either."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

from noria.core.moments import to_ms
from noria.ledger.artifacts import index
from noria.ledger.artifacts.paths import kept_here
from noria.ledger.collecting.telling import Told
from noria.ports.sql import Sql, Tx

OF_RUNS = (
    "noria_points",
    "noria_latest",
    "noria_params",
    "noria_tags",
    "noria_inputs",
    "noria_run_models",
    "noria_logged_model_points",
)
"""Tables whose column `run` is a run's row."""

OF_MODELS = ("noria_logged_model_params", "noria_logged_model_tags", "noria_logged_model_points")
"""Tables whose column `model` is a logged model's row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Purged:
    """How much was deleted for good.

    Attributes:
        kept_runs: Deleted runs that stay, because a registered version came from them.
    """

    runs: int = 0
    experiments: int = 0
    models: int = 0
    kept_runs: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Doomed:
    """What is going to be purged.

    Attributes:
        runs: Row, project and folder of artifacts (None = kept elsewhere) of each.
        models: The same of logged models.
        experiments: Their numbers.
        digests: What the artifacts of runs and models name.
    """

    before_ms: int
    runs: tuple[tuple[int, str, str | None], ...] = ()
    models: tuple[tuple[int, str, str | None], ...] = ()
    experiments: tuple[int, ...] = ()
    digests: frozenset[str] = frozenset()
    purged: Purged = field(default_factory=Purged)

    @property
    def folders(self) -> frozenset[tuple[str, str]]:
        """Project and folder of the artifacts of each run and model."""
        return frozenset((project, folder) for _, project, folder in (*self.runs, *self.models) if folder)


def to_purge(sql: Sql, before: datetime) -> Doomed:
    """What was deleted before a moment; not what registered versions came from."""
    before_ms = to_ms(before)
    found = sql.read(
        """SELECT r.row, r.id, e.project, r.artifacts FROM noria_runs r JOIN noria_experiments e ON e.id = r.experiment
        WHERE r.state = 'deleted' AND r.deleted_ms < ?""",
        (before_ms,),
    )
    logged = sql.read(
        """SELECT m.row, m.id, e.project, m.artifacts FROM noria_logged_models m JOIN noria_experiments e ON e.id = m.experiment
        WHERE (m.state = 'deleted' AND m.deleted_ms < ?) OR (e.state = 'deleted' AND e.updated_ms < ?)""",
        (before_ms, before_ms),
    )
    versions = sql.read("SELECT run, model_id, location FROM noria_model_versions") if found or logged else []
    named = {name for run, model, _ in versions for name in (run, model)}
    named |= {place for _, _, location in versions for place in _above(kept_here(location) or "")}
    runs = tuple(
        (row, project, kept_here(uri)) for row, id, project, uri in found if id not in named and (kept_here(uri) or id) not in named
    )
    models = tuple(
        (row, project, kept_here(uri)) for row, id, project, uri in logged if id not in named and (kept_here(uri) or id) not in named
    )
    rows, of_models = {row for row, _, _ in runs}, {row for row, _, _ in models}
    old = sql.read("SELECT id FROM noria_experiments WHERE state = 'deleted' AND updated_ms < ? AND id <> 0", (before_ms,))
    experiments = tuple(
        id
        for (id,) in old
        if rows.issuperset(row for (row,) in sql.read("SELECT row FROM noria_runs WHERE experiment = ?", (id,)))
        and of_models.issuperset(row for (row,) in sql.read("SELECT row FROM noria_logged_models WHERE experiment = ?", (id,)))
    )
    return Doomed(
        before_ms=before_ms,
        runs=runs,
        models=models,
        experiments=experiments,
        digests=frozenset(one.digest for _, project, folder in (*runs, *models) if folder for one in index.tree(sql, project, folder)),
        purged=Purged(runs=len(runs), experiments=len(experiments), models=len(models), kept_runs=len(found) - len(runs)),
    )


def purge(sql: Sql, doomed: Doomed, *, told: Told) -> None:
    """Delete it: each run in a transaction of its own, and only if it was not restored meanwhile."""
    for n, (row, project, folder) in enumerate(doomed.runs):
        told("purging deleted runs", n / len(doomed.runs))
        sql.write(partial(_purge_run, row=row, project=project, folder=folder, before_ms=doomed.before_ms), durable=False)
    for row, project, folder in doomed.models:
        sql.write(partial(_purge_model, row=row, project=project, folder=folder, before_ms=doomed.before_ms), durable=False)
    for id in doomed.experiments:
        sql.write(partial(_purge_experiment, id=id, before_ms=doomed.before_ms), durable=False)
    sql.flush()


def _purge_run(tx: Tx, *, row: int, project: str, folder: str | None, before_ms: int) -> None:
    if not tx.run("DELETE FROM noria_runs WHERE row = ? AND state = 'deleted' AND deleted_ms < ? RETURNING row", (row, before_ms)):
        return
    for table in OF_RUNS:
        tx.run(f"DELETE FROM {table} WHERE run = ?", (row,))
    if folder:
        index.delete(tx, project, folder)


def _purge_model(tx: Tx, *, row: int, project: str, folder: str | None, before_ms: int) -> None:
    gone = tx.run(
        """DELETE FROM noria_logged_models WHERE row = ? AND ((state = 'deleted' AND deleted_ms < ?)
        OR experiment IN (SELECT id FROM noria_experiments WHERE state = 'deleted' AND updated_ms < ?)) RETURNING row""",
        (row, before_ms, before_ms),
    )
    if not gone:
        return
    for table in OF_MODELS:
        tx.run(f"DELETE FROM {table} WHERE model = ?", (row,))
    if folder:
        index.delete(tx, project, folder)


def _purge_experiment(tx: Tx, *, id: int, before_ms: int) -> None:
    if tx.run("SELECT 1 FROM noria_runs WHERE experiment = ? LIMIT 1", (id,)):
        return
    if tx.run("SELECT 1 FROM noria_logged_models WHERE experiment = ? LIMIT 1", (id,)):
        return
    if tx.run("DELETE FROM noria_experiments WHERE id = ? AND state = 'deleted' AND updated_ms < ? RETURNING id", (id, before_ms)):
        tx.run("DELETE FROM noria_experiment_tags WHERE experiment = ?", (id,))
        tx.run("DELETE FROM noria_datasets WHERE experiment = ?", (id,))


def _above(path: str) -> list[str]:
    parts = path.split("/")
    return ["/".join(parts[:n]) for n in range(1, len(parts) + 1)] if path else []
