"""What was deleted long enough ago is deleted for good: runs and logged models with all that belongs to them, and experiments
that have neither any more.
"""

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
        kept: Deleted runs and logged models that stay, because a registered version came from them.
    """

    runs: int = 0
    models: int = 0
    experiments: int = 0
    kept: int = 0


@dataclass(frozen=True, slots=True)
class Thing:
    """A run or a logged model; `folder` is that of its artifacts (None = kept elsewhere)."""

    row: int
    project: str
    folder: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Doomed:
    """What is going to be purged.

    Attributes:
        experiments: Their numbers.
        digests: What the artifacts name.
    """

    before_ms: int
    runs: tuple[Thing, ...] = ()
    models: tuple[Thing, ...] = ()
    experiments: tuple[int, ...] = ()
    digests: frozenset[str] = frozenset()
    purged: Purged = field(default_factory=Purged)

    @property
    def folders(self) -> frozenset[tuple[str, str]]:
        """Project and folder of the artifacts."""
        return frozenset((one.project, one.folder) for one in (*self.runs, *self.models) if one.folder)


def to_purge(sql: Sql, before: datetime) -> Doomed:
    """What was deleted before a moment; not what registered versions came from."""
    before_ms = to_ms(before)
    named = _registered(sql)
    runs, kept_runs = _deleted(sql, "noria_runs", before_ms, named)
    models, kept_models = _deleted(sql, "noria_logged_models", before_ms, named)
    old = sql.read("SELECT id FROM noria_experiments WHERE state = 'deleted' AND updated_ms < ? AND id <> 0", (before_ms,))
    left = [(runs, "noria_runs"), (models, "noria_logged_models")]
    experiments = tuple(id for (id,) in old if all(_emptied(sql, id, table, {one.row for one in gone}) for gone, table in left))
    return Doomed(
        before_ms=before_ms,
        runs=runs,
        models=models,
        experiments=experiments,
        digests=frozenset(file.digest for one in (*runs, *models) if one.folder for file in index.tree(sql, one.project, one.folder)),
        purged=Purged(runs=len(runs), models=len(models), experiments=len(experiments), kept=kept_runs + kept_models),
    )


def purge(sql: Sql, doomed: Doomed, *, told: Told) -> None:
    """Delete it: each thing in a transaction of its own, and only if it was not restored meanwhile."""
    for things, table, its in ((doomed.runs, "noria_runs", OF_RUNS), (doomed.models, "noria_logged_models", OF_MODELS)):
        for n, one in enumerate(things):
            told("purging what was deleted", n / len(things))
            sql.write(partial(_purge, one=one, table=table, its=its, before_ms=doomed.before_ms), durable=False)
    for id in doomed.experiments:
        sql.write(partial(_purge_experiment, id=id, before_ms=doomed.before_ms), durable=False)
    sql.flush()


def _registered(sql: Sql) -> set[str]:
    """Ids of runs and models that registered versions came from, and every folder on the way to their files."""
    named: set[str] = set()
    for run, model, location in sql.read("SELECT run, model_id, location FROM noria_model_versions"):
        named.update((run, model, *_above(kept_here(location) or "")))
    return named - {""}


def _deleted(sql: Sql, table: str, before_ms: int, named: set[str]) -> tuple[tuple[Thing, ...], int]:
    """What of a table may go, and how much may not; what is in a deleted experiment is deleted with it."""
    found = sql.read(
        f"""SELECT t.row, t.id, e.project, t.artifacts FROM {table} t JOIN noria_experiments e ON e.id = t.experiment
        WHERE (t.state = 'deleted' AND t.deleted_ms < ?) OR (e.state = 'deleted' AND e.updated_ms < ?)""",
        (before_ms, before_ms),
    )
    gone = tuple(Thing(row, project, kept_here(uri)) for row, id, project, uri in found if not {id, kept_here(uri)} & named)
    return gone, len(found) - len(gone)


def _emptied(sql: Sql, experiment: int, table: str, gone: set[int]) -> bool:
    return all(row in gone for (row,) in sql.read(f"SELECT row FROM {table} WHERE experiment = ?", (experiment,)))


def _purge(tx: Tx, *, one: Thing, table: str, its: tuple[str, ...], before_ms: int) -> None:
    gone = tx.run(
        f"""DELETE FROM {table} WHERE row = ? AND ((state = 'deleted' AND deleted_ms < ?)
        OR experiment IN (SELECT id FROM noria_experiments WHERE state = 'deleted' AND updated_ms < ?)) RETURNING row""",
        (one.row, before_ms, before_ms),
    )
    if not gone:
        return
    for kind in its:
        tx.run(f"DELETE FROM {kind} WHERE {'run' if its is OF_RUNS else 'model'} = ?", (one.row,))
    if one.folder:
        index.delete(tx, one.project, one.folder)


def _purge_experiment(tx: Tx, *, id: int, before_ms: int) -> None:
    for table in ("noria_runs", "noria_logged_models"):
        if tx.run(f"SELECT 1 FROM {table} WHERE experiment = ? LIMIT 1", (id,)):
            return
    if tx.run("DELETE FROM noria_experiments WHERE id = ? AND state = 'deleted' AND updated_ms < ? RETURNING id", (id, before_ms)):
        for table in ("noria_experiment_tags", "noria_datasets"):
            tx.run(f"DELETE FROM {table} WHERE experiment = ?", (id,))


def _above(path: str) -> list[str]:
    parts = path.split("/")
    return ["/".join(parts[:n]) for n in range(1, len(parts) + 1)] if path else []
