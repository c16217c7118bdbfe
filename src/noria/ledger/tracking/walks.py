"""Orders as walks: the indices that give runs in the order that was asked for, one stretch after the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from noria.ledger.searching.grammar import Clause
from noria.ledger.searching.pages import Mark
from noria.ledger.tracking.clauses import NOTHING, Holds, compared, every, within
from noria.ledger.tracking.keys import Key, Term
from noria.ports.sql import Dialect

_RUNS = Holds("noria_runs r")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where runs are searched: experiments and stages.

    Attributes:
        holds: Whether the run `r` is there.
        ordered: The same, so that an index gives the runs there by their start; None = no index does.
    """

    holds: Holds
    ordered: Holds | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """A part of an order: all of its runs come before those of the next part.

    Attributes:
        rank: What the first term says of its runs; None = they are all of them.
        source: Where its runs are, in their order.
        own: Which are in it.
        terms: What they are still ordered by.
        fixed: Values of the terms before: they are the same for all of its runs.
        numbers: The numbers (`row`) of its runs, and perhaps others, in the order of the first term; None = they are not looked at.
    """

    rank: int | None
    source: Holds
    own: Holds
    terms: tuple[Term, ...]
    fixed: tuple[Mark, ...] = ()
    numbers: Holds | None = None


def stretches_of(keys: Sequence[Key], ties: tuple[Term, ...], place: Place, clauses: Sequence[Clause], dialect: Dialect) -> list[Stretch]:
    """The parts of an order, first to last; none = no index gives this order.

    Args:
        clauses: Those of the filter: what they say of the first key bounds the walk.
    """
    if place.ordered is None:
        return []
    from_start = [compared("r.start_ms", each, dialect) for each in clauses if (each.kind, each.key) == ("attribute", "start_time")]
    numbers = every(place.ordered, *from_start)
    by_start = Holds(f"SELECT r.row FROM noria_runs r WHERE {numbers.sql}", numbers.args)
    if not keys or keys[0].terms[0].sql == "r.start_ms":
        terms = (*(term for key in keys for term in key.terms), *ties)
        return [Stretch(rank=None, source=_joined(_RUNS, keys), own=place.ordered, terms=terms, numbers=by_start)]
    first, rest = keys[0], keys[1:]
    if not first.table:
        return []
    same = [each for each in clauses if (each.kind, each.key) == (first.order.kind, first.order.key) and each.op != "IS NULL"]
    bounds = every(*(within(each, first.alias, dialect) for each in same))
    found = _of_values(first, rest, ties, place, bounds)
    return found if same else [*found, _of_missing(first, rest, ties, place, by_start)]


def _of_values(first: Key, rest: Sequence[Key], ties: tuple[Term, ...], place: Place, bounds: Holds) -> list[Stretch]:
    """Runs that have the value, by value; then NaNs."""
    alias = first.alias
    after = (*(term for key in rest for term in key.terms), *ties)
    source = _joined(Holds(f"{first.table} {alias} CROSS JOIN noria_runs r"), rest)
    held = every(Holds(f"r.row = {alias}.run"), first.where, bounds)
    value = Term(f"{alias}.value", first.terms[1].ascending)
    number = Holds(f"{alias}.nan = 0") if first.order.kind == "metric" else NOTHING
    rows = every(first.where, number, bounds)
    numbers = Holds(f"SELECT {alias}.run AS row FROM {first.table} {alias} WHERE {rows.sql}", rows.args)
    found = [Stretch(rank=0, source=source, own=every(held, number, place.holds), terms=(value, *after), fixed=(0,), numbers=numbers)]
    if first.order.kind == "metric":
        own = every(held, Holds(f"{alias}.nan = 1"), place.holds)
        found.append(Stretch(rank=1, source=source, own=own, terms=after, fixed=(1, 0)))
    return found


def _of_missing(first: Key, rest: Sequence[Key], ties: tuple[Term, ...], place: Place, by_start: Holds) -> Stretch:
    """Runs that have no value."""
    assert place.ordered is not None
    held = f"SELECT 1 FROM {first.table} {first.alias} WHERE {first.alias}.run = r.row AND {first.where.sql}"
    measured = first.order.kind == "metric"
    return Stretch(
        rank=2 if measured else 1,
        source=_joined(_RUNS, rest),
        own=every(place.ordered, Holds(f"NOT EXISTS ({held})", first.where.args)),
        terms=(*(term for key in rest for term in key.terms), *ties),
        fixed=(2, 0) if measured else (1, ""),
        numbers=by_start if not rest else None,
    )


def _joined(first: Holds, keys: Sequence[Key]) -> Holds:
    joins = [key.join for key in keys if key.table]
    return Holds(" ".join([first.sql, *(join.sql for join in joins)]), tuple(arg for part in (first, *joins) for arg in part.args))
