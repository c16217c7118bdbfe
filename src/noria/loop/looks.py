"""What one look at a rollout came to: it waits, moves to another share, is promoted, or ends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from noria.core.declaration.rollout import Strategy
from noria.core.turning import Rollout, RolloutPhase
from noria.loop.guards import said


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What one look came to: the rollout as it stands now, and what happened if anything did."""

    rollout: Rollout
    happened: str = ""
    reasons: tuple[str, ...] = ()

    @property
    def numbers(self) -> Mapping[str, float]:
        """Every guard's numbers and the share in force, for the ledger."""
        said: dict[str, float] = {"touched": self.rollout.touched, "failed": self.rollout.failed, "share": self.rollout.share}
        if self.rollout.better is not None:
            said["chance of better"] = self.rollout.better
        for guard in self.rollout.looks:
            said |= {f"{guard.guard}": guard.difference.value, f"{guard.guard} p": guard.p_value, f"{guard.guard} n": guard.challenger_n}
        return said


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A rollout in which nothing speaks of harm, before anybody decides how it goes on.

    Attributes:
        rows: Requests that the challenger has answered in this step.
        silent: Guards that must speak first and have not had enough rows to.
    """

    rollout: Rollout
    rows: int
    silent: Sequence[str]
    now: datetime

    @property
    def in_shadow(self) -> bool:
        """Whether users are untouched so far."""
        return self.rollout.phase is RolloutPhase.SHADOW


def held_up(standing: Standing, strategy: Strategy, min_rows: int) -> Look | None:
    """Wait for rows and for guards that are silent, but not for ever; None when there is nothing to wait for."""
    rows, silent = standing.rows, standing.silent
    wanted = strategy.shadow_rows if standing.in_shadow else min_rows
    if rows < wanted or (silent and rows < strategy.max_rows):
        told = [f"{rows:,} of {wanted:,} rows"] if rows < wanted else []
        return waiting(standing.rollout, "waiting for " + " and ".join([*told, *(f"data on {name}" for name in silent)]))
    if silent:
        return taken_out(standing.rollout, standing.now, [f"after {rows:,} rows there is still not enough data on {', '.join(silent)}"])
    return None


def in_doubt(standing: Standing, max_rows: int) -> Look | None:
    """Stay while a guard looks worse than is tolerated, though not surely; out after `max_rows`. None when none does."""
    doubted = [guard for guard in standing.rollout.looks if guard.verdict == "undecided" and guard.difference.value > guard.margin]
    if not doubted:
        return None
    if standing.rows < max_rows:
        return waiting(standing.rollout, f"stays: it looks worse than is tolerated, though not surely yet; {said(doubted[0])}")
    over = f"after {standing.rows:,} rows it still looks worse than is tolerated"
    return taken_out(standing.rollout, standing.now, [over, said(doubted[0])])


def waiting(rollout: Rollout, reason: str) -> Look:
    """Nothing happens for now."""
    return Look(rollout=replace(rollout, reason=reason))


def moved(rollout: Rollout, percent: float, now: datetime, reasons: Sequence[str], happened: str = "advanced") -> Look:
    """Begin the next step, on another share of traffic."""
    step = rollout.step + 1
    begun = replace(
        rollout,
        phase=RolloutPhase.CANARY,
        steps=(*rollout.steps[:step], percent, *rollout.steps[step + 1 :]),
        step=step,
        share=percent / 100,
        step_started_at=now,
        reason=reasons[0],
    )
    return Look(rollout=begun, happened=happened, reasons=(f"to {percent:g} % of traffic", *reasons))


def promoted(rollout: Rollout, now: datetime, reasons: Sequence[str]) -> Look:
    """The challenger has shown what it had to."""
    done = replace(rollout, phase=RolloutPhase.PROMOTED, share=1.0, ended_at=now, reason=reasons[0])
    return Look(rollout=done, happened="promoted", reasons=tuple(reasons))


def taken_out(rollout: Rollout, now: datetime, reasons: Sequence[str]) -> Look:
    """The challenger leaves; how many users it touched is told with it."""
    ended = replace(rollout, phase=RolloutPhase.ROLLED_BACK, share=0.0, ended_at=now, reason=reasons[0])
    touched = f"it was asked to answer {rollout.touched:,} requests; in {rollout.failed:,} it failed and the champion answered"
    if not rollout.touched:
        touched = "no user's request ever reached it"
    return Look(rollout=ended, happened="rolled-back", reasons=(*reasons, touched))
