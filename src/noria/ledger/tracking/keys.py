"""What rows are ordered by, as SQL: terms that are never null, and what lies beyond a row in their order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from noria.ledger.searching.grammar import Order
from noria.ledger.searching.pages import Mark
from noria.ledger.tracking.clauses import NOTHING, Holds

_TABLES = {"metric": "noria_latest", "parameter": "noria_params", "tag": "noria_tags"}
_COLUMNS = {
    "run_id": "r.id",
    "run_name": "r.name",
    "status": "r.status",
    "artifact_uri": "r.artifacts",
    "user_id": "r.person",
    "start_time": "r.start_ms",
}


@dataclass(frozen=True, slots=True)
class Term:
    """One expression that rows are ordered by; it is never null."""

    sql: str
    ascending: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """One key of an order.

    Attributes:
        order: What was asked for.
        terms: Its terms, for rows that may lack it: those come last, and NaN before them, whatever the direction.
        table, alias, where: The table that holds it, and which of its rows do; "" = it is a field of the run `r` itself.
    """

    order: Order
    terms: tuple[Term, ...]
    table: str = ""
    alias: str = ""
    where: Holds = NOTHING

    @property
    def join(self) -> Holds:
        """What brings its value to a run, if it has one."""
        if not self.table:
            return NOTHING
        return Holds(f"LEFT JOIN {self.table} {self.alias} ON {self.alias}.run = r.row AND {self.where.sql}", self.where.args)


def keys_of(orders: Sequence[Order], metrics: Mapping[str, int]) -> list[Key]:
    """Each key as SQL.

    Args:
        metrics: Name to number; a name that is missing was never logged.
    """
    return [_key(order, f"o{n}", metrics) for n, order in enumerate(orders)]


def beyond(terms: Sequence[Term], marks: Sequence[Mark]) -> Holds:
    """Whether a row lies beyond the one whose terms had these values."""
    sql = ""
    args: list[Mark] = []
    for term, mark in reversed(list(zip(terms, marks, strict=True))):
        further = f"{term.sql} {'>' if term.ascending else '<'} ?"
        sql, args = (f"({further} OR ({term.sql} = ? AND {sql}))", [mark, mark, *args]) if sql else (further, [mark])
    return Holds(sql, tuple(args))


def from_there(term: Term, mark: Mark) -> Holds:
    """Whether a row lies there or beyond by its first term alone: what an index can begin at."""
    return Holds(f"{term.sql} {'>=' if term.ascending else '<='} ?", (mark,))


def ordered(terms: Sequence[Term]) -> str:
    """The terms as ORDER BY says them."""
    return ", ".join(term.sql if term.ascending else f"{term.sql} DESC" for term in terms)


def _key(order: Order, alias: str, metrics: Mapping[str, int]) -> Key:
    up = order.ascending
    if order.kind == "attribute" and order.key == "end_time":
        return Key(order=order, terms=(Term("CASE WHEN r.end_ms IS NULL THEN 1 ELSE 0 END"), Term("COALESCE(r.end_ms, 0)", up)))
    if order.kind == "attribute":
        return Key(order=order, terms=(Term(_COLUMNS[order.key], up),))
    if order.kind == "metric":
        rank, value = f"CASE WHEN {alias}.run IS NULL THEN 2 ELSE {alias}.nan END", f"COALESCE({alias}.value, 0)"
        where = Holds(f"{alias}.metric = {metrics.get(order.key, -1)}")
    else:
        rank, value = f"CASE WHEN {alias}.run IS NULL THEN 1 ELSE 0 END", f"COALESCE({alias}.value, '')"
        where = Holds(f"{alias}.key = ?", (order.key,))
    return Key(order=order, terms=(Term(rank), Term(value, up)), table=_TABLES[order.kind], alias=alias, where=where)
