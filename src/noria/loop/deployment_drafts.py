"""Versions and moves of deployments without a loop as writes: each holds only if nobody else moved the deployment meanwhile."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from noria.core.errors import NotAllowed
from noria.core.graphs import members
from noria.core.judging import Scorecard, Verdict
from noria.core.registry import AliasMove, Deployment, ModelVersion
from noria.core.state import AliasState
from noria.core.training import Candidate
from noria.core.turning import Event
from noria.loop.canaries import begun, over
from noria.loop.graphs import form_of
from noria.loop.planning import CHAMPION, PINNED, open_rollout
from noria.loop.world import World
from noria.ports.records import Write
from noria.stages.registry import aliases, versions


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A version in the making: a candidate and the words that are said of it."""

    name: str
    candidate: Candidate
    scorecard: Scorecard | None
    verdict: Verdict
    code: str
    origin: str
    packed: tuple[str, ...]
    pinned: bool | None = None
    family: str = ""
    canary: tuple[float, ...] = ()


class Drafts:
    """Makes the writes; commits nothing."""

    def __init__(self, world: World) -> None:
        self._world = world

    def version(self, made: Made, *, by: str, reason: str) -> tuple[Deployment, list[Write]]:
        """A version, its alias and the deployment as writes; none where this model answers already."""
        world, name = self._world, made.name
        known = world.documents.revision(Deployment, name)
        latest = versions.latest(world.records, name)
        answering = None
        if known is not None and known[0].version is not None:
            answering = versions.get(world.records, name, known[0].version)
            if (answering.candidate.artifact, answering.code, answering.family) == (made.candidate.artifact, made.code, made.family):
                return self._pinned(known, made.pinned, by=by, reason=reason)
        if made.canary and answering is None:
            raise NotAllowed(f"{name}: nothing answers that it could be held against", fix="deploy it without --canary")
        if made.canary and open_rollout(world.documents, name) is not None:
            raise NotAllowed(f"{name}: a canary is under way", fix="`noria promote` or `noria rollback` ends it")
        now = world.clock.now()
        nothing = Scorecard(
            made_from=(made.candidate.artifact,), task=made.candidate.signature.task, rows=0, start=now, end=now, metrics={}
        )
        version = ModelVersion(
            model=name,
            number=latest + 1,
            candidate=made.candidate,
            scorecard=made.scorecard or nothing,
            verdict=made.verdict,
            feature_set="",
            datasets=(),
            reference="",
            code=made.code,
            turn="",
            created_at=now,
            origin=made.origin,
            family=made.family,
        )
        packed = self._event("model.packaged", version, by, made.packed)
        registered = self._event("version.registered", version, by, (f"v{version.number} registered, from {made.origin}",), (packed.id,))
        lines = [world.ledger.line(event) for event in (packed, registered)]
        if made.canary and known is not None and answering is not None:
            tried = begun(world, answering, version, made.canary, by=by, because=registered.id)
            return known[0], [world.documents.write(version, expect=0), *lines, *tried]
        deployment, moved = self.pointed(
            known, version, by=by, reason=reason, word="deployed", because=(registered.id,), pinned=made.pinned
        )
        ended = over(world, name, promote=None, reason=f"v{version.number} was deployed in its place by {by}") if known else []
        return deployment, [world.documents.write(version, expect=0), *lines, *moved, *ended]

    def _pinned(self, known: tuple[Deployment, int], pinned: bool | None, *, by: str, reason: str) -> tuple[Deployment, list[Write]]:
        deployment, revision = known
        if pinned is None or pinned == deployment.pinned:
            return deployment, []
        deployment, said = replace(deployment, pinned=pinned), "stays loaded" if pinned else "is loaded as it is asked for"
        event = self._world.ledger.event(
            PINNED, loop=deployment.name, subject=deployment.name, by=by, reasons=(said, *([reason] * bool(reason)))
        )
        return deployment, [self._world.documents.write(deployment, expect=revision), self._world.ledger.line(event)]

    def pointed(
        self,
        known: tuple[Deployment, int] | None,
        version: ModelVersion | None,
        *,
        by: str,
        reason: str,
        word: str,
        because: Sequence[str] = (),
        pinned: bool | None = None,
    ) -> tuple[Deployment, list[Write]]:
        """The deployment with its alias at a version, as writes that hold if nobody moved it meanwhile."""
        world, now = self._world, self._world.clock.now()
        name = version.model if version else known[0].name if known else ""
        alias = world.documents.revision(AliasState, f"{name}/{CHAMPION}")
        before, revision = (alias[0].version, alias[1]) if alias else (None, 0)
        after = version.number if version else None
        line = AliasMove(model=name, alias=CHAMPION, before=before, after=after, by=by, reason=reason, at=now)
        told = [f"champion: {'none' if before is None else f'v{before}'} → {'none' if after is None else f'v{after}'}"]
        event = world.ledger.event(
            "alias.moved",
            loop=name,
            subject=f"{name}@{after}" if after else name,
            by=by,
            reasons=(*told, f"{word}: {reason}" if reason else word),
            because=because,
        )
        deployment = _deployment(known[0] if known else None, version, by=by, now=now)
        form = None if version is None else form_of(world, version)
        deployment = deployment if form is None else replace(deployment, members=members(form.graph))
        deployment = deployment if pinned is None else replace(deployment, pinned=pinned)
        writes: list[Write] = [world.documents.write(deployment, expect=known[1] if known else 0)]
        return deployment, [*writes, *aliases.writes(line, revision=revision), world.ledger.line(event)]

    def _event(self, kind: str, version: ModelVersion, by: str, reasons: Sequence[str], because: Sequence[str] = ()) -> Event:
        return self._world.ledger.event(
            kind,
            loop=version.model,
            subject=f"{version.model}@{version.number}",
            by=by,
            reasons=tuple(reasons),
            because=because,
            made_from=(version.candidate.artifact, *version.candidate.made_from)
            if kind == "model.packaged"
            else (version.candidate.artifact,),
        )


def _deployment(known: Deployment | None, version: ModelVersion | None, *, by: str, now: datetime) -> Deployment:
    if version is None:
        assert known is not None
        return replace(known, version=None, by=by, deployed_at=now)
    return Deployment(
        name=version.model,
        version=version.number,
        origin=version.origin,
        format=version.candidate.format,
        task=version.candidate.signature.task,
        by=by,
        created_at=known.created_at if known else now,
        deployed_at=now,
        code=version.code,
        pinned=known.pinned if known else False,
    )
