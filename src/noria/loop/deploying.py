"""Deployments without a loop: a model that somebody brings becomes a version, and the version answers. All of it is on the record."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice

from noria.core.errors import Conflict, NotAllowed, NotFound, RequestInvalid
from noria.core.graphs import Graph, members
from noria.core.judging import GateResult, Outcome, Scorecard, Verdict
from noria.core.registry import AliasMove, Deployment, ModelVersion
from noria.core.state import AliasState, LoopState
from noria.core.training import Candidate, Provenance, Recipe
from noria.core.turning import Event
from noria.loop.bringing import AT_ONCE, TOGETHER, Order, family_of, packaged, said
from noria.loop.graphs import asked_by, check_again, drawn, form_of
from noria.loop.planning import CHAMPION, PINNED, bring_out
from noria.loop.world import World
from noria.ports.records import Write
from noria.stages.registry import aliases, versions

NAME = re.compile(r"[a-z][a-z0-9-]{1,62}")
_TRIES = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class _Made:
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


class Deployments:
    """A person's side of deployments without a loop. Thread-safe: each verb is one compare-and-set."""

    def __init__(self, world: World) -> None:
        self._world = world

    def deploy(self, order: Order, *, by: str, reason: str) -> Deployment:
        """Package a model, register it as the name's next version and let it answer; the model that answers already stays.

        Raises:
            ArtifactRejected: the model may not be opened, or does not answer as its signature says.
            RequestInvalid: the name cannot be one.
            NotAllowed: the name is a loop's.
        """
        self._nameable(order.name)
        return self._put(self._packed(order), by=by, reason=reason)

    def deploy_version(self, name: str, loop: str, number: int, *, by: str, reason: str) -> Deployment:
        """Let a version of a loop (or of another deployment) answer under a name of its own, with the features that it was made with.

        Raises:
            NotFound: there is no such version.
            RequestInvalid: the name cannot be one.
            NotAllowed: the name is a loop's.
        """
        self._nameable(name)
        found = versions.get(self._world.records, loop, number)
        form = form_of(self._world, found)
        if form is not None:
            return self.deploy_graph(name, form.graph, by=by, reason=reason)
        origin = found.origin if found.code and found.origin else f"{loop}@{number}"
        said = (f"the package of {loop}@{number}, as it is",)
        made = _Made(
            name=name,
            candidate=found.candidate,
            scorecard=found.scorecard,
            verdict=found.verdict,
            code=found.code,
            origin=origin,
            family=found.family,
            packed=said,
        )
        return self._put(made, by=by, reason=reason)

    def deploy_graph(self, name: str, graph: Graph, *, by: str, reason: str) -> Deployment:
        """Let other deployments answer together under a name, as its next version; the same graph over members that stayed alike makes none.

        Raises:
            RequestInvalid: a member is not there, or they do not fit together; the name cannot be one.
            NotAllowed: the name is a loop's.
        """
        self._nameable(name)
        found = drawn(self._world, name, graph)
        verdict = Verdict(outcome=Outcome.PASS, results=(GateResult(gate="members", outcome=Outcome.PASS, reason=found.fits),))
        made = _Made(
            name=name,
            candidate=found.candidate,
            scorecard=None,
            verdict=verdict,
            code="",
            origin=found.said,
            packed=(found.said, found.fits),
        )
        return self._put(made, by=by, reason=reason)

    def deploy_all(self, orders: Iterable[Order], *, by: str, reason: str) -> Iterator[Deployment]:
        """As `deploy` for many, as quickly as the disk allows; each is yielded when it is on the record.

        The plan comes out once, after the last: until then none of them answers.
        """
        coming = iter(orders)
        while some := list(islice(coming, TOGETHER)):
            for order in some:
                self._nameable(order.name)
            with ThreadPoolExecutor(AT_ONCE) as pool:
                made = list(pool.map(self._packed, some))
            yield from self._commit(made, by=by, reason=reason)
        bring_out(self._world)

    def undeploy(self, name: str, *, by: str, reason: str) -> Deployment:
        """Take a deployment away: it answers no more. Its versions, its log and its name stay.

        Raises:
            NotFound: no such deployment.
            NotAllowed: it was taken away already, or a graph asks it.
        """
        found = self.find(name)
        if found.version is None:
            raise NotAllowed(f"{name} was taken away already", fix="`noria deploy` brings it back")
        asking = asked_by(self._world, name)
        if asking:
            raise NotAllowed(f"{', '.join(asking)} asks {name}", fix=f"undeploy {asking[0]} first, or deploy it without {name}")
        return self._point(name, None, by=by, reason=reason, word="taken away")

    def promote(self, name: str, version: int, *, by: str, reason: str) -> Deployment:
        """Let a version that is registered answer.

        Raises:
            NotFound: no such deployment or version.
            NotAllowed: it answers already, or is a graph that its members do not fit now.
        """
        found = self.find(name)
        if found.version == version:
            raise NotAllowed(f"v{version} of {name} is champion already")
        return self._point(name, version, by=by, reason=reason, word="promoted by hand")

    def rollback(self, name: str, *, by: str, reason: str) -> Deployment:
        """Go back to the version that answered before this one.

        Raises:
            NotFound: no such deployment.
            NotAllowed: there is nothing to go back to, or that is a graph that its members do not fit now.
        """
        self.find(name)
        before = aliases.previous(self._world.records, name, CHAMPION)
        if before is None:
            raise NotAllowed(f"{name} has no version before this one", fix="`noria deploy` makes another")
        return self._point(name, before, by=by, reason=reason, word="rolled back by hand")

    def find(self, name: str) -> Deployment:
        """One deployment.

        Raises:
            NotFound: there is none of that name.
        """
        found = self._world.documents.get(Deployment, name)
        if found is None:
            raise NotFound(f"no deployment {name!r} here", fix="`noria deployments` lists them")
        return found

    def _nameable(self, name: str) -> None:
        if not NAME.fullmatch(name):
            raise RequestInvalid(
                f"{name[:100]!r} cannot be a deployment's name", fix="write 2 to 63 small letters, digits and dashes, a letter first"
            )
        if self._world.documents.get(LoopState, name) is not None:
            raise NotAllowed(f"{name!r} is a loop's name: the loop deploys its own versions", fix="choose another name")

    def _packed(self, order: Order) -> _Made:
        packed = packaged(order, self._world)
        family = family_of(order, self._world)
        results = tuple(
            GateResult(gate=gate, outcome=Outcome.PASS, reason=reason)
            for gate, reason in zip(("audit", "parity"), said(packed, len(order.sample)), strict=True)
        )
        return _Made(
            name=order.name,
            candidate=packed.candidate(
                order.signature,
                recipe=Recipe(params={}, metric=""),
                provenance=Provenance(code="", commit="", diff="", environment="", seed=0),
            ),
            scorecard=None,
            verdict=Verdict(outcome=Outcome.PASS, results=results),
            code="",
            origin=order.origin,
            pinned=order.pinned,
            family=family,
            packed=(
                *(result.reason for result in results),
                *([f"parent of {len(order.members):,} models by {order.by}"] if family else []),
            ),
        )

    def _put(self, made: _Made, *, by: str, reason: str) -> Deployment:
        (deployment,) = self._commit([made], by=by, reason=reason)
        bring_out(self._world)
        return deployment

    def _commit(self, made: Sequence[_Made], *, by: str, reason: str) -> list[Deployment]:
        """All in one commit; where somebody else moved one of them meanwhile, one by one and again."""
        for _ in range(_TRIES):
            drafts = [self._draft(one, by=by, reason=reason) for one in made]
            try:
                self._world.records.commit(*(write for _, writes in drafts for write in writes))
            except Conflict:
                if len(made) > 1:
                    return [deployment for one in made for deployment in self._commit([one], by=by, reason=reason)]
                continue
            return [deployment for deployment, _ in drafts]
        raise Conflict(f"{made[0].name!r} was deployed {_TRIES} times by others meanwhile")

    def _draft(self, made: _Made, *, by: str, reason: str) -> tuple[Deployment, list[Write]]:
        """A version, its alias and the deployment as writes; none where this model answers already."""
        world, name = self._world, made.name
        known = world.documents.revision(Deployment, name)
        latest = versions.latest(world.records, name)
        if known is not None and known[0].version is not None:
            answering = versions.get(world.records, name, known[0].version)
            if (answering.candidate.artifact, answering.code, answering.family) == (made.candidate.artifact, made.code, made.family):
                return self._pinned(known, made.pinned, by=by, reason=reason)
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
        deployment, moved = self._pointed(
            known, version, by=by, reason=reason, word="deployed", because=(registered.id,), pinned=made.pinned
        )
        lines = [world.ledger.line(event) for event in (packed, registered)]
        return deployment, [world.documents.write(version, expect=0), *lines, *moved]

    def _pinned(self, known: tuple[Deployment, int], pinned: bool | None, *, by: str, reason: str) -> tuple[Deployment, list[Write]]:
        deployment, revision = known
        if pinned is None or pinned == deployment.pinned:
            return deployment, []
        deployment, said = replace(deployment, pinned=pinned), "stays loaded" if pinned else "is loaded as it is asked for"
        event = self._world.ledger.event(
            PINNED, loop=deployment.name, subject=deployment.name, by=by, reasons=(said, *([reason] * bool(reason)))
        )
        return deployment, [self._world.documents.write(deployment, expect=revision), self._world.ledger.line(event)]

    def _point(self, name: str, to: int | None, *, by: str, reason: str, word: str) -> Deployment:
        for _ in range(_TRIES):
            known = self._world.documents.revision(Deployment, name)
            version = None if to is None else versions.get(self._world.records, name, to)
            if version is not None:
                check_again(self._world, version)
            deployment, moved = self._pointed(known, version, by=by, reason=reason, word=word)
            try:
                self._world.records.commit(*moved)
            except Conflict:
                continue
            bring_out(self._world)
            return deployment
        raise Conflict(f"{name!r} was moved {_TRIES} times by others meanwhile")

    def _pointed(
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
