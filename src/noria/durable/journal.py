"""How turns and their steps are written down."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from noria.core.turning import Step, StepState, Turn
from noria.ports import wire
from noria.ports.records import Put, Records

_STEPS_LIMIT = 10_000


@dataclass(frozen=True, slots=True)
class Stored:
    """A turn with the revision under which it was read."""

    turn: Turn
    revision: int


def put_turn(turn: Turn, *, expect: int) -> Put:
    """The turn as a write under compare-and-set."""
    index = {"loop": turn.loop, "state": turn.state.value}
    return Put(kind="turn", key=turn.id, body=wire.dump(turn), index=index, expect=expect)


def put_step(step: Step, *, expect: int | None = None) -> Put:
    """The step as a write: one document a step, its newest attempt in it."""
    return Put(kind="step", key=f"{step.turn}/{step.seq:04d}-{step.name}", body=wire.dump(step), index={"turn": step.turn}, expect=expect)


def read_turn(records: Records, turn_id: str) -> Stored | None:
    """The turn as it is stored now, or None."""
    record = records.get("turn", turn_id)
    return None if record is None else Stored(wire.load(record.body, Turn), record.revision)


def read_steps(records: Records, turn_id: str) -> list[Step]:
    """The turn's steps in the order in which they first began."""
    return [wire.load(record.body, Step) for record in records.find("step", where={"turn": turn_id}, limit=_STEPS_LIMIT)]


class StepJournal:
    """A turn's steps by name, as its driver knows them; writing is the driver's."""

    def __init__(self, records: Records, turn_id: str) -> None:
        self._turn = turn_id
        self._steps = {step.name: step for step in read_steps(records, turn_id)}

    def known(self, name: str) -> Step | None:
        """The step as it was last journalled, or None."""
        return self._steps.get(name)

    def done(self, name: str) -> Step | None:
        """The step if its result stands."""
        step = self._steps.get(name)
        return step if step is not None and step.state is StepState.DONE else None

    def attempt(self, name: str, now: datetime) -> Step:
        """The step as it begins now: new, the next attempt after a failure, or the same one that a crash cut short."""
        known = self._steps.get(name)
        if known is None:
            seq = 1 + max((step.seq for step in self._steps.values()), default=0)
            return Step(turn=self._turn, name=name, seq=seq, attempt=1, state=StepState.RUNNING, started_at=now)
        attempt = known.attempt + (known.state is StepState.FAILED)
        return replace(known, attempt=attempt, state=StepState.RUNNING, started_at=now, ended_at=None, error="", note="")

    def keep(self, step: Step) -> None:
        """Remember a step that was committed."""
        self._steps[step.name] = step
