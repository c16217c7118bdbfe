"""A turn's lines in the ledger: what happened at each station, in words, with its numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from noria.core.examination.leakage import LeakageReport
from noria.core.judging import Approval, Outcome, Scorecard, Verdict
from noria.core.schema import Estimate
from noria.core.training import Candidate, FeatureSet, Members, Recipe, Run, RunState
from noria.core.turning import Event, Turn
from noria.loop.evaluating import Evaluated
from noria.loop.examined import examination_of
from noria.loop.world import World
from noria.ports.records import Write

FINDINGS_TOLD = 20


class Story:
    """The turn's lines in the ledger: each follows from the one before."""

    def __init__(self, world: World, turn: Turn) -> None:
        self._world = world
        self._turn = turn

    def id(self, name: str) -> str:
        """The id of this turn's event of that name."""
        return f"{self._turn.id}:{name}"

    def last_verdict(self) -> str:
        """The name of the event that told the newest verdict: the gates' own, or the one after a person decided."""
        return "approved" if self._world.ledger.get([self.id("approved")]) else "verdict"

    def last_before_work(self) -> str:
        """The name of the event that the workshop's follow from: the judge's where it was asked, else that the data were taken."""
        return "policy" if self._world.ledger.get([self.id("policy")]) else "data"

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

    def leaks(self, report: LeakageReport, *, after: str = "data") -> Event:
        """What the check before training found."""
        found = [*report.stops, *report.warnings]
        stops = len(report.stops)
        return self.event(
            "leakage",
            "leakage.found" if stops else "leakage.checked",
            [str(finding) for finding in found[:FINDINGS_TOLD]] or [f"{len(report.checked)} checks, nothing found"],
            after=after,
            numbers={"stops": stops, "warnings": len(report.warnings), "skipped": len(report.skipped)},
        )

    def of_workshop(
        self,
        features: FeatureSet,
        leaks: LeakageReport,
        recipe: Recipe,
        candidate: Candidate,
        judged: Evaluated,
        members: Members | None = None,
    ) -> list[Write]:
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
                after=self.last_before_work(),
                numbers={"rows": features.rows},
                made_from=features.made_from,
            ),
            self._world.ledger.line(self.leaks(leaks, after="features")),
            self.line("tuning", "recipe.found", [f"{tried}: {params}"], after="features"),
            self.line(
                "training",
                "candidate.trained",
                [
                    f"{candidate.format} model of {candidate.size_bytes / 1e6:.2f} MB, served as {candidate.serving_form}",
                    *([candidate.choice.reason] if candidate.choice else []),
                ],
                after="tuning",
                made_from=candidate.made_from,
                numbers={"parity max diff": candidate.parity_max_diff},
            ),
            *([self._family(members)] if members else []),
            self.line(
                "evaluation",
                "scorecard.made",
                [
                    *(mark_words(name, mark) for name, mark in list(card.metrics.items())[:3]),
                    *(versus_words(card.champion, n, d) for n, d in list(card.versus_champion.items())[:1]),
                    *self._beside(card),
                ],
                after="family" if members else "training",
                numbers={**marks, "p99 ms": card.latency_p99_ms},
                made_from=card.made_from,
            ),
        ]

    def _family(self, members: Members) -> Write:
        return self.line(
            "family",
            "family.raised",
            [members.said],
            after="training",
            numbers={"tried": members.tried, "kept": members.kept, "left out": members.partitions - members.kept},
            made_from=[members.family] if members.family else [],
        )

    def _beside(self, card: Scorecard) -> list[str]:
        """What the examination says of simple models, of several windows and of ageing, where it has anything to say."""
        found = examination_of(card, self._world.blobs)
        if found is None:
            return []
        told = [found.baselines.note] if found.baselines else []
        if found.backtest is not None and found.backtest.versus is not None:
            told.append(
                f"over {len(found.backtest.windows)} windows, {versus_words(card.champion, found.backtest.metric, found.backtest.versus)}"
            )
        told += [found.staleness.advice] if found.staleness else []
        return [said for said in told if said]

    def verdict(self, verdict: Verdict, approval: Approval | None = None) -> tuple[Verdict, list[Write]]:
        """The verdict with its line."""
        reasons = [f"{result.outcome}: {result.gate}: {result.reason}" for result in verdict.results] or ["no gates were declared"]
        if approval is not None:
            reasons.append(f"{'approved' if approval.granted else 'refused'} by {approval.by}: {approval.reason}")
        numbers = {f"{r.gate} {k}": v for r in verdict.results for k, v in r.numbers.items()}
        name, after = ("verdict", "evaluation") if approval is None else ("approved", "verdict")
        by = approval.by if approval else "noria"
        kind = "verdict.reached" if verdict.outcome is not Outcome.NEEDS_APPROVAL else "approval.wanted"
        because = [self.id("approval")] if approval else []
        return verdict, [self.line(name, kind, reasons, after=after, numbers=numbers, by=by, because=because)]


def mark_words(name: str, mark: Estimate) -> str:
    """A mark with its interval."""
    return f"{name} {mark.value:.4f} [{mark.low:.4f}, {mark.high:.4f}]"


def versus_words(champion: str, name: str, mark: Estimate) -> str:
    """A difference from the champion with its interval."""
    return f"{name} against {champion}: {mark.value:+.4f} [{mark.low:+.4f}, {mark.high:+.4f}]"
