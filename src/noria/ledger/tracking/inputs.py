"""What runs take in and give out: datasets with what they were for, and logged models."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from noria.core.errors import RequestInvalid
from noria.core.tracking import RunFlow, TrackedDataset, TrackedInput
from noria.ledger.tracking.rules import check_length
from noria.ports.sql import Sql, Tx

CONTEXT = "mlflow.data.context"
"""The tag of an input that says what it was for: training, evaluation, …"""

SUMMARIES = 1_000
_LIMITS = {"name": 500, "digest": 36, "source": 65_535, "form": 1_048_575, "profile": 16_777_215}
_SHOWN = {"form": "schema"}
_TAG_KEY, _TAG_VALUE = 255, 500
_FIELDS = "name, digest, source_type, source, form, profile"


def take_in(tx: Tx, row: int, inputs: Sequence[TrackedInput], models: Iterable[str] = ()) -> None:
    """Say what a run took in. A dataset that it has already keeps the tags that it had.

    Args:
        row: The run's number.
        models: Ids of logged models.

    Raises:
        RequestInvalid: a dataset's field is missing or too long.
    """
    for each in inputs:
        _check(each)
    ((experiment,),) = tx.run("SELECT experiment FROM noria_runs WHERE row = ?", (row,))
    for each in inputs:
        number = _dataset(tx, experiment, each.dataset)
        tags = json.dumps(dict(each.tags), ensure_ascii=False)
        tx.run(
            "INSERT INTO noria_inputs (run, dataset, context, tags) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
            (row, number, each.tags.get(CONTEXT, ""), tags),
        )
    for model in models:
        tx.run("INSERT INTO noria_run_models VALUES (?, 'in', ?, 0) ON CONFLICT DO NOTHING", (row, model))


def give_out(tx: Tx, row: int, models: Iterable[tuple[str, int]]) -> None:
    """Say which logged models a run made, each with its step."""
    for model, step in models:
        tx.run("INSERT INTO noria_run_models VALUES (?, 'out', ?, ?) ON CONFLICT DO NOTHING", (row, model, step))


def flows(sql: Sql, rows: Sequence[int]) -> dict[int, RunFlow]:
    """What went into runs and came out of them, by their number; runs with nothing are missing. Two queries for each 500."""
    datasets: dict[int, list[TrackedInput]] = {}
    models: dict[int, dict[str, list[tuple[str, int]]]] = {}
    for start in range(0, len(rows), 500):
        some = rows[start : start + 500]
        marks = f"({', '.join('?' * len(some))})"
        query = f"SELECT i.run, i.tags, {_FIELDS} FROM noria_inputs i JOIN noria_datasets s ON s.row = i.dataset WHERE i.run IN {marks}"
        for run, tags, *fields in sql.read(f"{query} ORDER BY i.run, i.dataset", some):
            datasets.setdefault(run, []).append(TrackedInput(dataset=_described(*fields), tags=json.loads(tags)))
        for run, way, model, step in sql.read(f"SELECT run, way, model, step FROM noria_run_models WHERE run IN {marks}", some):
            models.setdefault(run, {}).setdefault(way, []).append((model, step))
    return {
        run: RunFlow(
            datasets=tuple(datasets.get(run, ())),
            models_in=tuple(model for model, _ in models.get(run, {}).get("in", ())),
            models_out=tuple(models.get(run, {}).get("out", ())),
        )
        for run in {*datasets, *models}
    }


def summaries(sql: Sql, experiments: Sequence[int]) -> list[tuple[int, str, str, str]]:
    """(experiment, name, digest, context) of the datasets of some experiments' runs, each once, up to a thousand."""
    if not experiments:
        return []
    query = f"""SELECT DISTINCT s.experiment, s.name, s.digest, i.context FROM noria_datasets s JOIN noria_inputs i ON i.dataset = s.row
        WHERE s.experiment IN ({", ".join(map(str, experiments))}) ORDER BY s.experiment, s.name, s.digest, i.context LIMIT ?"""
    return [(experiment, name, digest, context) for experiment, name, digest, context in sql.read(query, (SUMMARIES,))]


def _dataset(tx: Tx, experiment: int, dataset: TrackedDataset) -> int:
    place = (experiment, dataset.name, dataset.digest)
    tx.run(
        f"INSERT INTO noria_datasets (experiment, {_FIELDS}) VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
        (*place, dataset.source_type, dataset.source, dataset.form, dataset.profile),
    )
    ((number,),) = tx.run("SELECT row FROM noria_datasets WHERE experiment = ? AND name = ? AND digest = ?", place)
    return int(number)


def _described(name: str, digest: str, source_type: str, source: str, form: str, profile: str) -> TrackedDataset:
    return TrackedDataset(name=name, digest=digest, source_type=source_type, source=source, form=form, profile=profile)


def _check(each: TrackedInput) -> None:
    for field in ("name", "digest", "source_type", "source"):
        if not getattr(each.dataset, field):
            raise RequestInvalid(f"Missing value for required parameter 'dataset.{field}'")
    for field, limit in _LIMITS.items():
        check_length(getattr(each.dataset, field), limit, _SHOWN.get(field, field))
    for key, value in each.tags.items():
        check_length(key, _TAG_KEY, "key")
        check_length(value, _TAG_VALUE, "value")
