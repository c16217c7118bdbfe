"""Finds experiments: a page of those that satisfy a filter, in an order."""

from __future__ import annotations

from collections.abc import Sequence

from noria.core.errors import RequestInvalid
from noria.core.tracking import Experiment, Stage
from noria.ledger.searching.grammar import Clause, Order, parse_filter, parse_order
from noria.ledger.searching.pages import after_token, page_token, query_mark
from noria.ledger.searching.targets import EXPERIMENTS
from noria.ledger.tracking.clauses import Holds, compared, every
from noria.ledger.tracking.experiments import COLUMNS, with_tags
from noria.ledger.tracking.keys import Term, beyond, ordered
from noria.ports.sql import Dialect, Sql

_FIELDS = {"name": "name", "experiment_id": "id", "creation_time": "created_ms", "last_update_time": "updated_ms"}
_WIDTH = COLUMNS.count(",") + 1
_USUAL = (Order("attribute", "creation_time", False), Order("attribute", "experiment_id", True))


def find(
    sql: Sql,
    project: str,
    *,
    stages: frozenset[Stage] = frozenset({Stage.ACTIVE}),
    filter: str = "",
    order: Sequence[str] = (),
    limit: int = 1_000,
    after: str = "",
) -> tuple[list[Experiment], str]:
    """A page of a project's experiments, and the token of the next page ("" = that was all).

    The newest come first; where an order is given, the highest id does among equals.

    Raises:
        RequestInvalid: filter, order or token cannot be read.
    """
    orders = parse_order(order, EXPERIMENTS) or _USUAL
    terms = [Term(_FIELDS[each.key], each.ascending) for each in orders]
    if all(each.key != "experiment_id" for each in orders):
        terms.append(Term("id", False))
    where = every(
        Holds("project = ?", (project,)),
        Holds(f"state IN ({', '.join('?' * len(stages))})", tuple(sorted(stages))),
        *(_holds(clause, sql.dialect) for clause in parse_filter(filter, EXPERIMENTS)),
    )
    mark = query_mark("experiments", sorted(stages), filter, list(order))
    marks = after_token(after, mark, marks=len(terms))
    if marks is not None:
        where = every(where, beyond(terms, marks))
    select = f"SELECT {COLUMNS}, {', '.join(term.sql for term in terms)} FROM noria_experiments e"
    rows = sql.read(f"{select} WHERE {where.sql} ORDER BY {ordered(terms)} LIMIT ?", [*where.args, limit + 1])
    found = with_tags(sql, [row[:_WIDTH] for row in rows[:limit]])
    return found, page_token(mark, rows[limit - 1][_WIDTH:]) if len(rows) > limit else ""


def _holds(clause: Clause, dialect: Dialect) -> Holds:
    if clause.kind == "attribute":
        return _ids_compared(clause) if clause.key == "experiment_id" else compared(_FIELDS[clause.key], clause, dialect)
    tagged = "EXISTS (SELECT 1 FROM noria_experiment_tags x WHERE x.experiment = e.id AND x.key = ?"
    if clause.op in ("IS NULL", "IS NOT NULL"):
        return Holds(f"{'NOT ' if clause.op == 'IS NULL' else ''}{tagged})", (clause.key,))
    holds = compared("x.value", clause, dialect)
    return Holds(f"{tagged} AND {holds.sql})", (clause.key, *holds.args))


def _ids_compared(clause: Clause) -> Holds:
    """An experiment's id against one or several.

    Raises:
        RequestInvalid: one is no number.
    """
    texts = clause.value if isinstance(clause.value, tuple) else (str(clause.value),)
    op = {"=": "IN", "!=": "NOT IN"}.get(clause.op, clause.op)
    return Holds(f"e.id {op} ({', '.join('?' * len(texts))})", tuple(_number(text) for text in texts))


def _number(text: str) -> int:
    if not text.isascii() or not text.isdecimal() or len(text) > 18:
        raise RequestInvalid(f"Invalid experiment ID: {text[:100]!r}. Experiment ID must be a valid integer.")
    return int(text)
