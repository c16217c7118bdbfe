"""Puts together what is known of each column: profiles, bars, and the readings that speak for it."""

from __future__ import annotations

from dataclasses import replace

import polars as pl

from noria.checks.drawn import bars_of
from noria.checks.drifting import FAMILY, Drifted, typical
from noria.checks.novelty import novelty_limit, outside, unseen
from noria.checks.roles import Roles
from noria.checks.tables import Tables
from noria.core.checking import ColumnCheck, Verdict
from noria.core.schema import ColumnProfile, Kind
from noria.core.watching import Level, Reading
from noria.stages.data.profile import profile

_NUMBERS = (Kind.INT, Kind.FLOAT)


def columns_of(tables: Tables, roles: Roles, drifted: Drifted, *, min_rows: int) -> tuple[ColumnCheck, ...]:
    """Each column of either side, in the reference's order; verdicts and order are given by `findings_of`."""
    before, now = ({one.name: one for one in profile(side)} for side in (tables.before, tables.now))
    level = 1 - FAMILY / max(len(roles.judged), 1)
    found = []
    for name, kind in tables.kinds.items():
        readings = {monitor: series for (monitor, subject), series in drifted.readings.items() if subject == name}
        spoken = [typical(series) for series in readings.values()]
        if name in roles.judged and roles.of[name] == "feature" and not drifted.chunk:
            spoken += _novel(tables, before[name], now[name], kind, spoken, level=level, min_rows=min_rows)
        found.append(
            ColumnCheck(
                name=name,
                kind=kind,
                role=roles.of[name],
                verdict=Verdict.QUIET if name in roles.judged else Verdict.NOT_JUDGED,
                before=before[name],
                now=now[name],
                readings=tuple(spoken),
                history=readings.get("drift", ()) if drifted.chunk else (),
                bars=() if roles.of[name] == "id" else bars_of(tables.before[name], tables.now[name], kind),
            )
        )
    alone = [(name, before.get(name), now.get(name)) for name in (*tables.changed, *tables.gone, *tables.new)]
    return (*found, *(_alone(name, was, is_) for name, was, is_ in alone))


def _alone(name: str, before: ColumnProfile | None, now: ColumnProfile | None) -> ColumnCheck:
    """A column that cannot be compared: it is on one side only, or of another kind now."""
    known = now or before
    return ColumnCheck(
        name=name, kind=known.kind if known else Kind.TEXT, role="feature", verdict=Verdict.NOT_JUDGED, before=before, now=now
    )


def _novel(
    tables: Tables, before: ColumnProfile, now: ColumnProfile, kind: Kind, known: list[Reading], *, level: float, min_rows: int
) -> list[Reading]:
    """The reading of values that the reference never had, for texts and numbers; `known` says when it was taken."""
    name, there, was = now.name, now.rows - now.nulls, before.rows - before.nulls
    if kind is Kind.TEXT and was:
        rows, once, said = unseen(tables.before[name], tables.now[name])
        monitor, once = "unseen", once + 1
    elif kind in _NUMBERS and was:
        rows, said = outside(tables.now[name].cast(pl.Float64), before.quantiles[0], before.quantiles[-1])
        monitor, once = "range", 2
    else:
        return []
    if not known or not there:
        return []
    share, limit = rows / there, novelty_limit(once, was, there, level=level)
    enough = min(there, was) >= min_rows
    breach = enough and share > limit
    return [
        replace(
            known[0],
            monitor=monitor,
            value=share,
            threshold=limit,
            level=Level.BREACH if breach else Level.OK if enough else Level.NOT_ENOUGH,
            rows=there,
            effect=share / limit - 1,
            note=said,
        )
    ]
