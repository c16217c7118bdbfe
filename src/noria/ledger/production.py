"""What was in production at a moment: for each model the version that answered, since when, by whom and why."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from noria.core.registry import AliasMove
from noria.core.turning import Rollout, RolloutPhase
from noria.ledger.paging import every
from noria.ports.records import Records

CHAMPION = "champion"


@dataclass(frozen=True, slots=True, kw_only=True)
class InProduction:
    """One model at one moment.

    Attributes:
        version: That answered; None = it was taken away, or not there yet.
        since, by, reason, turn: Of the move that put it there; None and "" where it was never there.
        until: When it was moved on, if it was.
        challenger: The version that was brought in beside it just then.
        rollout: How that was brought in: "canary", "ab" and so on.
    """

    model: str
    version: int | None
    since: datetime | None = None
    until: datetime | None = None
    by: str = ""
    reason: str = ""
    turn: str = ""
    challenger: int | None = None
    rollout: str = ""


def in_production(records: Records, at: datetime, model: str = "") -> list[InProduction]:
    """All models that had ever had a champion by then, or the one that is named, by name.

    Args:
        at: Event time.
    """
    by_model: dict[str, list[AliasMove]] = {}
    for move in every(records, AliasMove, alias=CHAMPION, **({"model": model} if model else {})):
        by_model.setdefault(move.model, []).append(move)
    found = [_of(records, name, sorted(moves, key=lambda move: move.at), at) for name, moves in sorted(by_model.items())]
    return [one for one in found if one.since is not None]


def history(records: Records, model: str) -> list[AliasMove]:
    """Every move of every alias of a model, oldest first."""
    return sorted(every(records, AliasMove, model=model), key=lambda move: move.at)


def pointed_at(moves: list[AliasMove], at: datetime) -> dict[str, int]:
    """Where each alias pointed at a moment, by its moves, oldest first; those that pointed at nothing are left out."""
    found: dict[str, int | None] = {}
    for move in moves:
        if move.at <= at:
            found[move.alias] = move.after
    return {alias: version for alias, version in found.items() if version is not None}


def _of(records: Records, model: str, moves: list[AliasMove], at: datetime) -> InProduction:
    before = [move for move in moves if move.at <= at]
    after = next((move for move in moves if move.at > at), None)
    if not before:
        return InProduction(model=model, version=None)
    last = before[-1]
    rollout = _under_way(records, model, at)
    return InProduction(
        model=model,
        version=last.after,
        since=last.at,
        until=after.at if after else None,
        by=last.by,
        reason=last.reason,
        turn=last.turn,
        challenger=rollout.challenger if rollout else None,
        rollout=rollout.kind if rollout else "",
    )


def _under_way(records: Records, model: str, at: datetime) -> Rollout | None:
    open_then = [one for one in every(records, Rollout, loop=model) if one.started_at <= at and (one.ended_at is None or one.ended_at > at)]
    return next((one for one in open_then if one.ended_at or one.phase in (RolloutPhase.SHADOW, RolloutPhase.CANARY)), None)
