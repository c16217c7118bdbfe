"""A named person's yes or no to a turn that waits for one; given once and kept."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from noria.core.errors import Conflict, NotAllowed
from noria.core.judging import Approval
from noria.ports.records import Put, Records, Write
from noria.ports.wire import dump, load

KIND = "approval"


def approve(
    records: Records,
    turn: str,
    *,
    granted: bool,
    by: str,
    reason: str,
    at: datetime,
    also: Sequence[Write] = (),
    only: str = "",
) -> Approval:
    """Record a decision on a turn, together with the writes of `also`.

    Args:
        only: The one person who may decide (a gate's `by`); anyone when left out.

    Raises:
        NotAllowed: the turn was decided already, `by` is nobody, or somebody else must decide.
        Conflict: one of the writes of `also` does not hold; nothing was written.
    """
    if not by.strip():
        raise NotAllowed(f"an approval of turn {turn} needs a name", fix="say who decides, with --by NAME")
    if only and by != only:
        raise NotAllowed(f"turn {turn} waits for {only}, and {by} cannot decide for them")
    _refuse_decided(records, turn)
    approval = Approval(turn=turn, granted=granted, by=by, reason=reason, at=at)
    try:
        records.commit(Put(kind=KIND, key=turn, body=dump(approval), index={"turn": turn}, expect=0), *also)
    except Conflict:
        _refuse_decided(records, turn)
        raise
    return approval


def approval_of(records: Records, turn: str) -> Approval | None:
    """The decision on a turn, if there is one."""
    record = records.get(KIND, turn)
    return load(record.body, Approval) if record else None


def _refuse_decided(records: Records, turn: str) -> None:
    if made := approval_of(records, turn):
        said = "approved" if made.granted else "refused"
        raise NotAllowed(f"turn {turn} was {said} by {made.by} already: {made.reason or 'no reason given'}")
