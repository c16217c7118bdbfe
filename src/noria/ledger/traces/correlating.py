"""How often two conditions on traces hold together, against what chance would have."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from noria.ledger.traces.filters import Test, tests_of
from noria.ledger.traces.searching import scope, within
from noria.ports.sql import Sql

PRIOR = 0.5
"""Added to each of the four counts in the smoothed value (Jeffreys' prior)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Correlation:
    """Counts of traces, and their normalised pointwise mutual information (Bouma 2009): -1 never together, 0 by chance, 1 always."""

    total: int
    first: int
    second: int
    joint: int

    @property
    def npmi(self) -> float:
        """From the counts; NaN where one of the conditions holds of no trace."""
        if not self.first or not self.second:
            return math.nan
        return -1.0 if not self.joint else _npmi(self.joint, self.first, self.second, self.total)

    @property
    def smoothed(self) -> float:
        """With the prior: steadier where traces are few."""
        if not self.first or not self.second:
            return math.nan
        if self.joint == self.total:
            return 1.0
        return _npmi(self.joint + PRIOR, self.first + 2 * PRIOR, self.second + 2 * PRIOR, self.total + 4 * PRIOR)


def correlation(sql: Sql, project: str, experiments: Sequence[int], first: str, second: str, base: str = "") -> Correlation:
    """How two filters go together among traces that meet a third ("" = all).

    Raises:
        RequestInvalid: a filter cannot be read.
    """
    one, other = _condition(tests_of(first, sql.dialect)), _condition(tests_of(second, sql.dialect))
    among = tests_of(base, sql.dialect) if base else []
    known = within(sql, project, experiments)
    if not known:
        return Correlation(total=0, first=0, second=0, joint=0)
    where, args = scope(sql, known, among)
    inner = f"""SELECT CASE WHEN {one.sql} THEN 1 ELSE 0 END AS f, CASE WHEN {other.sql} THEN 1 ELSE 0 END AS s
        FROM noria_traces t WHERE {where}"""
    query = f"SELECT COUNT(*), COALESCE(SUM(m.f), 0), COALESCE(SUM(m.s), 0), COALESCE(SUM(m.f * m.s), 0) FROM ({inner}) m"
    total, f, s, joint = (int(count) for count in sql.read(query, [*one.args, *other.args, *args])[0])
    return Correlation(total=total, first=f, second=s, joint=joint)


def _condition(tests: Sequence[Test]) -> Test:
    sql = " AND ".join(f"({test.sql})" for test in tests) or "1 = 1"
    return Test(sql, tuple(arg for test in tests for arg in test.args))


def _npmi(joint: float, first: float, second: float, total: float) -> float:
    if joint >= total:
        return 1.0
    information = math.log(joint) + math.log(total) - math.log(first) - math.log(second)
    return max(-1.0, min(1.0, information / (math.log(total) - math.log(joint))))
