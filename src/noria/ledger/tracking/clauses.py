"""What a clause of a filter means for a run, as SQL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from noria.ledger.searching.grammar import Clause
from noria.ledger.tracking.points import LARGEST
from noria.ports.sql import Dialect

RUN_NAME = "mlflow.runName"
_COLUMNS = {
    "run_id": "r.id",
    "status": "r.status",
    "artifact_uri": "r.artifacts",
    "user_id": "r.person",
    "start_time": "r.start_ms",
    "end_time": "r.end_ms",
}
_SIGNS = {"!=": "<>"}


@dataclass(frozen=True, slots=True)
class Holds:
    """A piece of SQL that is true or false, with its arguments."""

    sql: str
    args: tuple[Any, ...] = ()


NOTHING = Holds("")


def every(*parts: Holds) -> Holds:
    """All of them; an empty one is left out."""
    given = [part for part in parts if part.sql]
    return Holds(" AND ".join(part.sql for part in given), tuple(arg for part in given for arg in part.args))


@dataclass(frozen=True, slots=True, kw_only=True)
class Test:
    """One clause.

    Attributes:
        clause: As it was read.
        holds: Whether the run `r` satisfies it.
        runs: A SELECT of the numbers of all runs that do, some perhaps twice; None = no index leads there.
        scans: Whether that reads all that is kept under its key.
    """

    clause: Clause
    holds: Holds
    runs: Holds | None = None
    scans: bool = False


def tests_of(clauses: Sequence[Clause], metrics: Mapping[str, int], dialect: Dialect) -> list[Test]:
    """Each clause as SQL.

    Args:
        metrics: Name to number; a name that is missing was never logged.
    """
    return [_test(clause, metrics, dialect) for clause in clauses]


def compared(column: str, clause: Clause, dialect: Dialect) -> Holds:
    """A column against a clause's value."""
    op, value = clause.op, clause.value
    if isinstance(value, tuple):
        return Holds(f"{column} {op} ({', '.join('?' * len(value))})", value)
    if op in ("LIKE", "ILIKE"):
        sql, pattern = dialect.like(column, str(value), case=op == "LIKE")
        return Holds(sql, (pattern,))
    if op == "RLIKE":
        return Holds(dialect.matches(column), (value,))
    return Holds(f"{column} {_SIGNS.get(op, op)} ?", (value,))


def number_compared(clause: Clause, alias: str) -> Holds:
    """A metric's value against a number: a NaN is unequal to all of them, and nothing else."""
    assert isinstance(clause.value, int | float)
    value = min(max(float(clause.value), -LARGEST), LARGEST)
    if clause.op == "!=":
        return Holds(f"({alias}.nan = 1 OR {alias}.value <> ?)", (value,))
    return Holds(f"{alias}.nan = 0 AND {alias}.value {clause.op} ?", (value,))


def text_compared(clause: Clause, column: str, dialect: Dialect) -> Holds:
    """A parameter's or tag's value against a text, so that the index of values is of use."""
    if clause.op == "=":
        sql, args = dialect.equal(column, str(clause.value))
        return Holds(sql, tuple(args))
    return compared(column, clause, dialect)


def within(clause: Clause, alias: str, dialect: Dialect) -> Holds:
    """A clause on the key that rows `alias` of a table hold, as a test of those rows themselves."""
    if clause.kind == "metric":
        return number_compared(clause, alias)
    return NOTHING if clause.op == "IS NOT NULL" else text_compared(clause, f"{alias}.value", dialect)


def _test(clause: Clause, metrics: Mapping[str, int], dialect: Dialect) -> Test:
    if clause.kind == "metric":
        holds = number_compared(clause, "x")
        return _among(clause, "noria_latest x", f"x.metric = {metrics.get(clause.key, -1)} AND {holds.sql}", holds.args)
    if clause.kind in ("parameter", "tag"):
        return _text_test("noria_params" if clause.kind == "parameter" else "noria_tags", clause, dialect)
    if clause.kind == "dataset":
        return _dataset_test(clause, dialect)
    if clause.key == "run_name":
        return _text_test("noria_tags", Clause("tag", RUN_NAME, clause.op, clause.value), dialect)
    return Test(clause=clause, holds=compared(_COLUMNS[clause.key], clause, dialect))


def _text_test(table: str, clause: Clause, dialect: Dialect) -> Test:
    if clause.op == "IS NULL":
        missing = f"NOT EXISTS (SELECT 1 FROM {table} x WHERE x.run = r.row AND x.key = ?)"
        return Test(clause=clause, holds=Holds(missing, (clause.key,)))
    if clause.op == "IS NOT NULL":
        return _among(clause, f"{table} x", "x.key = ?", (clause.key,))
    holds = text_compared(clause, "x.value", dialect)
    return _among(clause, f"{table} x", f"x.key = ? AND {holds.sql}", (clause.key, *holds.args))


def _dataset_test(clause: Clause, dialect: Dialect) -> Test:
    if clause.key == "context":
        holds = compared("x.context", clause, dialect)
        return _among(clause, "noria_inputs x", f"x.context <> '' AND {holds.sql}", holds.args, index=False)
    holds = compared(f"s.{clause.key}", clause, dialect)
    return _among(clause, "noria_datasets s CROSS JOIN noria_inputs x", f"x.dataset = s.row AND {holds.sql}", holds.args)


def _among(clause: Clause, source: str, where: str, args: tuple[Any, ...], *, index: bool = True) -> Test:
    """A test whether a run is among those of the rows `x` of a table."""
    return Test(
        clause=clause,
        holds=Holds(f"EXISTS (SELECT 1 FROM {source} WHERE x.run = r.row AND {where})", args),
        runs=Holds(f"SELECT x.run FROM {source} WHERE {where}", args) if index else None,
        scans=clause.op in ("LIKE", "ILIKE", "RLIKE", "!=", "NOT IN", "IS NOT NULL"),
    )
