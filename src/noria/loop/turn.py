"""One trip round the ring, as prose.

Every line is journalled, so a turn may be cut anywhere and go on elsewhere: what was done answers
from the journal, what was not is done. Events have ids made from the turn's, so they are told once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from noria.core.data import DatasetVersion
from noria.core.declaration.loop import Loop
from noria.core.declaration.rollout import in_words
from noria.core.errors import ExpectationsMissed
from noria.core.examination.leakage import LeakageReport
from noria.core.judging import Approval, Outcome, Verdict
from noria.core.registry import ModelVersion
from noria.core.training import Candidate, FeatureSet, Members, Recipe, Run, RunState
from noria.core.turning import Rollout, RolloutPhase, Step, Turn, TurnState
from noria.durable.trip import Trip
from noria.loop import drills
from noria.loop.evaluating import Evaluated
from noria.loop.examined import examination_of
from noria.loop.gathering import gather
from noria.loop.ingredients import ingredients_of
from noria.loop.leaks import refusal
from noria.loop.planning import CHALLENGER, CHAMPION, open_rollout
from noria.loop.probing import wants_probe, worth_it
from noria.loop.rollout import begin, out
from noria.loop.states import state_of
from noria.loop.steering import steer, told
from noria.loop.story import Story, mark_words
from noria.loop.succession import crowned, stepped_down
from noria.loop.workshop import Order, Workshop
from noria.loop.world import Declared, World
from noria.ports.records import Write
from noria.stages.governance.approvals import approval_of
from noria.stages.governance.judge import judge
from noria.stages.registry import aliases, versions

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathered:
    """The dataset versions of this turn, and the champion that it will be held against."""

    datasets: Mapping[str, DatasetVersion]
    champion: int | None


def turn(trip: Trip, declared: Declared, world: World) -> None:
    """Turn the wheel once: data to candidate, candidate to verdict, verdict to champion."""
    loop, story, workshop = declared.loop, Story(world, trip.turn), Workshop(world, trip.turn)

    gathered = trip.commit("data", lambda: _gathered(trip, declared, world, story), Gathered)
    champion = None if gathered.champion is None else versions.get(world.records, loop.name, gathered.champion)
    order = _order(trip, declared, gathered, champion)
    if wants_probe(loop.retrain, trip.turn.signal, champion):
        worth_it(trip, declared, world, story, order, workshop)
    workshop.open(order)

    features = trip.poll("features", lambda: _worked(trip, workshop, "features", FeatureSet), FeatureSet)
    leaks = trip.poll("leakage", lambda: _looked_over(trip, workshop, world, story), LeakageReport)
    recipe = trip.poll("tuning", lambda: _worked(trip, workshop, "tuning", Recipe), Recipe)
    candidate = trip.poll("training", lambda: _worked(trip, workshop, "training", Candidate), Candidate)
    members = trip.poll("family", lambda: _worked(trip, workshop, "family", Members), Members) if loop.family else None
    judged = trip.poll("evaluation", lambda: _worked(trip, workshop, "evaluation", Evaluated), Evaluated)
    trip.commit("told", lambda: (True, story.of_workshop(features, leaks, recipe, candidate, judged, members)), bool)

    verdict = trip.commit("governance", lambda: story.verdict(_judged(world, loop, judged)), Verdict)
    if verdict.outcome is Outcome.NEEDS_APPROVAL:
        approval = trip.wait("approval", lambda: approval_of(world.records, trip.turn.id), Approval, every=world.cadence.look)
        verdict = trip.commit("approved", lambda: story.verdict(_judged(world, loop, judged, approval), approval), Verdict)
    if verdict.outcome is Outcome.FAIL:
        misses = "; ".join(result.reason for result in verdict.results if result.outcome is Outcome.FAIL)
        refused = story.line("refused", "turn.refused", [misses], after=story.last_verdict())
        trip.end(TurnState.REFUSED, f"refused: {misses}", writes=[refused])

    family = members.family if members else ""
    version = trip.step(
        "registry", lambda: _registered(trip, declared, world, gathered, candidate, family, judged, verdict, features, story), ModelVersion
    )
    if champion is None:
        trip.commit("serving", lambda: crowned(world, story, trip, version, None, "the first version that passed its gates"), bool)
        trip.end(TurnState.DONE, f"v{version.number} was born and is champion")

    if not trip.begun("serving") and (_held(world, loop) or trip.begun("held")):
        trip.wait("held", lambda: None if _held(world, loop) else True, bool, every=None)
    rollout = trip.commit("serving", lambda: _rollout_begun(trip, declared, world, version, champion.number, story), Rollout)
    rollout = trip.wait("rollout", lambda: steer(trip, declared, world, rollout.id), Rollout, every=world.cadence.look)
    if trip.commit("monitoring", lambda: _succeeded(world, story, trip, version, rollout), bool):
        trip.end(TurnState.DONE, f"v{version.number} was promoted: {rollout.reason}")
    trip.end(TurnState.ROLLED_BACK, f"v{version.number} was rolled back: {state_of(world.documents, loop.name).held or rollout.reason}")


def failed(world: World, turn: Turn, step: Step) -> Sequence[Write]:
    """What is told, in the same commit, when a turn fails."""
    story = Story(world, turn)
    last = step.error.strip().splitlines()[-1] if step.error else ""
    run = Run(
        id=f"run_{turn.id.removeprefix('turn_')}",
        loop=turn.loop,
        turn=turn.id,
        kind="train",
        state=RunState.FAILED,
        started_at=turn.created_at,
        ended_at=world.clock.now(),
        error=step.error,
    )
    reasons = [f"{step.name} failed: {turn.outcome or last}"]
    after = "leakage" if step.name == "leakage" and world.ledger.get([story.id("leakage")]) else "started"
    return [story.line("failed", "turn.failed", reasons, after=after), world.documents.write(run), *_challenger_out(world, turn)]


def _challenger_out(world: World, turn: Turn) -> list[Write]:
    """A rollout does not outlive its turn: nobody would look at it any more."""
    running = open_rollout(world.documents, turn.loop)
    found = world.documents.revision(Rollout, running.id) if running is not None and running.turn == turn.id else None
    if found is None:
        return []
    ended = out(found[0], world.clock.now(), f"its turn failed: {turn.outcome}")
    return [world.documents.write(ended.rollout, expect=found[1]), *told(world, ended)]


def _held(world: World, loop: Loop) -> str:
    return state_of(world.documents, loop.name).held


def _succeeded(world: World, story: Story, trip: Trip, version: ModelVersion, rollout: Rollout) -> tuple[bool, Sequence[Write]]:
    """Crown the version, or let it step down: as its rollout ended, unless it was killed on its last steps."""
    killed = state_of(world.documents, version.model).held
    if rollout.phase is RolloutPhase.PROMOTED and not killed:
        return crowned(world, story, trip, version, rollout.champion, rollout.reason)
    return stepped_down(world, story, trip, version, replace(rollout, reason=killed or rollout.reason))


def _gathered(trip: Trip, declared: Declared, world: World, story: Story) -> tuple[Gathered, Sequence[Write]]:
    champion = aliases.current(world.records, declared.loop.name, CHAMPION)
    taken = gather(world, declared, trip.clock.now())
    reasons = [f"{version.name}: {version.rows:,} rows ({version.digest[7:19]})" for version in taken.versions.values()]
    if taken.harvested:
        reasons.append(f"{taken.harvested:,} rows came back from traffic with their outcomes")
    writes: list[Write] = [world.documents.write(version) for version in taken.versions.values()]
    if taken.missed:
        story_of_it = story.event("data", "expectations.missed", [*reasons, taken.missed], after="started")
        world.ledger.write(story_of_it)
        raise ExpectationsMissed(taken.missed)
    made_from = [version.digest for version in taken.versions.values()]
    writes.append(story.line("data", "data.taken", reasons, after="started", made_from=made_from))
    return Gathered(datasets=taken.versions, champion=champion), writes


def _order(trip: Trip, declared: Declared, gathered: Gathered, champion: ModelVersion | None) -> Order:
    return Order(
        turn=trip.turn.id,
        loop=declared.loop.name,
        file=str(declared.file),
        code=declared.code,
        now=trip.turn.created_at,
        datasets=gathered.datasets,
        champion=champion,
    )


def _worked(trip: Trip, workshop: Workshop, step: str, kind: type[T]) -> T | None:
    result = workshop.look(step, kind)
    trip.note(workshop.bench.heard(step))
    return result


def _looked_over(trip: Trip, workshop: Workshop, world: World, story: Story) -> LeakageReport | None:
    report = _worked(trip, workshop, "leakage", LeakageReport)
    if report is not None and report.stops:
        world.ledger.write(story.leaks(report))
        raise refusal(report)
    return report


def _judged(world: World, loop: Loop, judged: Evaluated, approval: Approval | None = None) -> Verdict:
    card = judged.scorecard
    examination = examination_of(card, world.blobs)
    return judge(loop.gates, card, examination=examination, approval=approval)


def _registered(
    trip: Trip,
    declared: Declared,
    world: World,
    gathered: Gathered,
    candidate: Candidate,
    family: str,
    judged: Evaluated,
    verdict: Verdict,
    features: FeatureSet,
    story: Story,
) -> ModelVersion:
    def told(version: ModelVersion) -> list[Write]:
        after = story.last_verdict()
        reasons = [f"v{version.number} registered", *(mark_words(n, m) for n, m in list(judged.scorecard.metrics.items())[:1])]
        made_of = world.documents.write(ingredients_of(version, declared, gathered.datasets))
        return [made_of, story.line("registered", "version.registered", reasons, after=after, subject=f"{version.model}@{version.number}")]

    return versions.register(
        world.records,
        model=declared.loop.name,
        candidate=candidate,
        scorecard=judged.scorecard,
        verdict=verdict,
        feature_set=features.digest,
        datasets=tuple(version.digest for version in gathered.datasets.values()),
        reference=judged.reference,
        code=declared.code,
        turn=trip.turn.id,
        at=trip.clock.now(),
        family=family,
        also=told,
    )


def _rollout_begun(
    trip: Trip, declared: Declared, world: World, version: ModelVersion, champion: int, story: Story
) -> tuple[Rollout, Sequence[Write]]:
    strategy = declared.loop.rollout
    rollout = begin(
        strategy,
        id=f"rollout_{trip.turn.id.removeprefix('turn_')}",
        loop=declared.loop.name,
        turn=trip.turn.id,
        champion=champion,
        challenger=version.number,
        now=trip.clock.now(),
    )
    reasons = [f"v{version.number} against v{champion}: {in_words(strategy)}", f"guards: {', '.join(strategy.guard) or 'none'}"]
    writes: list[Write] = [world.documents.write(rollout)]
    drill = drills.waiting(world.records, declared.loop.name)
    if drill is not None:
        writes.append(drills.taken(drill, version.number))
        reasons.append(f"fire drill by {drill.by}: this challenger answers {drill.fault} on purpose")
    writes.append(story.line("rollout", "rollout.started", reasons, after="registered", subject=f"{version.model}@{version.number}"))
    aliases.move(
        world.records,
        declared.loop.name,
        CHALLENGER,
        version.number,
        expect=aliases.current(world.records, declared.loop.name, CHALLENGER),
        by="noria",
        reason="enters the rollout",
        at=trip.clock.now(),
        turn=trip.turn.id,
    )
    return rollout, writes
