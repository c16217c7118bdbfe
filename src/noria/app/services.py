"""What the control plane's server is given: the records to read, the verbs, and the wheel's quiet moments.

What turns and judges is imported where it is first used: a server that has no loop answers without it.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from noria import __version__
from noria.app.settings import Settings, token
from noria.app.wiring import open_access
from noria.core.examination.examination import Examination
from noria.core.explaining import ExplainedRequest, Search
from noria.core.lineage import Lineage
from noria.core.moments import from_ms
from noria.core.performance import RealisedQuality
from noria.core.registry import Brought, Deployment
from noria.ledger.book import Ledger
from noria.ledger.lineage.tracked import weave
from noria.ledger.lineage.walking import lineage_of
from noria.ledger.lineage.web import web_of
from noria.loop.mirrored import Mirror
from noria.ports import wire
from noria.ports.clock import Clock
from noria.ports.records import Records

if TYPE_CHECKING:
    from noria.loop.alert_verbs import AlertVerbs
    from noria.loop.keys import KeyVerbs
    from noria.loop.verbs import Verbs
    from noria.loop.world import World


class Turning(Protocol):
    """What turns the loops, as far as verbs care."""

    def nudge(self) -> None:
        """Look at once for what there is to do."""

    def settle(self, at: datetime, timeout_s: float) -> bool:
        """See `Wheel.settle`."""
        ...


class ControlServices:
    """The server's sockets, filled from a world; verbs nudge the wheel so that it does not wait for its next pass."""

    def __init__(self, settings: Settings, world: World, wheel: Turning) -> None:
        self.records: Records = world.records
        self.ledger: Ledger = world.ledger
        self.clock: Clock = world.clock
        self.token = token(settings)
        self._trust = settings.trust_python
        self.token_hint = f"the token is in {settings.folder / 'token'}"
        self.home: Path = world.home
        self._world = world
        self._delays: dict[str, timedelta] = {}
        self.access = open_access(world)
        self._wheel = wheel
        self.house = Mirror(world, self.promote, noria=__version__)

    @cached_property
    def alerts(self) -> AlertVerbs:
        """What a person may order about alerts."""
        from noria.loop.alert_verbs import AlertVerbs
        from noria.loop.enrol import in_force
        from noria.loop.states import state_of

        return AlertVerbs(self._world, declared=lambda name: in_force(self._world, state_of(self._world.documents, name)).loop)

    @cached_property
    def keys(self) -> KeyVerbs:
        """What a person may order about who may call."""
        from noria.loop.keys import KeyVerbs

        return KeyVerbs(self._world)

    @cached_property
    def _verbs(self) -> Verbs:
        from noria.loop.verbs import Verbs

        return Verbs(self._world)

    def turn(self, loop: str, *, by: str, reason: str) -> str:
        """See `Verbs.turn`."""
        signal = self._verbs.turn(loop, by=by, reason=reason)
        self._wheel.nudge()
        return signal

    def approve(self, turn: str, *, granted: bool, by: str, reason: str) -> None:
        """See `Verbs.approve`."""
        self._verbs.approve(turn, granted=granted, by=by, reason=reason)
        self._wheel.nudge()

    def promote(self, loop: str, version: int, *, by: str, reason: str) -> None:
        """See `Verbs.promote`."""
        self._verbs.promote(loop, version, by=by, reason=reason)
        self._wheel.nudge()

    def rollback(self, loop: str, *, by: str, reason: str) -> None:
        """See `Verbs.rollback`."""
        self._verbs.rollback(loop, by=by, reason=reason)
        self._wheel.nudge()

    def deploy(self, name: str, brought: Brought, *, by: str, reason: str) -> Deployment:
        """See `Deployments.deploy`."""
        from noria.app.deploying import Given, deploy_logged, order, registered
        from noria.app.logged import LOGGED

        deployments = self._verbs.deployments
        if LOGGED.fullmatch(brought.version):
            given = Given(
                example=[dict(row) for row in brought.example] or None,
                signature=brought.signature,
                answers=brought.answers,
                trust=self._trust,
            )
            return deploy_logged(self._world, name, brought.version, given, by=by, reason=reason, canary=tuple(brought.canary))
        if brought.version:
            loop, number = registered(brought.version)
            return deployments.deploy_version(name, loop, number, by=by, reason=reason, canary=brought.canary)
        if brought.graph is not None:
            return deployments.deploy_graph(name, brought.graph.graph, by=by, reason=reason)
        example = [dict(row) for row in brought.example] or None
        made = order(name, brought.model, example=example, signature=brought.signature, answers=brought.answers, origin=brought.origin)
        return deployments.deploy(made, by=by, reason=reason, canary=brought.canary)

    def undeploy(self, name: str, *, by: str, reason: str) -> None:
        """See `Deployments.undeploy`."""
        self._verbs.deployments.undeploy(name, by=by, reason=reason)

    def kill(self, loop: str, *, by: str, reason: str) -> int | None:
        """See `Verbs.kill`."""
        done = self._verbs.kill(loop, by=by, reason=reason)
        self._wheel.nudge()
        return done.champion

    def pause(self, loop: str, paused: bool, *, by: str, reason: str) -> None:
        """See `Verbs.pause`."""
        self._verbs.pause(loop, paused, by=by, reason=reason)

    def quality(self, loop: str, *, as_of: datetime | None, metric: str, window: timedelta, version: int | None) -> RealisedQuality:
        """See `performance.realised_as_of`."""
        from noria.loop.enrol import in_force
        from noria.loop.performance import realised_as_of
        from noria.loop.states import state_of

        state = state_of(self._world.documents, loop)
        if state.code not in self._delays:
            self._delays[state.code] = in_force(self._world, state).loop.label.delay
        return realised_as_of(self._world, loop, as_of=as_of, name=metric, window=window, version=version, delay=self._delays[state.code])

    def lineage(self, of: str, *, up: bool = True, down: bool = True, features: bool = False) -> Lineage:
        """See `lineage_of`."""
        from noria.loop.answered import answered_by

        web = web_of(self.records)
        if self._world.store is not None:
            weave(web, self._world.store)
        return lineage_of(web, of, up=up, down=down, features=features, asked=lambda id: answered_by(self._world, id))

    def explain(self, loop: str, request_id: str, search: Search | None = None) -> ExplainedRequest:
        """See `explaining.explain_request`."""
        from noria.loop.explaining import explain_request

        return explain_request(self._world, loop, request_id, search=search)

    def decide_anomaly(self, id: str, state: str, *, by: str, reason: str) -> None:
        """See `anomalies.decide`."""
        from noria.loop.anomalies import decide

        decide(self._world.documents, self._world.ledger, id, state, by=by, reason=reason, at=self.clock.now())

    def examination(self, digest: str) -> Examination:
        """See `Scorecard.examination`."""
        return wire.load(self._world.blobs.read(digest), Examination)

    def settle(self, at_ms: int, timeout_s: float) -> bool:
        """See `Wheel.settle`."""
        return self._wheel.settle(from_ms(at_ms), timeout_s)
