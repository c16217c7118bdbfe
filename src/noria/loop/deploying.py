"""Deployments without a loop: a model that somebody brings becomes a version, and the version answers. All of it is on the record."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import islice

from noria.core.errors import Conflict, NotAllowed, NotFound, RequestInvalid
from noria.core.graphs import Graph
from noria.core.judging import GateResult, Outcome, Verdict
from noria.core.registry import Deployment
from noria.core.state import LoopState
from noria.core.training import Provenance, Recipe
from noria.core.turning import RolloutPhase
from noria.loop.bringing import AT_ONCE, TOGETHER, Order, family_of, packaged, said
from noria.loop.canaries import looked, over, steps_of
from noria.loop.deployment_drafts import Drafts, Made
from noria.loop.graphs import asked_by, check_again, drawn, form_of
from noria.loop.planning import CHAMPION, bring_out, open_rollout
from noria.loop.world import World
from noria.stages.registry import aliases, versions

NAME = re.compile(r"[a-z][a-z0-9-]{1,62}")
_TRIES = 20


class Deployments:
    """A person's side of deployments without a loop. Thread-safe: each verb is one compare-and-set."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._drafts = Drafts(world)

    def deploy(self, order: Order, *, by: str, reason: str, canary: Sequence[float] = ()) -> Deployment:
        """Package a model, register it as the name's next version and let it answer; the model that answers already stays.

        Args:
            canary: Percent of the requests that it answers first, step by step; see `canaries`.

        Raises:
            ArtifactRejected: the model may not be opened, or does not answer as its signature says.
            RequestInvalid: the name cannot be one, or the model cannot answer the requests of the one that answers now.
            NotAllowed: the name is a loop's; there is nothing that a canary could be held against, or one is under way.
        """
        self._nameable(order.name)
        return self._put(replace(self._packed(order), canary=steps_of(canary)), by=by, reason=reason)

    def deploy_version(self, name: str, loop: str, number: int, *, by: str, reason: str, canary: Sequence[float] = ()) -> Deployment:
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
            if canary:
                raise RequestInvalid("a graph has no canary: its members have", fix="deploy it without")
            return self.deploy_graph(name, form.graph, by=by, reason=reason)
        origin = found.origin if found.code and found.origin else f"{loop}@{number}"
        said = (f"the package of {loop}@{number}, as it is",)
        made = Made(
            name=name,
            candidate=found.candidate,
            scorecard=found.scorecard,
            verdict=found.verdict,
            code=found.code,
            origin=origin,
            family=found.family,
            packed=said,
            canary=steps_of(canary),
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
        made = Made(
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
        """Take a version out that answers a share, and with none go back to the version that answered before this one.

        Raises:
            NotFound: no such deployment.
            NotAllowed: there is nothing to go back to, or that is a graph that its members do not fit now.
        """
        found = self.find(name)
        running = open_rollout(self._world.documents, name)
        if running is not None and found.version is not None:
            return self._end_canary(found, f"rolled back by {by}" + f": {reason}" * bool(reason))
        before = aliases.previous(self._world.records, name, CHAMPION)
        if before is None:
            raise NotAllowed(f"{name} has no version before this one", fix="`noria deploy` makes another")
        return self._point(name, before, by=by, reason=reason, word="rolled back by hand")

    def look_at_canaries(self) -> int:
        """Look at every canary that runs, and write down what came of it; how many moved. One that others moved meanwhile is left to them."""
        happened = 0
        for seen, writes in looked(self._world):
            rollout = seen.rollout
            try:
                if rollout.phase is RolloutPhase.PROMOTED:
                    known = self._world.documents.revision(Deployment, rollout.loop)
                    version = versions.get(self._world.records, rollout.loop, rollout.challenger)
                    _, moved = self._drafts.pointed(
                        known, version, by="noria", reason=rollout.reason, word="promoted", because=(f"{rollout.id}:rollout",)
                    )
                    writes = [*writes, *moved]
                self._world.records.commit(*writes)
            except Conflict:
                continue
            happened += bool(seen.happened)
        if happened:
            bring_out(self._world)
        return happened

    def _end_canary(self, found: Deployment, reason: str) -> Deployment:
        for _ in range(_TRIES):
            writes = over(self._world, found.name, promote=None, reason=reason)
            try:
                if writes:
                    self._world.records.commit(*writes)
            except Conflict:
                continue
            bring_out(self._world)
            return found
        raise Conflict(f"the canary of {found.name!r} was moved {_TRIES} times by others meanwhile")

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

    def _packed(self, order: Order) -> Made:
        packed = packaged(order, self._world)
        family = family_of(order, self._world)
        results = tuple(
            GateResult(gate=gate, outcome=Outcome.PASS, reason=reason)
            for gate, reason in zip(("audit", "parity"), said(packed, len(order.sample)), strict=True)
        )
        return Made(
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

    def _put(self, made: Made, *, by: str, reason: str) -> Deployment:
        (deployment,) = self._commit([made], by=by, reason=reason)
        bring_out(self._world)
        return deployment

    def _commit(self, made: Sequence[Made], *, by: str, reason: str) -> list[Deployment]:
        """All in one commit; where somebody else moved one of them meanwhile, one by one and again."""
        for _ in range(_TRIES):
            drafts = [self._drafts.version(one, by=by, reason=reason) for one in made]
            try:
                self._world.records.commit(*(write for _, writes in drafts for write in writes))
            except Conflict:
                if len(made) > 1:
                    return [deployment for one in made for deployment in self._commit([one], by=by, reason=reason)]
                continue
            return [deployment for deployment, _ in drafts]
        raise Conflict(f"{made[0].name!r} was deployed {_TRIES} times by others meanwhile")

    def _point(self, name: str, to: int | None, *, by: str, reason: str, word: str) -> Deployment:
        for _ in range(_TRIES):
            known = self._world.documents.revision(Deployment, name)
            version = None if to is None else versions.get(self._world.records, name, to)
            if version is not None:
                check_again(self._world, version)
            deployment, moved = self._drafts.pointed(known, version, by=by, reason=reason, word=word)
            ended = over(self._world, name, promote=to, reason=f"{word} by {by}" + f": {reason}" * bool(reason))
            try:
                self._world.records.commit(*moved, *ended)
            except Conflict:
                continue
            bring_out(self._world)
            return deployment
        raise Conflict(f"{name!r} was moved {_TRIES} times by others meanwhile")
