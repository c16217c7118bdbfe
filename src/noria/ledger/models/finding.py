"""Searches registered models and versions: MLflow's filters and orders as SQL, page by page. Prompts are found only when asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from noria.ledger.models import reading
from noria.ledger.models.values import IS_PROMPT, RegisteredModel, RegisteredVersion
from noria.ledger.searching.grammar import Clause, Order, parse_filter, parse_order
from noria.ledger.searching.pages import after_token, page_size, page_token, query_mark
from noria.ledger.searching.targets import MODEL_VERSIONS, REGISTERED_MODELS
from noria.ports.sql import Dialect, Sql

MODELS_USUAL, MODELS_MOST = 100, 1_000
VERSIONS_USUAL, VERSIONS_MOST = 10_000, 200_000

_MODEL_COLUMNS = {"name": "m.name", "creation_timestamp": "m.created_ms", "last_updated_timestamp": "m.updated_ms"}
_VERSION_COLUMNS = {
    "name": "m.name",
    "run_id": "v.run",
    "source_path": "v.source",
    "version_number": "v.number",
    "creation_timestamp": "v.created_ms",
    "last_updated_timestamp": "v.updated_ms",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """What is searched for; `size` None = the usual number of rows."""

    filter: str = ""
    order: tuple[str, ...] = ()
    size: int | None = None
    token: str = ""


def find_models(sql: Sql, project: str, search: Search) -> tuple[list[RegisteredModel], str]:
    """One page of models, and the token of the next ("" = it was the last).

    Raises:
        RequestInvalid: filter, order, size or token cannot be taken.
    """
    clauses, wants_prompts = _parted(parse_filter(search.filter, REGISTERED_MODELS))
    order = _ordered(parse_order(search.order, REGISTERED_MODELS), Order("attribute", "name"))
    tests, args = [], [project, int(wants_prompts)]
    for clause in clauses:
        tag = "m.row IN (SELECT t.model FROM noria_model_tags t WHERE t.key = ? AND {test})"
        test, more = _test(clause, _MODEL_COLUMNS, tag, sql.dialect)
        tests.append(test)
        args += more
    size = page_size(search.size, usual=MODELS_USUAL, most=MODELS_MOST)
    page = _Page(order, _MODEL_COLUMNS, query_mark(project, "models", search.filter, search.order), search.token)
    tail, args = page.tail(["m.project = ?", "m.prompt = ?", *tests], args, size)
    found = reading.models(sql.read, tail, args)
    return page.cut(found, size, _model_mark)


def find_versions(sql: Sql, project: str, search: Search) -> tuple[list[RegisteredVersion], str]:
    """One page of versions, and the token of the next ("" = it was the last).

    Raises:
        RequestInvalid: filter, order, size or token cannot be taken.
    """
    clauses, wants_prompts = _parted(parse_filter(search.filter, MODEL_VERSIONS))
    usual = () if search.order else (Order("attribute", "last_updated_timestamp", ascending=False),)
    ties = (Order("attribute", "name"), Order("attribute", "version_number", ascending=False))
    order = _ordered((*parse_order(search.order, MODEL_VERSIONS), *usual), *ties)
    tests, args = [], [project, int(wants_prompts)]
    for clause in clauses:
        tag = "EXISTS (SELECT 1 FROM noria_version_tags t WHERE t.model = v.model AND t.number = v.number AND t.key = ? AND {test})"
        test, more = _test(clause, _VERSION_COLUMNS, tag, sql.dialect)
        tests.append(test)
        args += more
    size = page_size(search.size, usual=VERSIONS_USUAL, most=VERSIONS_MOST)
    page = _Page(order, _VERSION_COLUMNS, query_mark(project, "versions", search.filter, search.order), search.token)
    tail, args = page.tail(["m.project = ?", "m.prompt = ?", *tests], args, size)
    found = reading.versions(sql.read, tail, args)
    return page.cut(found, size, _version_mark)


class _Page:
    """Where a page begins, and how rows are ordered."""

    def __init__(self, order: Sequence[Order], columns: dict[str, str], query: str, token: str) -> None:
        self._order = [(columns[one.key], one.key, one.ascending) for one in order]
        self._query = query
        self._after = after_token(token, query, marks=len(self._order))

    def tail(self, tests: list[str], args: list[Any], size: int) -> tuple[str, list[Any]]:
        """WHERE, ORDER BY and LIMIT; one row more than the page has tells whether there is another."""
        args = list(args)
        if self._after is not None:
            beyond = []
            for place, (column, _, ascending) in enumerate(self._order):
                same = [f"{before} = ?" for before, _, _ in self._order[:place]]
                beyond.append("(" + " AND ".join([*same, f"{column} {'>' if ascending else '<'} ?"]) + ")")
                args += [*self._after[:place], self._after[place]]
            tests = [*tests, f"({' OR '.join(beyond)})"]
        ordered = ", ".join(f"{column} {'ASC' if ascending else 'DESC'}" for column, _, ascending in self._order)
        return f"WHERE {' AND '.join(tests)} ORDER BY {ordered} LIMIT ?", [*args, size + 1]

    def cut(self, found: list[Any], size: int, mark: Any) -> tuple[list[Any], str]:
        """The page, and the token of the next."""
        if len(found) <= size:
            return found, ""
        last = found[size - 1]
        return found[:size], page_token(self._query, [mark(last, key) for _, key, _ in self._order])


def _model_mark(model: RegisteredModel, key: str) -> str | int:
    marks: dict[str, str | int] = {
        "name": model.name,
        "creation_timestamp": model.created_ms,
        "last_updated_timestamp": model.updated_ms,
    }
    return marks[key]


def _version_mark(version: RegisteredVersion, key: str) -> str | int:
    marks: dict[str, str | int] = {
        "name": version.name,
        "version_number": version.number,
        "creation_timestamp": version.created_ms,
        "last_updated_timestamp": version.updated_ms,
    }
    return marks[key]


def _ordered(order: Sequence[Order], *ties: Order) -> list[Order]:
    known = {one.key for one in order}
    return [*order, *(tie for tie in ties if tie.key not in known)]


def _parted(clauses: Sequence[Clause]) -> tuple[list[Clause], bool]:
    """The clauses without those on the tag of prompts, and whether prompts are asked for."""
    about = [clause for clause in clauses if (clause.kind, clause.key) == ("tag", IS_PROMPT)]
    first = about[0] if about else None
    asked = first is not None and (first.op, str(first.value).lower()) in (("=", "true"), ("!=", "false"))
    return [clause for clause in clauses if clause not in about], asked


def _test(clause: Clause, columns: dict[str, str], tag: str, dialect: Dialect) -> tuple[str, list[Any]]:
    if clause.kind == "tag":
        test, args = _compared("t.value", clause, dialect)
        return tag.format(test=test), [clause.key, *args]
    return _compared(columns[clause.key], clause, dialect)


def _compared(column: str, clause: Clause, dialect: Dialect) -> tuple[str, list[Any]]:
    value = clause.value
    if clause.op in ("LIKE", "ILIKE"):
        test, pattern = dialect.like(column, str(value), case=clause.op == "LIKE")
        return test, [pattern]
    if isinstance(value, tuple):
        return f"{column} {clause.op} ({', '.join('?' * len(value))})", list(value)
    return f"{column} {'<>' if clause.op == '!=' else clause.op} ?", [value]
