"""Evaluation datasets: examples with what is expected of them, under a name, for several experiments."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from noria.core.errors import NotFound, RequestInvalid
from noria.ledger.searching.grammar import parse_filter, parse_order
from noria.ledger.searching.pages import after_token, page_token, query_mark
from noria.ledger.searching.targets import EVALUATION_DATASETS
from noria.ledger.traces import rules
from noria.ledger.traces.filters import compared
from noria.ports.sql import Row, Sql, Tx

WHO = "mlflow.user"
"""The tag that says who made or changed a dataset or record."""

_COLUMNS = "d.id, d.name, d.digest, d.created_ms, d.updated_ms, d.created_by, d.updated_by, d.fields"
_ATTRIBUTES = {
    "name": "d.name",
    "created_by": "d.created_by",
    "last_updated_by": "d.updated_by",
    "created_time": "d.created_ms",
    "last_update_time": "d.updated_ms",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationDataset:
    """A dataset, without its records.

    Attributes:
        fields: Names of inputs, outputs and expectations to their types, as far as records had them; empty before the first.
    """

    id: str
    name: str
    digest: str
    created_ms: int
    updated_ms: int
    created_by: str
    updated_by: str
    fields: Mapping[str, Any]
    records: int = 0
    tags: Mapping[str, str] = field(default_factory=dict)
    experiments: Sequence[int] = ()


def create(tx: Tx, project: str, id: str, name: str, *, tags: Mapping[str, str], experiments: Sequence[int], now_ms: int) -> None:
    """Make a dataset; several may have one name.

    Raises:
        NotFound: there is no such experiment.
        RequestInvalid: the name or a tag is not allowed.
    """
    name = rules.clean(name)
    if not name.strip() or len(name) > 255:
        raise RequestInvalid(f"Invalid dataset name: {name[:300]!r}", fix="name it with 1 to 255 characters")
    who = tags.get(WHO, "")
    digest = digest_of(name, now_ms)
    tx.run(
        "INSERT INTO noria_evaluation_datasets VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (id, project, name, digest, now_ms, now_ms, who, who, ""),
    )
    set_tags(tx, project, id, tags)
    link(tx, project, id, experiments, now_ms=now_ms)


def get(sql: Sql, project: str, id: str) -> EvaluationDataset:
    """One dataset.

    Raises:
        NotFound: the project has no such dataset.
    """
    rows = sql.read(f"SELECT {_COLUMNS} FROM noria_evaluation_datasets d WHERE d.id = ? AND d.project = ?", (id, project))
    if not rows:
        raise NotFound(f"Evaluation dataset with id '{id[:200]}' not found")
    return _with_details(sql, rows)[0]


def delete(tx: Tx, project: str, id: str) -> None:
    """Delete a dataset with its records, if it is there."""
    if tx.run("DELETE FROM noria_evaluation_datasets WHERE id = ? AND project = ? RETURNING id", (id, project)):
        for table in ("noria_evaluation_tags", "noria_evaluation_experiments", "noria_evaluation_records"):
            tx.run(f"DELETE FROM {table} WHERE dataset = ?", (id,))


def search(
    sql: Sql,
    project: str,
    *,
    experiments: Sequence[int] = (),
    filter: str = "",
    order: Sequence[str] = (),
    limit: int = 1_000,
    token: str = "",
) -> tuple[list[EvaluationDataset], str]:
    """One page of datasets, the newest first, and the token of the next ("" = there is none).

    Args:
        experiments: Only datasets of one of these; empty = all.

    Raises:
        RequestInvalid: filter, order or token cannot be read.
    """
    parts: list[str] = ["d.project = ?"]
    args: list[Any] = [project]
    for clause in parse_filter(filter, EVALUATION_DATASETS):
        if clause.kind == "tag":
            sql_part, some = compared("x.value", clause, sql.dialect)
            sql_part = f"EXISTS (SELECT 1 FROM noria_evaluation_tags x WHERE x.dataset = d.id AND x.key = ? AND {sql_part})"
            some = (clause.key, *some)
        else:
            sql_part, some = compared(_ATTRIBUTES[clause.key], clause, sql.dialect)
        parts.append(sql_part)
        args += some
    if experiments:
        parts.append(f"d.id IN (SELECT e.dataset FROM noria_evaluation_experiments e WHERE e.experiment IN ({_marks(experiments)}))")
        args += experiments
    keys = [(_ATTRIBUTES[one.key], "ASC" if one.ascending else "DESC") for one in parse_order(order, EVALUATION_DATASETS)]
    keys += [key for key in (("d.created_ms", "DESC"), ("d.id", "ASC")) if all(key[0] != known for known, _ in keys)]
    mark = query_mark("evaluation datasets", project, list(experiments), filter, list(order))
    after = after_token(token, mark, marks=len(keys))
    if after is not None:
        alternatives = []
        for n, (key, direction) in enumerate(keys):
            same = [f"{before} = ?" for before, _ in keys[:n]]
            alternatives.append(" AND ".join([*same, f"{key} {'>' if direction == 'ASC' else '<'} ?"]))
            args += after[: n + 1]
        parts.append(f"(({') OR ('.join(alternatives)}))")
    shown, ordered = ", ".join(key for key, _ in keys), ", ".join(f"{key} {direction}" for key, direction in keys)
    query = f"SELECT {_COLUMNS}, {shown} FROM noria_evaluation_datasets d WHERE {' AND '.join(parts)} ORDER BY {ordered} LIMIT ?"
    rows = sql.read(query, [*args, limit + 1])
    page = rows[:limit]
    found = _with_details(sql, [row[: -len(keys)] for row in page])
    return found, page_token(mark, page[-1][-len(keys) :]) if len(rows) > limit else ""


def set_tags(tx: Tx, project: str, id: str, tags: Mapping[str, Any]) -> None:
    """Set tags, whatever they were; None leaves one as it is.

    Raises:
        NotFound: the project has no such dataset.
        RequestInvalid: a key is not allowed.
    """
    there(tx, project, id)
    put = "INSERT INTO noria_evaluation_tags VALUES (?, ?, ?) ON CONFLICT (dataset, key) DO UPDATE SET value = excluded.value"
    kept = rules.pairs({key: value for key, value in tags.items() if value is not None}, what="tag")
    tx.many(put, [(id, key, value) for key, value in kept.items()])


def delete_tag(tx: Tx, project: str, id: str, key: str) -> None:
    """Take a tag away, if it is there.

    Raises:
        NotFound: the project has no such dataset.
    """
    there(tx, project, id)
    tx.run("DELETE FROM noria_evaluation_tags WHERE dataset = ? AND key = ?", (id, key))


def link(tx: Tx, project: str, id: str, experiments: Sequence[int], *, now_ms: int) -> None:
    """Let a dataset be of these experiments too.

    Raises:
        NotFound: the project has no such dataset or experiment.
    """
    there(tx, project, id)
    for experiment in experiments:
        if not tx.run("SELECT 1 FROM noria_experiments WHERE id = ? AND project = ?", (experiment, project)):
            raise NotFound(f"No Experiment with id={experiment} exists")
        tx.run("INSERT INTO noria_evaluation_experiments VALUES (?, ?) ON CONFLICT DO NOTHING", (id, experiment))
    tx.run("UPDATE noria_evaluation_datasets SET updated_ms = ? WHERE id = ?", (now_ms, id))


def unlink(tx: Tx, project: str, id: str, experiments: Sequence[int], *, now_ms: int) -> None:
    """Let a dataset be of these experiments no more.

    Raises:
        NotFound: the project has no such dataset.
    """
    there(tx, project, id)
    tx.many("DELETE FROM noria_evaluation_experiments WHERE dataset = ? AND experiment = ?", [(id, one) for one in experiments])
    tx.run("UPDATE noria_evaluation_datasets SET updated_ms = ? WHERE id = ?", (now_ms, id))


def there(tx: Tx, project: str, id: str) -> None:
    """Refuse what is not there.

    Raises:
        NotFound: the project has no such dataset.
    """
    if not tx.run("SELECT 1 FROM noria_evaluation_datasets WHERE id = ? AND project = ?", (id, project)):
        raise NotFound(f"Evaluation dataset with id '{id[:200]}' not found")


def _with_details(sql: Sql, rows: Sequence[Row]) -> list[EvaluationDataset]:
    ids = [row[0] for row in rows]
    tags: dict[str, dict[str, str]] = {id: {} for id in ids}
    experiments: dict[str, list[int]] = {id: [] for id in ids}
    counts: dict[str, int] = {}
    for at in range(0, len(ids), 500):
        part = ids[at : at + 500]
        for dataset, key, value in sql.read(
            f"SELECT dataset, key, value FROM noria_evaluation_tags WHERE dataset IN ({_marks(part)})", part
        ):
            tags[dataset][key] = value
        query = f"SELECT dataset, experiment FROM noria_evaluation_experiments WHERE dataset IN ({_marks(part)}) ORDER BY experiment"
        for dataset, experiment in sql.read(query, part):
            experiments[dataset].append(experiment)
        counted = f"SELECT dataset, COUNT(*) FROM noria_evaluation_records WHERE dataset IN ({_marks(part)}) GROUP BY dataset"
        counts |= dict(sql.read(counted, part))
    return [
        EvaluationDataset(
            id=id,
            name=name,
            digest=digest,
            created_ms=made,
            updated_ms=changed,
            created_by=by,
            updated_by=lately,
            fields=orjson.loads(fields) if fields else {},
            records=counts.get(id, 0),
            tags=tags[id],
            experiments=experiments[id],
        )
        for id, name, digest, made, changed, by, lately, fields in rows
    ]


def _marks(values: Sequence[Any]) -> str:
    return ", ".join("?" * len(values))


def digest_of(name: str, now_ms: int) -> str:
    """What a dataset is called once its records have changed."""
    return hashlib.sha256(f"{name}:{now_ms}".encode()).hexdigest()[:8]
