"""Finds logged models: a page of those that satisfy a filter, perhaps on some datasets, in an order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass

from noria.core.errors import RequestInvalid
from noria.core.tracking import LoggedModel, ModelStatus, Stage
from noria.ledger.searching.grammar import Clause, parse_filter
from noria.ledger.searching.pages import after_token, page_token, query_marks
from noria.ledger.searching.targets import LOGGED_MODELS
from noria.ledger.tracking.clauses import NOTHING, Holds, compared, every, number_compared
from noria.ledger.tracking.finding import numbers_of, places_of
from noria.ledger.tracking.keys import Term, beyond, ordered
from noria.ledger.tracking.logged_models import COLUMNS, filled
from noria.ports.sql import Dialect, Sql

_FIELDS = {
    "name": "m.name",
    "model_id": "m.id",
    "model_type": "m.type",
    "status": "m.status",
    "source_run_id": "m.run",
    "creation_timestamp": "m.created_ms",
    "creation_time": "m.created_ms",
    "last_updated_timestamp": "m.updated_ms",
    "last_updated_time": "m.updated_ms",
    "creation_timestamp_ms": "m.created_ms",
    "last_updated_timestamp_ms": "m.updated_ms",
}
_WIDTH = COLUMNS.count(",") + 1
_NEWEST = "ORDER BY p.at_ms DESC, p.step DESC, p.run LIMIT 1"


@dataclass(frozen=True, slots=True)
class OnDataset:
    """Where metrics were measured; an empty digest is any."""

    name: str
    digest: str = ""


@dataclass(frozen=True, slots=True)
class OrderBy:
    """One key of an order: an attribute, or a metric on a dataset or on any."""

    field: str
    ascending: bool = True
    dataset: str = ""
    digest: str = ""


def find(
    sql: Sql,
    project: str,
    experiments: Sequence[int],
    *,
    filter: str = "",
    datasets: Sequence[OnDataset] = (),
    order: Sequence[OrderBy] = (),
    limit: int = 100,
    after: str = "",
) -> tuple[list[LoggedModel], str]:
    """A page of models that are not deleted, and the token of the next page ("" = that was all).

    Args:
        datasets: Metrics of the filter count on these alone; without such a clause, any metric on one of them.

    Raises:
        RequestInvalid: filter, order or token cannot be read.
    """
    clauses = parse_filter(filter, LOGGED_MODELS)
    metrics = numbers_of(
        sql, {each.key for each in clauses if each.kind == "metric"} | {_metric(each) for each in order if "." in each.field}
    )
    terms, args = _terms(order, metrics)
    given = {"Experiment IDs": sorted(experiments), "Filter string": filter, "Order by": [astuple(each) for each in order]}
    mark = query_marks(given | {"Datasets": [astuple(each) for each in datasets]})
    marks = after_token(after, mark, marks=len(terms))
    places = places_of(sql, project, experiments)
    if not places:
        return [], ""
    where = every(
        Holds(f"m.experiment IN ({', '.join(map(str, places))})"),
        Holds("m.state = ?", (Stage.ACTIVE,)),
        *(_holds(clause, metrics, datasets, sql.dialect) for clause in clauses),
        NOTHING if any(clause.kind == "metric" for clause in clauses) or not datasets else _measured("", (), datasets),
    )
    named = [Term(f"w.t{n}", term.ascending) for n, term in enumerate(terms)]
    shown = ", ".join(f"{term.sql} AS t{n}" for n, term in enumerate(terms))
    behind = beyond(named, marks) if marks is not None else NOTHING
    inner = f"SELECT m.row AS n, {shown} FROM noria_logged_models m WHERE {where.sql}"
    select = f"SELECT {COLUMNS}, {', '.join(term.sql for term in named)} FROM ({inner}) w CROSS JOIN noria_logged_models m"
    place = every(Holds("m.row = w.n"), behind)
    rows = sql.read(f"{select} WHERE {place.sql} ORDER BY {ordered(named)} LIMIT ?", [*args, *where.args, *place.args, limit + 1])
    found = filled(sql, [row[:_WIDTH] for row in rows[:limit]])
    return found, page_token(mark, rows[limit - 1][_WIDTH:]) if len(rows) > limit else ""


def _terms(order: Sequence[OrderBy], metrics: dict[str, int]) -> tuple[list[Term], list[str]]:
    """What models are ordered by, and the arguments of it."""
    terms: list[Term] = []
    args: list[str] = []
    for each in order:
        if "." not in each.field:
            if each.field not in _FIELDS:
                raise RequestInvalid(f"Invalid order by field name: {each.field[:500]}")
            terms.append(Term(_FIELDS[each.field], each.ascending))
            continue
        number = metrics.get(_metric(each), -1)
        there = "".join(f" AND p.{column} = ?" for column in ("dataset", "digest") if getattr(each, column))
        given = [text for text in (each.dataset, each.digest) if text]
        newest = f"FROM noria_logged_model_points p WHERE p.model = m.row AND p.metric = {number}{there} {_NEWEST}"
        terms += [Term(f"COALESCE((SELECT p.nan {newest}), 2)"), Term(f"COALESCE((SELECT p.value {newest}), 0)", each.ascending)]
        args += [*given, *given]
    names = {term.sql for term in terms}
    usual = (Term("m.created_ms", False), Term("m.id"))
    return [*terms, *(term for term in usual if term.sql not in names)], args


def _metric(each: OrderBy) -> str:
    entity, _, key = each.field.partition(".")
    if entity != "metrics":
        raise RequestInvalid(f"Invalid order by field name: {each.field[:500]}. Only metrics are supported.")
    return key.strip("`")


def _holds(clause: Clause, metrics: dict[str, int], datasets: Sequence[OnDataset], dialect: Dialect) -> Holds:
    if clause.kind == "metric":
        holds = number_compared(clause, "p")
        return _measured(f"p.metric = {metrics.get(clause.key, -1)} AND {holds.sql}", holds.args, datasets)
    if clause.kind == "attribute":
        return compared(_FIELDS[clause.key], _with_status(clause) if clause.key == "status" else clause, dialect)
    holds = compared("x.value", clause, dialect)
    table = "noria_logged_model_params" if clause.kind == "parameter" else "noria_logged_model_tags"
    return Holds(f"EXISTS (SELECT 1 FROM {table} x WHERE x.model = m.row AND x.key = ? AND {holds.sql})", (clause.key, *holds.args))


def _measured(where: str, args: tuple[object, ...], datasets: Sequence[OnDataset]) -> Holds:
    """Whether the model has such a point, on one of the datasets if there are any."""
    there = " OR ".join("(p.dataset = ? AND p.digest = ?)" if each.digest else "p.dataset = ?" for each in datasets)
    tests = " AND ".join(["p.model = m.row", *([where] if where else []), *([f"({there})"] if there else [])])
    given = [text for each in datasets for text in (each.name, each.digest) if text]
    return Holds(f"EXISTS (SELECT 1 FROM noria_logged_model_points p WHERE {tests})", (*args, *given))


def _with_status(clause: Clause) -> Clause:
    """The clause with statuses as they are kept: READY is short for LOGGED_MODEL_READY."""
    short = {status.removeprefix("LOGGED_MODEL_"): str(status) for status in ModelStatus} | {"FAILED": str(ModelStatus.FAILED)}
    if isinstance(clause.value, tuple):
        return Clause(clause.kind, clause.key, clause.op, tuple(short.get(text, text) for text in clause.value))
    return Clause(clause.kind, clause.key, clause.op, short.get(str(clause.value), clause.value))
