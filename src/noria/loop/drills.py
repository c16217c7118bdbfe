"""Fire drills: a fault, on purpose, in one challenger, to see that the rollout catches it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from noria.core.errors import NotAllowed
from noria.ports import wire
from noria.ports.records import Append, Put, Records

FAULTS = ("wrong", "slow", "crash")


@dataclass(frozen=True, slots=True, kw_only=True)
class Drill:
    """One drill; `version` is 0 until a challenger has taken it."""

    loop: str
    fault: str
    by: str
    at: datetime
    version: int = 0


def arm(records: Records, drill: Drill, *, also: Append) -> None:
    """Let the next challenger of the loop have the fault.

    Raises:
        NotAllowed: there is no such fault.
    """
    if drill.fault not in FAULTS:
        raise NotAllowed(f"there is no fault {drill.fault!r}", fix=f"choose {', '.join(FAULTS)}")
    records.commit(_put(drill), also)


def waiting(records: Records, loop: str) -> Drill | None:
    """The drill that waits for its challenger."""
    record = records.get("drill", loop)
    drill = wire.load(record.body, Drill) if record else None
    return drill if drill and drill.version == 0 else None


def taken(drill: Drill, version: int) -> Put:
    """The write that ties a waiting drill to the challenger that has it."""
    return _put(replace(drill, version=version))


def armed(records: Records, loop: str, version: int) -> str:
    """The fault that this version of the loop's model has on purpose, or ""."""
    record = records.get("drill", loop)
    drill = wire.load(record.body, Drill) if record else None
    return drill.fault if drill and drill.version == version else ""


def _put(drill: Drill) -> Put:
    return Put(kind="drill", key=drill.loop, body=wire.dump(drill))
