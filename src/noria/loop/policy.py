"""The retrain policy: says yes or no to a signal, and always why."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from noria.core.declaration.loop import Retrain
from noria.core.moments import spoken
from noria.core.probing import Judgement
from noria.core.turning import Cause, Signal

ORDERED = (Cause.BIRTH, Cause.MANUAL)
"""Signals that no policy refuses: a loop without a champion, and a person's order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the policy may look at.

    Attributes:
        turn_open: A turn of this loop is under way.
        paused: A person stopped automatic turns.
        last_turn_at: When the loop last began to turn.
        turns_in_period: Automatic turns within the last `Retrain.per`.
        new_labels: Outcomes told since the champion's training data ended.
        probed: The newest answer of the judge of expected gain, if no turn came after it.
    """

    now: datetime
    turn_open: bool
    paused: bool
    last_turn_at: datetime | None
    turns_in_period: int
    new_labels: int
    probed: Judgement | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """Yes or no, with each reason; `kinds` names them shortly, to tell a new refusal from the same one again."""

    turn: bool
    reasons: tuple[str, ...]
    kinds: tuple[str, ...] = ()


def weigh(retrain: Retrain, signal: Signal, facts: Facts) -> Decision:
    """Decide whether the loop turns on this signal now."""
    no: list[tuple[str, str]] = []
    if facts.turn_open:
        no.append(("turn-open", "a turn is under way already"))
    if signal.cause not in ORDERED:
        no += _objections(retrain, signal, facts)
    if no:
        return Decision(turn=False, reasons=tuple(text for _, text in no), kinds=tuple(kind for kind, _ in no))
    return Decision(turn=True, reasons=(signal.reason, *_grounds(retrain, signal, facts)))


def _objections(retrain: Retrain, signal: Signal, facts: Facts) -> list[tuple[str, str]]:
    no: list[tuple[str, str]] = []
    if facts.paused:
        no.append(("paused", "automatic turns are paused"))
    if signal.cause not in retrain.on:
        no.append(("not-asked", f"the policy does not turn on {signal.cause} signals"))
    if facts.last_turn_at is not None and facts.now - facts.last_turn_at < retrain.cooldown:
        left = retrain.cooldown - (facts.now - facts.last_turn_at)
        no.append(("cooldown", f"cooldown: the last turn began {spoken(facts.now - facts.last_turn_at)} ago, {spoken(left)} to go"))
    if facts.new_labels < retrain.min_labels:
        no.append(("labels", f"too few new outcomes: {facts.new_labels:,} of {retrain.min_labels:,}"))
    if facts.turns_in_period >= retrain.budget:
        no.append(("budget", f"budget spent: {facts.turns_in_period} automatic turns in {spoken(retrain.per)}"))
    if retrain.probe and facts.probed is not None and facts.probed.again_at is not None and facts.now < facts.probed.again_at:
        no.append(("probed", _probed(facts.probed, facts.now)))
    return no


def _probed(judgement: Judgement, now: datetime) -> str:
    left = spoken(judgement.again_at - now) if judgement.again_at else ""
    return f"a probe {spoken(now - judgement.at)} ago said {judgement.answer}; it is asked again in {left}"


def _grounds(retrain: Retrain, signal: Signal, facts: Facts) -> tuple[str, ...]:
    if signal.cause in ORDERED:
        return ()
    ago = "never turned before" if facts.last_turn_at is None else f"last turn {spoken(facts.now - facts.last_turn_at)} ago"
    return (
        f"{ago} (cooldown {spoken(retrain.cooldown)})",
        f"{facts.new_labels:,} new outcomes (at least {retrain.min_labels:,})",
        f"{facts.turns_in_period} of {retrain.budget} turns used",
    )
