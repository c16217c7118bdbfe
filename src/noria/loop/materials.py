"""What the evaluation station has before it: the candidate, the champion, and the newest rows, which judge."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from noria.core.declaration.loop import Loop
from noria.core.schema import Task
from noria.core.training import Candidate, FeatureSet, Members
from noria.loop.families import with_beside
from noria.loop.given import given_of_judged
from noria.loop.refitting import answers_of
from noria.loop.workshop import Bench, Order
from noria.packaging import package
from noria.packaging.family_scorer import FamilyScorer, partitions_of
from noria.packaging.scorer import Scorer
from noria.ports.blobs import Blobs
from noria.stages.evaluation import metrics
from noria.stages.evaluation.given import Given
from noria.stages.training import splits


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Materials:
    """One candidate and the rows that judge it, in time order.

    Attributes:
        frame: The whole feature set, raw, with `__key`, `__time` and `__label`.
        judged: Its newest rows, which never trained.
        X: The same rows as the candidate's matrix, shape (rows, features).
        y: Their outcomes, shape (rows,).
        score: The candidate's answers, shape (rows,) or (rows, classes).
        champion_score: The champion's answers on the same rows; None without a champion that answers the same question.
        metric: The metric that matters most to this loop.
        scorer: The candidate; of a family, all of it as far as rows tell whose they are.
        given: What metrics of the candidate need besides outcomes and answers.
        members: What became of the candidate's family; None = none was asked for.
    """

    loop: Loop
    order: Order
    features: FeatureSet
    frame: pl.DataFrame
    candidate: Candidate
    scorer: Scorer
    X: np.ndarray
    y: np.ndarray
    judged: pl.DataFrame
    score: np.ndarray
    champion_score: np.ndarray | None
    metric: str
    given: Given
    blobs: Blobs
    bench: Bench
    members: Members | None = None

    @property
    def task(self) -> Task:
        """What is answered."""
        return self.features.task

    @property
    def champion(self) -> str:
        """The champion's name, as `loop@3`; "" = there is none."""
        return f"{self.loop.name}@{self.order.champion.number}" if self.order.champion else ""

    @property
    def champion_given(self) -> Given:
        """The same for the champion, which keeps its own threshold; what answers cost, today's loop says."""
        champion = self.order.champion
        return self.given if champion is None else replace(self.given, threshold=champion.candidate.signature.threshold)

    @property
    def times(self) -> np.ndarray:
        """Event times of the judging rows, datetime64[ms], shape (rows,)."""
        return self.judged["__time"].to_numpy().astype("datetime64[ms]")


def gathered(
    loop: Loop,
    order: Order,
    features: FeatureSet,
    frame: pl.DataFrame,
    candidate: Candidate,
    blobs: Blobs,
    bench: Bench,
    members: Members | None = None,
) -> Materials:
    """Let candidate and champion answer the rows that judge."""
    X, y, judged = splits.holdout(features, frame)
    whole = with_beside(frame, features, blobs).tail(judged.height) if features.groups else judged
    scorer: Scorer = package.load(candidate.artifact, blobs=blobs, python=True)
    if members is not None and members.family:
        scorer = family = FamilyScorer(candidate.artifact, members.family, blobs=blobs, python=True)
        score = family.answer(X, partitions_of(whole, members.by))
    else:
        score = scorer.score(X)
    return Materials(
        loop=loop,
        order=order,
        features=features,
        frame=frame,
        candidate=candidate,
        scorer=scorer,
        X=X,
        y=y,
        judged=judged,
        score=score,
        champion_score=None if order.champion is None else answers_of(order.champion, features, whole, blobs),
        metric=tuning_metric(loop, features.task),
        given=given_of_judged(loop, candidate, frame, judged.height),
        blobs=blobs,
        bench=bench,
        members=members,
    )


def tuning_metric(loop: Loop, task: Task) -> str:
    """The metric that matters most to this loop: the tuner's, else the first one that a gate names."""
    if loop.tune is not None and loop.tune.metric:
        return loop.tune.metric
    return next(iter(named_by_gates(loop)), metrics.main_metric(task))


def named_by_gates(loop: Loop) -> list[str]:
    """Metrics that gates ask for, in their order."""
    return [name for gate in loop.gates for name in ([gate.metric] if gate.metric else []) + list(_limits(gate.check, gate.limits))]


def _limits(check: str, limits: object) -> Sequence[str]:
    return list(limits) if check in ("at-least", "at-most") else []  # type: ignore[call-overload]
