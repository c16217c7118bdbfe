"""What would have changed an answer: nearby rows on the other side, generated under constraints, or real.

The search is a beam over at most a few features, each tried at the values that real rows have there;
it needs nothing of the model but answers. Only rows that obey every constraint are ever made.

Sources: Wachter, Mittelstadt & Russell 2018 (distance by median absolute deviation); Poyiadzi et al.
2020 (plausibility: a counterfactual must lie among real rows).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from noria.core.explaining import Change, Constraints, Counterfactual
from noria.core.schema import Field, Kind
from noria.packaging.reasons import raw
from noria.stages.evaluation.measured import Array
from noria.stages.evaluation.partial import grid_of

BEAM = 40
"""Half-changed rows that are followed further."""

NEIGHBOURS = 5
PLAUSIBLE = 0.95
MAX_ROWS = 1_000
"""Real rows that plausibility and candidate values are taken from."""

Ask = Callable[[Array], Array]


def counterfactuals(
    ask: Ask,
    row: Array,
    real: Array,
    features: Sequence[Field],
    *,
    target: float,
    up: bool,
    constraints: Constraints | None = None,
    count: int = 3,
) -> list[Counterfactual]:
    """Find up to `count` generated rows, plausible and near ones first, then the nearest real row.

    Args:
        ask: Rows, shape (n, features), to answers, shape (n,).
        row: The request, shape (features,), missing as NaN.
        real: Rows that really occurred, shape (rows, features).
        target: The answer to reach: at least this (`up`), or less than this.

    Returns:
        Each with different features changed; empty when none obeys the constraints.
    """
    allowed = constraints or Constraints()
    known = real[:MAX_ROWS]
    space = _Space(known, features)
    side = _Side(target=target, up=up)
    made = _beam(ask, row, space, side, allowed)
    scored = sorted(made, key=lambda one: (not space.plausible(one[0]), space.distance(row, one[0][None])[0]))
    found, seen = list[Counterfactual](), set[frozenset[int]]()
    for after, answer in scored:
        changed = frozenset(np.flatnonzero(_differs(row, after)).tolist())
        if changed not in seen and not any(other < changed for other in seen):
            seen.add(changed)
            found.append(_told(row, after, answer, space, "generated"))
        if len(found) == count:
            break
    nearest = _nearest_real(ask, row, known, space, side, allowed)
    return [*found, *([_told(row, *nearest, space, "row")] if nearest else [])]


class _Space:
    """Distances between rows: numbers in units of their median absolute deviation, texts 0 or 1, missing 1."""

    def __init__(self, real: Array, features: Sequence[Field]) -> None:
        self.features = features
        self.real = real
        self.text = np.array([one.kind in (Kind.TEXT, Kind.BOOL) for one in features])
        middle = np.nanmedian(real, axis=0) if len(real) else np.zeros(len(features))
        spread = np.nanmedian(np.abs(real - middle), axis=0) if len(real) else np.ones(len(features))
        wide = np.nanstd(real, axis=0) if len(real) else np.ones(len(features))
        unit = np.where(spread > 0, spread, np.where(wide > 0, wide, 1.0))
        self.unit = np.where(np.isfinite(unit), unit, 1.0)
        usual = self._to_neighbours(real, own=True) if len(real) > NEIGHBOURS else np.empty(0)
        self.limit = float(np.quantile(usual, PLAUSIBLE)) if len(usual) else np.inf

    def distance(self, one: Array, others: Array) -> Array:
        """From one row to others, shape (n,)."""
        apart = np.abs(others - one) / self.unit
        apart = np.where(self.text, (others != one).astype(np.float64), apart)
        gone = np.isnan(one) | np.isnan(others)
        return np.asarray(np.where(gone, (np.isnan(one) != np.isnan(others)).astype(np.float64), apart).sum(axis=1))

    def plausible(self, row: Array) -> bool:
        """Whether the row is as near to its neighbours as nearly all real rows are to theirs."""
        return bool(self._to_neighbours(row[None], own=False)[0] <= self.limit) if np.isfinite(self.limit) else True

    def _to_neighbours(self, rows: Array, *, own: bool) -> Array:
        skip = 1 if own else 0
        return np.array([np.partition(self.distance(row, self.real), NEIGHBOURS + skip - 1)[: NEIGHBOURS + skip].sum() for row in rows])


@dataclass(frozen=True, slots=True, kw_only=True)
class _Side:
    """The side of the target that is looked for."""

    target: float
    up: bool

    def reached(self, answers: Array) -> NDArray[np.bool_]:
        return answers >= self.target if self.up else answers < self.target


def _beam(ask: Ask, row: Array, space: _Space, side: _Side, allowed: Constraints) -> list[tuple[Array, float]]:
    """Rows on the wanted side, each with its answer: change one feature more at a time, follow what moved the answer most."""
    start = float(ask(row[None])[0])
    options = [_options(place, row, space, allowed) for place in range(len(row))]
    beam, made = [row], list[tuple[Array, float]]()
    for _ in range(allowed.most):
        tried = _extended(beam, row, options)
        if not len(tried):
            break
        answers = ask(tried)
        good = side.reached(answers)
        made += [(after, float(answer)) for after, answer in zip(tried[good], answers[good], strict=True)]
        rest, nearer = tried[~good], (answers[~good] - start) * (1 if side.up else -1)
        worth = nearer / (1e-9 + space.distance(row, rest)) if len(rest) else nearer
        beam = list(rest[np.argsort(-worth, kind="stable")[:BEAM]])
    return made


def _options(place: int, row: Array, space: _Space, allowed: Constraints) -> Array:
    """Other values that the feature may take."""
    feature = space.features[place]
    if feature.name in allowed.keep:
        return np.empty(0)
    values, _ = grid_of(space.real[:, place], feature)
    values, now = values[np.isfinite(values)], row[place]
    unit = allowed.step.get(feature.name, 1.0 if feature.kind is Kind.INT else 0.0)
    if unit > 0 and np.isfinite(now) and feature.kind is not Kind.TEXT:
        values = np.unique(now + np.round((values - now) / unit) * unit)
    if feature.name in allowed.up:
        values = values[values > now]
    if feature.name in allowed.down:
        values = values[values < now]
    return values[values != now]


def _extended(beam: Sequence[Array], row: Array, options: Sequence[Array]) -> Array:
    """Each row of the beam with one feature more changed, each of its values once."""
    made = []
    for base in beam:
        for place in np.flatnonzero(~_differs(row, base)).tolist():
            block = np.repeat(base[None], len(options[place]), axis=0)
            block[:, place] = options[place]
            made.append(block)
    return np.unique(np.concatenate(made), axis=0) if made else np.empty((0, len(row)))


def _differs(row: Array, other: Array) -> NDArray[np.bool_]:
    return np.asarray((row != other) & ~(np.isnan(row) & np.isnan(other)))


def _nearest_real(ask: Ask, row: Array, real: Array, space: _Space, side: _Side, allowed: Constraints) -> tuple[Array, float] | None:
    obeying = [other for other in real if _obeys(row, other, space.features, allowed)]
    if not obeying:
        return None
    rows = np.array(obeying)
    answers = ask(rows)
    good = side.reached(answers)
    if not good.any():
        return None
    at = int(np.argmin(np.where(good, space.distance(row, rows), np.inf)))
    return rows[at], float(answers[at])


def _obeys(row: Array, other: Array, features: Sequence[Field], allowed: Constraints) -> bool:
    """Whether a real row keeps what must be kept; it may differ in any number of features."""
    for feature, before, after in zip(features, row, other, strict=True):
        same = before == after or (np.isnan(before) and np.isnan(after))
        if same:
            continue
        if feature.name in allowed.keep or (feature.name in allowed.up and not after > before):
            return False
        if feature.name in allowed.down and not after < before:
            return False
    return True


def _told(row: Array, after: Array, answer: float, space: _Space, found: str) -> Counterfactual:
    changed = np.flatnonzero(_differs(row, after)).tolist()
    return Counterfactual(
        changes=tuple(
            Change(feature=space.features[at].name, before=raw(space.features[at], row[at]), after=raw(space.features[at], after[at]))
            for at in changed
        ),
        answer=answer,
        distance=float(space.distance(row, after[None])[0]),
        plausible=found == "row" or space.plausible(after),
        found=found,
    )
