"""Move aliases between versions under compare-and-set, and read where they point and ever pointed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from noria.core.errors import Conflict, NotFound
from noria.core.registry import AliasMove
from noria.core.state import AliasState
from noria.ports.records import Put, Record, Records, Write
from noria.ports.wire import dump, load
from noria.stages.registry.reading import every
from noria.stages.registry.versions import exists

CHAMPION = "champion"
STATE, MOVE = "alias", "alias-move"


def move(
    records: Records,
    model: str,
    alias: str,
    to: int | None,
    *,
    expect: int | None,
    by: str,
    reason: str,
    at: datetime,
    turn: str = "",
    also: Sequence[Write] = (),
) -> AliasMove:
    """Point an alias at a version (None: at nothing) and write its history line, in one commit.

    Args:
        expect: The version that it must point at now; None when at nothing.
        turn: The turn that moves it, which then moves it there once: a repeat returns the recorded line.
        also: More writes for the same commit.

    Raises:
        Conflict: it points elsewhere by now, or one of the writes of `also` does not hold; nothing was written.
        NotFound: the model has no such version.
    """
    before = records.get(STATE, f"{model}/{alias}")
    if turn and (moved := _moved_in(records, model, alias, to, turn)):
        return moved
    pointed = load(before.body, AliasState).version if before else None
    if pointed != expect:
        raise Conflict(f"{alias!r} of {model!r} points at {_spoken(pointed)}, not at {_spoken(expect)}")
    if to is not None and not exists(records, model, to):
        raise NotFound(f"model {model!r} has no version {to}, so {alias!r} cannot point at it")
    line = AliasMove(model=model, alias=alias, before=pointed, after=to, by=by, reason=reason, at=at, turn=turn)
    try:
        records.commit(*writes(line, revision=before.revision if before else 0), *also)
    except Conflict:
        if turn and (moved := _moved_in(records, model, alias, to, turn)):
            return moved
        raise
    return line


def current(records: Records, model: str, alias: str) -> int | None:
    """The version that the alias points at; None at nothing."""
    record = records.get(STATE, f"{model}/{alias}")
    return load(record.body, AliasState).version if record else None


def history(records: Records, model: str, alias: str) -> list[AliasMove]:
    """All moves of the alias, oldest first."""
    return [_line(record) for record in every(records, MOVE, {"model": model, "alias": alias})]


def previous(records: Records, model: str, alias: str) -> int | None:
    """The version to go back to: the one before the current one; None when there is none.

    Moves are read like visited pages: returning to an earlier version takes back all that came
    after it, so two rollbacks in a row go two versions back and never forward to the bad one.
    """
    trail: list[int] = []
    pointed: int | None = None
    for line in history(records, model, alias):
        pointed = line.after
        if pointed in trail:
            del trail[trail.index(pointed) + 1 :]
        elif pointed is not None:
            trail.append(pointed)
    if pointed is not None:
        trail.pop()
    return trail[-1] if trail else None


def in_production_on(records: Records, model: str, at: datetime, *, alias: str = CHAMPION) -> int | None:
    """The version that answered users at a moment; None before the first and while the alias pointed at nothing."""
    pointed: int | None = None
    for line in history(records, model, alias):
        if line.at <= at:
            pointed = line.after
    return pointed


def writes(line: AliasMove, *, revision: int) -> tuple[Put, Put]:
    """The alias's new state and its history line, whose key counts the moves.

    Args:
        revision: Of the alias's state as it was read; 0 = there was none. It must still hold when this is committed.
    """
    name = f"{line.model}/{line.alias}"
    state = AliasState(model=line.model, alias=line.alias, version=line.after, moved_at=line.at)
    index = {"model": line.model, "alias": line.alias, "turn": line.turn}
    return (
        Put(kind=STATE, key=name, body=dump(state), index={"model": line.model}, expect=revision),
        Put(kind=MOVE, key=f"{name}/{revision + 1:06d}", body=dump(line), index=index, expect=0),
    )


def _moved_in(records: Records, model: str, alias: str, to: int | None, turn: str) -> AliasMove | None:
    found = records.find(MOVE, where={"model": model, "alias": alias, "turn": turn}, newest_first=True)
    return next((line for line in map(_line, found) if line.after == to), None)


def _line(record: Record) -> AliasMove:
    return load(record.body, AliasMove)


def _spoken(version: int | None) -> str:
    return "nothing" if version is None else f"version {version}"
