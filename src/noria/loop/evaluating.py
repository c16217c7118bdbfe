"""The evaluation station's work: the scorecard, the examination behind it, and what monitors will compare with."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeVar

from noria.core.declaration.rollout import compared as compared_metrics
from noria.core.examination.curves import Curves
from noria.core.examination.examination import Examination
from noria.core.examination.leakage import LeakageReport
from noria.core.examination.threshold import ThresholdChoice
from noria.core.judging import Scorecard
from noria.loop.backtesting import backtest_of, lofo_of, past_of, staleness_of
from noria.loop.comparing import baselines_of, importance_of, rivalry_of
from noria.loop.conduct import fairness_of, slices_of, stress_of
from noria.loop.explained import explained
from noria.loop.materials import Materials, named_by_gates
from noria.loop.referring import reference_of
from noria.ports import wire
from noria.stages.evaluation import paired, scorecards
from noria.stages.evaluation.agreement import agreed
from noria.stages.evaluation.costs import judged
from noria.stages.evaluation.curves import curves_of
from noria.stages.evaluation.latency import measure
from noria.stages.evaluation.metrics import offers

LATENCY_ROWS = 300

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluated:
    """The scorecard, and the digest of the drift reference."""

    scorecard: Scorecard
    reference: str


def evaluated(on: Materials) -> Evaluated:
    """The scorecard on the newest rows, and the reference that monitors will compare traffic with."""
    card = _scorecard(on)
    found = examined(on, card)
    reference = on.blobs.put(wire.dump(reference_of(on, card, leans=found.importance)))
    return Evaluated(scorecard=replace(card, examination=on.blobs.put(wire.dump(found))), reference=reference)


def examined(on: Materials, card: Scorecard) -> Examination:
    """Look behind the marks, subject by subject; one that fails is told as untold and spoils no other."""
    untold: dict[str, str] = {}
    beside = _told(on, untold, "baselines", lambda: baselines_of(on), None)
    leans = _told(on, untold, "importance", lambda: importance_of(on), None)
    past = _told(on, untold, "backtest", lambda: past_of(on), None)
    return Examination(
        made_from=card.made_from,
        leakage=on.bench.result("leakage", LeakageReport),
        slices=_told(on, untold, "slices", lambda: slices_of(on), None),
        fairness=_told(on, untold, "fairness", lambda: fairness_of(on), None),
        stress=_told(on, untold, "stress", lambda: stress_of(on), None),
        curves=_told(on, untold, "curves", lambda: curves_on(on), None),
        threshold=_told(on, untold, "threshold", lambda: threshold_on(on), None),
        rivalry=_told(on, untold, "rivalry", lambda: rivalry_of(on, card), None),
        baselines=beside,
        importance=leans,
        lofo=_told(on, untold, "lofo", lambda: lofo_of(on, leans), None),
        backtest=_told(on, untold, "backtest", lambda: backtest_of(on, past), None),
        staleness=_told(on, untold, "staleness", lambda: staleness_of(on, past, beside), None),
        explained=_told(on, untold, "explained", lambda: explained(on), None),
        untold=untold,
    )


def curves_on(on: Materials) -> Curves:
    """What the candidate does over the range of its answers."""
    return curves_of(
        on.task,
        on.y,
        on.score,
        given=on.given,
        classes=on.features.classes,
        times=on.times,
        clusters=scorecards.time_blocks(on.times),
        seed=on.loop.seed,
    )


def threshold_on(on: Materials) -> ThresholdChoice | None:
    """How the threshold was chosen, with what it costs on the rows that judge; None where the loop states no costs."""
    choice = on.candidate.choice
    if choice is None or choice.costs is None:
        return None
    return replace(choice, judged=judged(on.y, on.score, choice.costs, choice.threshold, clusters=scorecards.time_blocks(on.times)))


def _told(on: Materials, untold: dict[str, str], subject: str, look: Callable[[], T], otherwise: T) -> T:
    """What `look` finds on a subject; `otherwise`, with the reason among the untold and its traceback on the bench, when it fails."""
    on.bench.say("evaluation", subject)
    try:
        return look()
    except Exception as error:  # noqa: BLE001 - one subject must not cost the candidate its scorecard; it is recorded
        untold[subject] = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
        on.bench.keep(f"untold-{subject}", "".join(traceback.format_exception(error)))
        return otherwise


def _scorecard(on: Materials) -> Scorecard:
    by_slice = [gate for gate in on.loop.gates if gate.check == "no-slice-worse"]
    card = scorecards.scorecard(
        task=on.task,
        y=on.y,
        score=on.score,
        times=on.times,
        frame=on.judged,
        made_from=(on.candidate.artifact, on.features.digest, *([on.members.family] if on.members and on.members.family else [])),
        champion=on.champion,
        champion_score=on.champion_score,
        slices=tuple(dict.fromkeys(gate.column for gate in by_slice)),
        slice_metrics=tuple(dict.fromkeys(gate.metric or on.metric for gate in by_slice)),
        min_slice_rows=min((gate.min_rows for gate in by_slice), default=200),
        metric=on.metric,
        seed=on.loop.seed,
        latency=measure(on.scorer.score, on.X[: 2 * LATENCY_ROWS], calls=LATENCY_ROWS),
        size_bytes=on.candidate.size_bytes + (on.members.size_bytes if on.members else 0),
        also=[name for name in named_by_gates(on.loop) if offers(name, on.task)],
        given=on.given,
        champion_given=on.champion_given,
    )
    if on.champion_score is None:
        return card
    alike = agreed(on.champion_score, on.score, clusters=scorecards.time_blocks(on.times))
    return replace(card, design_effect=_design_effects(on, card), agreement=alike)


def _design_effects(on: Materials, card: Scorecard) -> dict[str, float]:
    """For each guarded metric: the clustered variance of the difference over the one of independent rows."""
    effects: dict[str, float] = {}
    if on.champion_score is None:
        return effects
    for name in compared_metrics(on.loop.rollout):
        if name in card.versus_champion:
            independent = paired.compare(
                name, on.y, on.score, on.champion_score, task=card.task, given=on.given, champion_given=on.champion_given
            )
            ratio = (card.versus_champion[name].se / independent.se) ** 2 if independent.se > 0 else 1.0
            effects[name] = max(1.0, ratio) if ratio == ratio else 1.0
    return effects
