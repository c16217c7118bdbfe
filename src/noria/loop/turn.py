"""One trip round the ring, as prose.

Every line is journalled, so a turn may be cut anywhere and go on elsewhere: what was done answers
from the journal, what was not is done. Events have ids made from the turn's, so they are told once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from noria.core.data import DatasetVersion
from noria.core.errors import ExpectationsMissed
from noria.core.judging import Approval, Outcome, Verdict
from noria.core.registry import ModelVersion
from noria.core.schema import Estimate
from noria.core.training import Candidate, FeatureSet, Recipe, Run, RunState
from noria.core.turning import Event, Rollout, RolloutPhase, Step, Turn, TurnState
from noria.core.watching import Incident, MonitorState
from noria.durable.trip import Trip
from noria.loop import drills
from noria.loop.deploy import CHALLENGER, CHAMPION
from noria.loop.gathering import gather
from noria.loop.rollout import begin
from noria.loop.steering import steer
from noria.loop.work import Evaluated
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
    workshop.open(_order(trip, declared, gathered, champion))

    features = trip.poll("features", lambda: _worked(trip, workshop, "features", FeatureSet), FeatureSet)
    recipe = trip.poll("tuning", lambda: _worked(trip, workshop, "tuning", Recipe), Recipe)
    candidate = trip.poll("training", lambda: _worked(trip, workshop, "training", Candidate), Candidate)
    judged = trip.poll("evaluation", lambda: _worked(trip, workshop, "evaluation", Evaluated), Evaluated)
    trip.commit("told", lambda: (True, story.of_workshop(features, recipe, candidate, judged)), bool)

    verdict = trip.commit("governance", lambda: story.verdict(judge(loop.gates, judged.scorecard)), Verdict)
    if verdict.outcome is Outcome.NEEDS_APPROVAL:
        approval = trip.wait("approval", lambda: approval_of(world.records, trip.turn.id), Approval, every=None)
        verdict = trip.commit("approved", lambda: story.verdict(judge(loop.gates, judged.scorecard, approval=approval), approval), Verdict)
    if verdict.outcome is Outcome.FAIL:
        misses = "; ".join(result.reason for result in verdict.results if result.outcome is Outcome.FAIL)
        trip.end(TurnState.REFUSED, f"refused: {misses}", writes=[story.line("refused", "turn.refused", [misses], after="verdict")])

    version = trip.step(
        "registry", lambda: _registered(trip, declared, world, gathered, candidate, judged, verdict, features, story), ModelVersion
    )
    if champion is None:
        trip.commit("serving", lambda: _crowned(world, story, trip, version, None, "the first version that passed its gates"), bool)
        trip.end(TurnState.DONE, f"v{version.number} was born and is champion")

    rollout = trip.commit("serving", lambda: _rollout_begun(trip, declared, world, version, champion.number, story), Rollout)
    rollout = trip.wait("rollout", lambda: steer(trip, declared, world, rollout.id), Rollout, every=world.cadence.look)
    if rollout.phase is RolloutPhase.PROMOTED:
        trip.commit("monitoring", lambda: _crowned(world, story, trip, version, gathered.champion, rollout.reason), bool)
        trip.end(TurnState.DONE, f"v{version.number} was promoted: {rollout.reason}")
    trip.commit("monitoring", lambda: _stepped_down(world, story, trip, version, rollout), bool)
    trip.end(TurnState.ROLLED_BACK, f"v{version.number} was rolled back: {rollout.reason}")


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
    return [story.line("failed", "turn.failed", reasons, after="started"), world.documents.write(run)]


class Story:
    """The turn's lines in the ledger: each follows from the one before."""

    def __init__(self, world: World, turn: Turn) -> None:
        self._world = world
        self._turn = turn

    def id(self, name: str) -> str:
        """The id of this turn's event of that name."""
        return f"{self._turn.id}:{name}"

    def event(
        self,
        name: str,
        kind: str,
        reasons: Sequence[str],
        *,
        after: str,
        numbers: Mapping[str, float] | None = None,
        made_from: Sequence[str] = (),
        subject: str = "",
        by: str = "noria",
        because: Sequence[str] = (),
    ) -> Event:
        """One event of this turn; `after` names the event of the turn that it follows from."""
        return self._world.ledger.event(
            kind,
            loop=self._turn.loop,
            subject=subject or self._turn.loop,
            by=by,
            reasons=tuple(reasons),
            because=(self.id(after), *because),
            numbers=numbers or {},
            made_from=tuple(made_from),
            turn=self._turn.id,
            id=self.id(name),
        )

    def line(self, name: str, kind: str, reasons: Sequence[str], **facts: object) -> Write:
        """The event as a write."""
        return self._world.ledger.line(self.event(name, kind, reasons, **facts))  # type: ignore[arg-type]

    def of_workshop(self, features: FeatureSet, recipe: Recipe, candidate: Candidate, judged: Evaluated) -> list[Write]:
        """What the workshop made, and the run that made it."""
        card = judged.scorecard
        marks = {name: mark.value for name, mark in card.metrics.items()}
        tried = f"{len(recipe.trials)} trials" if recipe.trials else "no search"
        params = ", ".join(
            f"{name}={value:.4g}" if isinstance(value, float) else f"{name}={value}" for name, value in recipe.params.items()
        )
        run = Run(
            id=candidate.run,
            loop=self._turn.loop,
            turn=self._turn.id,
            kind="train",
            state=RunState.COMPLETE,
            started_at=self._turn.created_at,
            ended_at=self._world.clock.now(),
            params=candidate.recipe.params,
            metrics=marks,
            provenance=candidate.provenance,
        )
        span = f"{features.start:%Y-%m-%d} to {features.end:%Y-%m-%d}"
        return [
            self._world.documents.write(run),
            self.line(
                "features",
                "features.assembled",
                [f"{features.rows:,} rows, {len(features.features)} features, {span}"],
                after="data",
                numbers={"rows": features.rows},
                made_from=features.made_from,
            ),
            self.line("tuning", "recipe.found", [f"{tried}: {params}"], after="features"),
            self.line(
                "training",
                "candidate.trained",
                [f"{candidate.format} model of {candidate.size_bytes / 1e6:.2f} MB, served as {candidate.serving_form}"],
                after="tuning",
                made_from=candidate.made_from,
                numbers={"parity max diff": candidate.parity_max_diff},
            ),
            self.line(
                "evaluation",
                "scorecard.made",
                [
                    *(_mark(name, mark) for name, mark in list(card.metrics.items())[:3]),
                    *(_versus(card.champion, n, d) for n, d in list(card.versus_champion.items())[:1]),
                ],
                after="training",
                numbers={**marks, "p99 ms": card.latency_p99_ms},
                made_from=card.made_from,
            ),
        ]

    def verdict(self, verdict: Verdict, approval: Approval | None = None) -> tuple[Verdict, list[Write]]:
        """The verdict with its line."""
        reasons = [f"{result.outcome}: {result.gate}: {result.reason}" for result in verdict.results] or ["no gates were declared"]
        if approval is not None:
            reasons.append(f"{'approved' if approval.granted else 'refused'} by {approval.by}: {approval.reason}")
        numbers = {f"{r.gate} {k}": v for r in verdict.results for k, v in r.numbers.items()}
        name, after = ("verdict", "evaluation") if approval is None else ("approved", "verdict")
        by = approval.by if approval else "noria"
        kind = "verdict.reached" if verdict.outcome is not Outcome.NEEDS_APPROVAL else "approval.wanted"
        return verdict, [self.line(name, kind, reasons, after=after, numbers=numbers, by=by)]


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
    if result is None:
        trip.note(workshop.bench.heard(step))
    return result


def _registered(
    trip: Trip,
    declared: Declared,
    world: World,
    gathered: Gathered,
    candidate: Candidate,
    judged: Evaluated,
    verdict: Verdict,
    features: FeatureSet,
    story: Story,
) -> ModelVersion:
    def told(version: ModelVersion) -> list[Write]:
        after = "approved" if any(result.gate.startswith("approval") for result in verdict.results) else "verdict"
        reasons = [f"v{version.number} registered", *(_mark(n, m) for n, m in list(judged.scorecard.metrics.items())[:1])]
        return [story.line("registered", "version.registered", reasons, after=after, subject=f"{version.model}@{version.number}")]

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
        also=told,
    )


def _rollout_begun(
    trip: Trip, declared: Declared, world: World, version: ModelVersion, champion: int, story: Story
) -> tuple[Rollout, Sequence[Write]]:
    canary = declared.loop.rollout
    rollout = begin(
        canary,
        id=f"rollout_{trip.turn.id.removeprefix('turn_')}",
        loop=declared.loop.name,
        turn=trip.turn.id,
        champion=champion,
        challenger=version.number,
        now=trip.clock.now(),
    )
    ladder = " → ".join(["shadow"] * (canary.shadow_rows > 0) + [f"{step:g} %" for step in canary.steps])
    reasons = [f"v{version.number} against v{champion}: {ladder}", f"guards: {', '.join(canary.guard)}"]
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


def _crowned(
    world: World, story: Story, trip: Trip, version: ModelVersion, before: int | None, reason: str
) -> tuple[bool, Sequence[Write]]:
    """Make the version champion: its alias moves once, however often this is tried, and the monitors begin anew."""
    after = "registered" if before is None else "rollout-ended"
    line = story.line(
        "champion",
        "alias.moved",
        [f"champion: {'none' if before is None else f'v{before}'} → v{version.number}", reason],
        after=after,
        subject=f"{version.model}@{version.number}",
        made_from=(version.candidate.artifact,),
    )
    at = trip.clock.now()
    aliases.move(
        world.records,
        version.model,
        CHAMPION,
        version.number,
        expect=before,
        by="noria",
        reason=reason,
        at=at,
        turn=trip.turn.id,
        also=[line],
    )
    _no_challenger(world, trip, version.model, "became champion")
    return True, _answered(world, story, version, trip)


def _answered(world: World, story: Story, version: ModelVersion, trip: Trip) -> list[Write]:
    """Open incidents are answered by a new champion, and its monitors have seen nothing yet."""
    writes: list[Write] = []
    now = trip.clock.now()
    for incident in world.documents.find(Incident, where={"loop": version.model, "state": "open"}):
        why = f"answered by the promotion of v{version.number}"
        writes.append(world.documents.write(replace(incident, closed_at=now, closed_because=why)))
        closed = world.ledger.event(
            "incident.closed",
            loop=version.model,
            subject=incident.id,
            reasons=(incident.title, why),
            because=(story.id("champion"),),
            id=f"{incident.id}:closed",
        )
        writes.append(world.ledger.line(closed))
    for state in world.documents.find(MonitorState, where={"loop": version.model}):
        writes.append(world.documents.write(MonitorState(loop=state.loop, monitor=state.monitor, subject=state.subject)))
    return writes


def _stepped_down(world: World, story: Story, trip: Trip, version: ModelVersion, rollout: Rollout) -> tuple[bool, Sequence[Write]]:
    _no_challenger(world, trip, version.model, rollout.reason)
    line = story.line(
        "stepped-down",
        "challenger.dismissed",
        [f"v{version.number} leaves, v{rollout.champion} stays champion", rollout.reason],
        after="rollout-ended",
        subject=f"{version.model}@{version.number}",
        numbers={"touched": rollout.touched, "failed over to the champion": rollout.failed},
    )
    return True, [line]


def _no_challenger(world: World, trip: Trip, model: str, reason: str) -> None:
    current = aliases.current(world.records, model, CHALLENGER)
    if current is not None:
        aliases.move(
            world.records, model, CHALLENGER, None, expect=current, by="noria", reason=reason, at=trip.clock.now(), turn=trip.turn.id
        )


def _mark(name: str, mark: Estimate) -> str:
    return f"{name} {mark.value:.4f} [{mark.low:.4f}, {mark.high:.4f}]"


def _versus(champion: str, name: str, mark: Estimate) -> str:
    return f"{name} against {champion}: {mark.value:+.4f} [{mark.low:+.4f}, {mark.high:+.4f}]"
