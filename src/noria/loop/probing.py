"""The loop's judge: whether a turn is worth its cost, by what it may be expected to gain.

Off unless `nr.Retrain(probe=True)`. A turn on an automatic signal then begins with a probe in a
process of its own (`loop.probed`), and goes on only when the answer is "now". What is journalled,
told and survived is the turn's own; a turn that ends here counts neither for the cooldown nor for the budget.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TypeVar

from noria.core.declaration.loop import Retrain
from noria.core.probing import Answer, Expectation, Judgement, PastGain, Probe
from noria.core.registry import ModelVersion
from noria.core.schema import Estimate
from noria.core.training import FeatureSet
from noria.core.turning import Rollout, Signal, Turn, TurnState
from noria.durable.trip import Trip
from noria.ledger.documents import Documents
from noria.loop.evaluating import Evaluated
from noria.loop.policy import ORDERED
from noria.loop.story import Story
from noria.loop.workshop import Order, Workshop
from noria.loop.world import Declared, World
from noria.ports import wire
from noria.ports.records import Write
from noria.stages.evaluation.expected_gain import expected
from noria.stages.evaluation.metrics import METRICS
from noria.stages.serving import log

T = TypeVar("T")

SURE = 0.8
"""Retrain now from this chance on that the gain is worth it."""

USUAL_GAIN, USUAL_SHARE = 0.005, 0.01
"""What is worth a turn where nobody said: so much of a share, or so much of the champion's mark."""

HOPELESS = 0.05
"""Below this chance, do not ask again soon."""

FEWEST_ROWS, FEWEST_OF_A_CLASS, FEWEST_BLOCKS = 200, 20, 5
ENJOYED = timedelta(days=30)
"""A gain is enjoyed over as many predictions as were answered in this time."""

REMEMBERED = 20
"""Turns that are looked back at."""


def wants_probe(retrain: Retrain, signal: Signal, champion: ModelVersion | None) -> bool:
    """Whether a turn on this signal must first show that it is worth it: a birth and a person's order need not."""
    return retrain.probe and champion is not None and signal.cause not in ORDERED


def worth_it(trip: Trip, declared: Declared, world: World, story: Story, order: Order, onward: Workshop) -> None:
    """Probe, judge, tell; end the turn unless the answer is "now". The table that was assembled for it is handed on."""
    room = Workshop(world, trip.turn, room="probe")
    room.open(replace(order, probe=True))
    features = trip.poll("features", lambda: _worked(trip, room, "features", FeatureSet), FeatureSet)
    probe = trip.poll("probing", lambda: _worked(trip, room, "probing", Probe), Probe)
    judgement = trip.commit("policy", lambda: _judged(trip, declared, world, story, probe), Judgement)
    if judgement.answer is not Answer.NOW:
        trip.end(TurnState.DECLINED, f"not retrained ({judgement.answer}): {'; '.join(judgement.reasons)}")
    if onward.bench.result("features", FeatureSet) is None:
        onward.bench.keep("features", features)


def judge(retrain: Retrain, probe: Probe, past: Sequence[PastGain], *, volume: int, now: datetime) -> Judgement:
    """The answer to a probe: now, later or never, with its numbers. Pure.

    Now: the gain is worth a turn with a chance of 80 % or more. Never: with less than 5 %; asked
    again after a cooldown at the earliest, as worlds change. Later: neither, or not enough data; asked
    again when half as much time again has passed as the newest rows span.
    """
    missing = _missing(probe)
    span = max(timedelta(days=1), (probe.end - probe.start) / 2)
    if missing or probe.gain is None:
        return _answer(Answer.LATER, (f"not enough data to tell: {missing}",), probe, None, now + span, now, volume)
    worth = max(gain_wanted(retrain, probe), retrain.cost / volume if volume else math.inf if retrain.cost else 0.0)
    if not math.isfinite(worth):
        return _answer(Answer.NEVER, ("nobody asked for a prediction in the last 30 days",), probe, None, now + span, now, volume)
    found = expected(probe.gain, past, worth=worth)
    reasons = _reasons(probe, probe.gain, found, retrain, volume)
    if found.chance >= SURE:
        return _answer(Answer.NOW, reasons, probe, found, None, now, volume)
    if found.chance < HOPELESS:
        return _answer(Answer.NEVER, reasons, probe, found, now + max(retrain.cooldown, 2 * span), now, volume)
    return _answer(Answer.LATER, reasons, probe, found, now + span, now, volume)


def gain_wanted(retrain: Retrain, probe: Probe) -> float:
    """The gain that is worth a turn, in units of the metric: as declared, else what is usual on its scale."""
    if retrain.min_gain is not None:
        return retrain.min_gain
    known = METRICS.get(probe.metric)
    if (known is not None and known.bounds == (0.0, 1.0)) or probe.champion is None or not probe.champion.value:
        return USUAL_GAIN
    return USUAL_SHARE * abs(probe.champion.value)


def newest_judgement(documents: Documents, loop: str) -> Judgement | None:
    """The loop's last answer of this kind."""
    return next(iter(documents.find(Judgement, where={"loop": loop}, newest_first=True, limit=1)), None)


def past_gains(world: World, loop: str, metric: str) -> list[PastGain]:
    """What earlier turns gained, newest first: on live traffic where a rollout compared that metric, else on held-out rows."""
    found: list[PastGain] = []
    for turn in world.documents.find(Turn, where={"loop": loop}, newest_first=True, limit=5 * REMEMBERED):
        if len(found) < REMEMBERED and turn.state in (TurnState.DONE, TurnState.REFUSED, TurnState.ROLLED_BACK):
            gain = _live_gain(world, turn, metric) or _held_out_gain(world, turn, metric)
            found += [gain] if gain else []
    return found


def _judged(trip: Trip, declared: Declared, world: World, story: Story, probe: Probe) -> tuple[Judgement, Sequence[Write]]:
    retrain, now, name = declared.loop.retrain, trip.clock.now(), declared.loop.name
    volume = log.predictions(world.log_folder, name, since=now - ENJOYED, columns=["request_id"])["request_id"].n_unique()
    made = judge(retrain, probe, past_gains(world, name, probe.metric), volume=volume, now=now)
    judgement = replace(made, id=trip.turn.id, loop=name)
    signal = trip.turn.signal
    if judgement.answer is Answer.NOW:
        kind, first = "policy.accepted", f"a turn is worth it on “{signal.reason}”:"
    else:
        again = "" if judgement.again_at is None else f", not before {judgement.again_at:%Y-%m-%d}"
        kind, first = "policy.declined", f"not retrained on “{signal.reason}” ({judgement.answer}{again}), because"
    reasons = [first, *judgement.reasons]
    told = story.line("policy", kind, reasons, after="data", because=signal.events, numbers=judgement.numbers)
    return judgement, [world.documents.write(judgement), told]


def _reasons(probe: Probe, gain: Estimate, found: Expectation, retrain: Retrain, volume: int) -> tuple[str, ...]:
    cost = f", at a cost of {retrain.cost:g} over {volume:,} predictions in 30 days" if retrain.cost else ""
    beside = f" over the champion's {probe.champion.value:.4f}" if probe.champion else ""
    return (
        f"trained on {probe.trained_rows:,} rows up to {probe.trained_until:%Y-%m-%d}, the recipe gains {probe.metric} {gain.value:+.4f}"
        f" [{gain.low:+.4f}, {gain.high:+.4f}]{beside}, on the {probe.rows:,} rows from {probe.start:%Y-%m-%d} on",
        f"expected {found.gain:+.4f} ± {found.spread:.4f}, drawn towards the usual {found.usual:+.4f} of {found.past} past turns",
        f"the chance that this is worth a turn (≥ {found.worth:g}{cost}) is {found.chance:.0%}",
    )


def _answer(
    answer: Answer,
    reasons: tuple[str, ...],
    probe: Probe,
    found: Expectation | None,
    again_at: datetime | None,
    now: datetime,
    volume: int,
) -> Judgement:
    numbers = {"rows": float(probe.rows), "volume": float(volume)}
    if probe.gain is not None:
        numbers |= {"gain": probe.gain.value, "low": probe.gain.low, "high": probe.gain.high}
    if found is not None:
        numbers |= {"expected": found.gain, "spread": found.spread, "usual": found.usual, "worth": found.worth, "chance": found.chance}
    return Judgement(
        id="",
        loop="",
        at=now,
        answer=answer,
        reasons=reasons,
        probe=probe,
        expectation=found,
        again_at=again_at,
        volume=volume,
        numbers=numbers,
    )


def _missing(probe: Probe) -> str:
    if probe.gain is None:
        return probe.note or "the champion cannot answer"
    few = [
        f"{have:,} of {need:,} {what}"
        for have, need, what in (
            (probe.rows, FEWEST_ROWS, "newest rows"),
            (probe.rarest, FEWEST_OF_A_CLASS, "of the rarest outcome"),
            (probe.blocks, FEWEST_BLOCKS, "blocks of time"),
        )
        if have < need
    ]
    return "; ".join(few) or ("" if probe.gain.se > 0 else "the difference has no error")


def _live_gain(world: World, turn: Turn, metric: str) -> PastGain | None:
    """From the last look of the turn's rollout, where it guarded the metric."""
    for rollout in world.documents.find(Rollout, where={"turn": turn.id}, limit=1):
        for look in rollout.looks:
            if look.guard == metric and look.difference.se > 0:
                return PastGain(turn=turn.id, gain=-look.difference.value, se=look.difference.se, seen="traffic")
    return None


def _held_out_gain(world: World, turn: Turn, metric: str) -> PastGain | None:
    """From the scorecard, which a refused candidate has too."""
    judged = next((step for step in world.engine.steps(turn.id) if step.name == "evaluation" and step.result), None)
    if judged is None:
        return None
    versus = wire.load(judged.result, Evaluated).scorecard.versus_champion.get(metric)
    if versus is None or not versus.se > 0:
        return None
    return PastGain(turn=turn.id, gain=versus.value, se=versus.se, seen="held-out rows")


def _worked(trip: Trip, room: Workshop, step: str, kind: type[T]) -> T | None:
    result = room.look(step, kind)
    trip.note(room.bench.heard(step))
    return result
