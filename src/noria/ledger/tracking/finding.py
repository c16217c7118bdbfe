"""Finds runs: a page of those that satisfy a filter, in an order, within milliseconds among a hundred thousand.

A page is found in one of two ways. *Walking*: an index gives the runs in the order that was asked for, each is tested,
and the walk ends when the page is full. *Filtering*: the index of the rarest clause gives the runs, and those that
satisfy the others are sorted. Walking is best where many runs satisfy the filter, filtering where few do. Which it is,
is looked at: how many of the first runs of the walk are hits tells how long it would be.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from noria.core.tracking import Stage, TrackedRun
from noria.ledger.searching.grammar import parse_filter, parse_order
from noria.ledger.searching.pages import Mark, after_token, page_token, query_mark
from noria.ledger.searching.targets import RUNS
from noria.ledger.tracking.clauses import Holds, Test, every, tests_of
from noria.ledger.tracking.keys import Key, Term, beyond, from_there, keys_of, ordered
from noria.ledger.tracking.runs import COLUMNS, run_of
from noria.ledger.tracking.walks import Place, Stretch, stretches_of
from noria.ports.sql import Row, Sql

LOOK = 2_000
"""Runs at the beginning of a walk that are looked at."""
SHORT = 4_000
"""A walk of so many runs is not worth a thought."""
RARE = 5_000
"""So many runs are tested one by one; of more, the sets of all clauses are cut."""
COUNTED = 20_000
"""How far the runs of a clause are counted."""
_WIDTH = COLUMNS.count(",") + 1
_START, _ID = Term("r.start_ms", False), Term("r.id")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is searched.

    Attributes:
        experiments: Their ids; those of other projects are left out.
        stages: Whether active runs, deleted ones, or both.
        filter: See `noria.ledger.searching`.
        order: Keys, the weightiest first; then come the newest, then ids.
        after: The token of a page.
    """

    experiments: Sequence[int]
    stages: frozenset[Stage] = frozenset({Stage.ACTIVE})
    filter: str = ""
    order: Sequence[str] = ()
    limit: int = 1_000
    after: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Query:
    """A search as SQL, whichever way it goes."""

    place: Place
    tests: tuple[Test, ...]
    keys: tuple[Key, ...]
    ties: tuple[Term, ...]

    @property
    def holds(self) -> Holds:
        return every(*(test.holds for test in self.tests))

    @property
    def terms(self) -> tuple[Term, ...]:
        return (*(term for key in self.keys for term in key.terms), *self.ties)


def find(sql: Sql, project: str, wanted: Wanted) -> tuple[list[TrackedRun], str]:
    """A page of runs, and the token of the next page ("" = that was all).

    Raises:
        RequestInvalid: filter, order or token cannot be read.
    """
    places = places_of(sql, project, wanted.experiments)
    query = _query(sql, places, wanted)
    mark = query_mark("runs", sorted(wanted.experiments), sorted(wanted.stages), wanted.filter, list(wanted.order))
    after = after_token(wanted.after, mark, marks=len(query.terms))
    rows = _page(sql, query, after, wanted.limit + 1) if places else []
    runs = [run_of(row[:_WIDTH]) for row in rows[: wanted.limit]]
    return runs, page_token(mark, rows[wanted.limit - 1][_WIDTH:]) if len(rows) > wanted.limit else ""


def places_of(sql: Sql, project: str, experiments: Sequence[int]) -> list[int]:
    """Which of the experiments are the project's."""
    asked = set(experiments)
    if len(asked) > 100:
        return sorted(asked & {id for (id,) in sql.read("SELECT id FROM noria_experiments WHERE project = ?", [project])})
    marks = ", ".join("?" * len(asked)) or "NULL"
    rows = sql.read(f"SELECT id FROM noria_experiments WHERE project = ? AND id IN ({marks}) ORDER BY id", [project, *sorted(asked)])
    return [id for (id,) in rows]


def numbers_of(sql: Sql, names: set[str]) -> dict[str, int]:
    """Metrics' names to their numbers; a name that was never logged is missing."""
    if not names:
        return {}
    marks = ", ".join("?" * len(names))
    rows = sql.read(f"SELECT name, id FROM noria_metric_names WHERE name IN ({marks})", sorted(names))
    return {row[0]: row[1] for row in rows}


def _query(sql: Sql, places: Sequence[int], wanted: Wanted) -> _Query:
    clauses, orders = parse_filter(wanted.filter, RUNS), parse_order(wanted.order, RUNS)
    measured = {clause.key for clause in clauses if clause.kind == "metric"} | {order.key for order in orders if order.kind == "metric"}
    metrics = numbers_of(sql, measured)
    named = {order.key for order in orders if order.kind == "attribute"}
    ties = ((_START,) if "start_time" not in named else ()) + ((_ID,) if "run_id" not in named else ())
    return _Query(
        place=_place(places, sorted(wanted.stages)),
        tests=tuple(tests_of(clauses, metrics, sql.dialect)),
        keys=tuple(keys_of(orders, metrics)),
        ties=ties,
    )


def _place(places: Sequence[int], stages: Sequence[Stage]) -> Place:
    listed = ", ".join(map(str, places)) or "NULL"
    if len(stages) != 1:
        in_stages = Holds(f"r.state IN ({', '.join('?' * len(stages))})", tuple(stages))
        return Place(holds=every(Holds(f"r.experiment IN ({listed})"), in_stages), ordered=None)
    in_stage = Holds("r.state = ?", tuple(stages))
    holds = every(Holds(f"r.experiment {'=' if len(places) == 1 else 'IN'} ({listed})"), in_stage)
    # The sign hides the column from SQLite's planner: of several experiments only all runs together are in order.
    return Place(holds=holds, ordered=holds if len(places) == 1 else every(in_stage, Holds(f"+r.experiment IN ({listed})")))


def _page(sql: Sql, query: _Query, after: tuple[Mark, ...] | None, limit: int) -> list[Row]:
    """The first rows after a mark; as many as there are, up to `limit`: a run's columns, then its terms' values."""
    found: list[Row] = []
    stretches = stretches_of(query.keys, query.ties, query.place, [test.clause for test in query.tests], sql.dialect)
    for stretch in stretches:
        rank = after[0] if after is not None and stretch.rank is not None else None
        if isinstance(rank, int | float) and stretch.rank is not None and rank > stretch.rank:
            continue
        behind = after[len(stretch.fixed) :] if after is not None and rank == stretch.rank else None
        if not _walks(sql, query, stretch, behind, limit - len(found)):
            return found + _filtered(sql, query, found[-1][_WIDTH:] if found else after, limit - len(found))
        found += _walked(sql, query, stretch, behind, limit - len(found))
        if len(found) >= limit:
            return found
    return found if stretches else _filtered(sql, query, after, limit)


def _walks(sql: Sql, query: _Query, stretch: Stretch, after: tuple[Mark, ...] | None, limit: int) -> bool:
    """Whether a stretch is walked: so many of its first runs are hits that the page will soon be full."""
    if stretch.numbers is None or (not query.tests and stretch.rank != 0):
        return True
    look = every(stretch.numbers, from_there(stretch.terms[0], after[0])) if after is not None else stretch.numbers
    first = f"{look.sql} ORDER BY {ordered(stretch.terms[:1])} LIMIT {LOOK}"
    hit = every(query.place.holds, query.holds)
    hits = f"SELECT count(*) FROM ({first}) w CROSS JOIN noria_runs r WHERE r.row = w.row AND {hit.sql}"
    ((seen, found),) = sql.read(f"SELECT (SELECT count(*) FROM ({first}) w), ({hits})", [*look.args, *look.args, *hit.args])
    if seen < LOOK or found * SHORT >= limit * LOOK:
        return True
    if found == 0:
        return False
    length = limit * LOOK // found
    return _rarest(sql, query, length)[0] >= length


def _walked(sql: Sql, query: _Query, stretch: Stretch, after: tuple[Mark, ...] | None, limit: int) -> list[Row]:
    where = every(stretch.own, query.holds)
    if after is not None:
        where = every(where, from_there(stretch.terms[0], after[0]), beyond(stretch.terms, after))
    found = _sorted(sql, stretch.source, where, stretch.terms, limit)
    return [(*row[:_WIDTH], *stretch.fixed, *row[_WIDTH:]) for row in found]


def _filtered(sql: Sql, query: _Query, after: tuple[Mark, ...] | None, limit: int) -> list[Row]:
    joins = [key.join for key in query.keys if key.table]
    first, where = _leading(sql, query)
    if after is not None:
        where = every(where, beyond(query.terms, after))
    source = Holds(" ".join([first.sql, *(join.sql for join in joins)]), (*first.args, *(arg for join in joins for arg in join.args)))
    return _sorted(sql, source, where, query.terms, limit)


def _sorted(sql: Sql, source: Holds, where: Holds, terms: Sequence[Term], limit: int) -> list[Row]:
    """Runs and the values of their terms, in order. What is sorted is narrow: the runs' other columns are fetched for the page alone."""
    named = [Term(f"w.t{n}", term.ascending) for n, term in enumerate(terms)]
    shown = ", ".join(f"{term.sql} AS t{n}" for n, term in enumerate(terms))
    page = f"SELECT r.row AS n, {shown} FROM {source.sql} WHERE {where.sql} ORDER BY {ordered(terms)} LIMIT ?"
    select = f"SELECT {COLUMNS}, {', '.join(term.sql for term in named)} FROM ({page}) w CROSS JOIN noria_runs r WHERE r.row = w.n"
    return sql.read(f"{select} ORDER BY {ordered(named)}", [*source.args, *where.args, limit])


def _leading(sql: Sql, query: _Query) -> tuple[Holds, Holds]:
    """Where runs come from, fewest first, and what is still to be tested of them."""
    number, rarest = _rarest(sql, query, COUNTED)
    there = Holds(f"SELECT r.row FROM noria_runs r WHERE {query.place.holds.sql}", query.place.holds.args)
    if rarest is None or (number > 0 and _count(sql, there, number) < number):
        return Holds("noria_runs r"), every(query.place.holds, query.holds)
    chosen = [rarest] if number <= RARE else [test for test in query.tests if test.runs is not None]
    selects = [test.runs for test in chosen if test.runs is not None]
    leads = Holds(" INTERSECT ".join(runs.sql for runs in selects), tuple(arg for runs in selects for arg in runs.args))
    rest = [test.holds for test in query.tests if test not in chosen]
    once = f"SELECT DISTINCT run FROM ({leads.sql}) s" if rarest.clause.kind == "dataset" and len(selects) == 1 else leads.sql
    return Holds(f"({once}) d CROSS JOIN noria_runs r", leads.args), every(Holds("r.row = d.run"), query.place.holds, *rest)


def _rarest(sql: Sql, query: _Query, most: int) -> tuple[int, Test | None]:
    """The clause that fewest runs satisfy, of those that an index leads to, and how many do, counted up to `most`."""
    number, rarest = most, None
    for test in sorted((test for test in query.tests if test.runs is not None), key=lambda test: test.scans):
        assert test.runs is not None
        if test.scans and number <= RARE:
            break
        counted = _count(sql, test.runs, number)
        if counted < number or rarest is None:
            number, rarest = counted, test
    return number, rarest


def _count(sql: Sql, runs: Holds, most: int) -> int:
    """How many there are, counted up to a limit."""
    ((number,),) = sql.read(f"SELECT count(*) FROM ({runs.sql} LIMIT {most}) c", runs.args)
    return int(number)
