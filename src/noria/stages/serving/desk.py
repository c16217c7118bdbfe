"""The desk: takes requests for every deployment, sends each row to its version, and swaps versions while it works."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from time import perf_counter

from noria.core.errors import NotFound, RequestInvalid, Unavailable
from noria.core.moments import to_ms
from noria.core.rows import Rows, Values
from noria.core.schema import Signature
from noria.core.traffic import Feedback, Plan, Role, Route, ServedVersion
from noria.ports.clock import Clock
from noria.ports.journal import JournalWriter
from noria.stages.serving.asks import PLAIN, Answered, Ask, Asking, EachRow, Ended, Failure, Request, Waiting
from noria.stages.serving.computed import reason
from noria.stages.serving.ending import Books
from noria.stages.serving.family import prepared
from noria.stages.serving.frames import Explanations, told
from noria.stages.serving.ids import RequestIds
from noria.stages.serving.interleaving import InterleavingLane
from noria.stages.serving.isolated import Isolation
from noria.stages.serving.items import Item, checked, checked_id
from noria.stages.serving.lazily import Lazily, Loaded, Loading
from noria.stages.serving.model import Served
from noria.stages.serving.onlooking import Onlooker
from noria.stages.serving.opened import OpenRoute, only_role
from noria.stages.serving.opening import Opener, dismiss
from noria.stages.serving.outcome import fitting, numbers
from noria.stages.serving.processes import Hire
from noria.stages.serving.quick import Read
from noria.stages.serving.routing import kept, lane
from noria.stages.serving.scribe import Scribe
from noria.stages.serving.streaming import Streamed, Voice, begin
from noria.stages.serving.tallies import Counters, Tallies

IN_ONE_PROCESS = Isolation()
AT_ONCE = Loading()

Placed = tuple[int, str | None, Values]
"""A row that was read: its place in the request, its id, if the caller gave one, and its values."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployed:
    """A deployment as a caller may know it.

    Attributes:
        version: The champion's number.
        versions: All that answer, the champion's first.
        signature: The champion's.
    """

    name: str
    version: int
    versions: tuple[int, ...]
    signature: Signature


class Desk:
    """Answers predictions and takes outcomes; for one event loop.

    Args:
        load: Loads a champion in this process; called in a thread.
        hire: Starts a version in a process of its own: a challenger, or a process of an isolated champion.
        journal: This process's own writer; closed with the desk.
        isolation: How isolated champions run.
        loading: When champions are loaded: all of them before a plan comes to work, or each when it is asked for.
        sync_every_s: A power cut loses at most this much of the predictions, and no outcome.
        row_limit: Most rows of one call.

    Attributes:
        tallies: How each version answered, by deployment, version and role.
        restarts: How often a version's process had to be started again, by deployment, version and why.
        revision: The applied plan's, or None before the first.
        unopened: Deployment to why the applied plan is not wholly at work there.
    """

    def __init__(
        self,
        *,
        load: Callable[[ServedVersion], Served],
        hire: Hire,
        journal: JournalWriter,
        clock: Clock,
        isolation: Isolation = IN_ONE_PROCESS,
        loading: Loading = AT_ONCE,
        sync_every_s: float = 0.05,
        row_limit: int = 1_000,
    ) -> None:
        self._loading = loading
        self._lazily: Lazily[OpenRoute] | None = None
        self._clock = clock
        self._moment_ms = 0
        self._ids = RequestIds()
        self._counters = Counters()
        self._scribe = Scribe(journal, self._counters, sync_every_s=sync_every_s)
        self._open: dict[str, OpenRoute] = {}
        self._reported: dict[str, str] = {}
        self.unopened: dict[str, str] = {}
        self._applying = asyncio.Lock()
        self.row_limit = row_limit
        self.tallies = Tallies()
        self.restarts: Counter[tuple[str, int, str]] = Counter()
        self.revision: int | None = None
        self._opener = Opener(load=load, hire=hire, isolation=isolation, books=self._books, restarted=self._restarted, members=self)

    @property
    def planned(self) -> bool:
        """Whether a plan was applied, so that an unknown deployment is really unknown."""
        return self.revision is not None

    @property
    def ready(self) -> bool:
        """Whether requests can be answered: a plan was applied, and not all of its deployments failed to load."""
        return self.planned and (bool(self._open) or not self.unopened)

    def counters(self) -> Counters:
        """A copy of the counters of this process."""
        return replace(self._counters)

    def problems(self) -> dict[str, str]:
        """What does not work now: deployment (or "journal", "plan") to its problem; empty when all is well."""
        journal = {"journal": self._scribe.problem} if self._scribe.problem else {}
        ailing = {name: said for name, at_work in self._open.items() if (said := getattr(at_work.champion.served, "problem", ""))}
        cold = self._lazily.problems() if self._lazily is not None else {}
        return {**cold, **ailing, **self.unopened, **self._reported, **journal}

    def report(self, what: str, problem: str) -> None:
        """Add a problem that somebody else found, or take it back with ""."""
        self._reported.pop(what, None)
        if problem:
            self._reported[what] = problem

    def versions(self) -> dict[str, tuple[int, ...]]:
        """Deployment to the versions at work: the champion's number, then the challenger's."""
        if self._lazily is not None:
            return {name: self._numbers(name, route) for name, route in self._lazily.routes.items()}
        return {name: self._numbers(name, at_work.route) for name, at_work in self._open.items()}

    def deployed(self, deployment: str) -> Deployed:
        """What is at work under a name.

        Raises:
            NotFound: there is no such deployment.
            Unavailable: no plan yet, or the deployment did not load.
        """
        route = self.route(deployment) or self._at_work(deployment).route
        return Deployed(
            name=deployment, version=route.champion.number, versions=self._numbers(deployment, route), signature=route.champion.signature
        )

    def loaded(self) -> Loaded | None:
        """How things stand with the models of a large plan; None where all are loaded."""
        return self._lazily.stands() if self._lazily is not None else None

    def _numbers(self, deployment: str, route: Route) -> tuple[int, ...]:
        """The versions at work under a name, or that will be when it is asked for."""
        at_work = self._open.get(deployment)
        if at_work is None:
            return (route.champion.number,)
        champion, challenger = at_work.champion.served.version.number, at_work.challenger
        return (champion,) if challenger is None else (champion, challenger.contender.version.number)

    async def predict(self, deployment: str, items: Sequence[Item], asking: Asking = PLAIN) -> list[Answered]:
        """Answers in the order of `items`, journalled before they are returned.

        Raises:
            NotFound: there is no such deployment, or no such version of it is at work.
            RequestInvalid: a row does not fit; no row was computed.
            Unavailable: no plan yet, the deployment did not load, or the champion failed on a row.
        """
        at_work = self.at_work(deployment) or await self._fetched(deployment)
        only = only_role(at_work, asking)
        arrived_s = perf_counter()
        rows = self._checked(at_work, items)
        if not rows:
            return []
        if at_work.route.champion.family:
            await prepared(at_work.champion.served, at_work.check.names, rows)
        done: asyncio.Future[Sequence[Answered]] = asyncio.get_running_loop().create_future()
        request = Request(len(items), time_ms=self._now_ms(), arrived_s=arrived_s, ended=lambda how: _end(done, how))
        placed = [(place, given, row) for place, ((given, _), row) in enumerate(zip(items, rows, strict=True))]
        if at_work.interleaving is not None and only is None:
            placed = self._interleave(at_work, at_work.interleaving, request, placed)
        for place, given, row in placed:
            self._place(at_work, request, place, given, row, only)
        return list(await done)

    def route(self, deployment: str) -> Route | None:
        """The route of a deployment, open or not; None where there is none."""
        at_work = self._open.get(deployment)
        return at_work.route if at_work is not None else self._lazily.routes.get(deployment) if self._lazily is not None else None

    async def ask(self, deployment: str, ids: Sequence[str], rows: Rows, *, depth: int, within_s: float) -> list[Answered | Failure]:
        """What a graph hears from a member: each row's answer or why it has none, by the member's own route; see `Members.ask`."""
        arrived_s = perf_counter()
        late = Unavailable(f"no answer within {within_s * 1_000:g} ms")
        try:
            async with asyncio.timeout(within_s):
                at_work = self.at_work(deployment) or await self._fetched(deployment)
                taken = at_work.check.taken(rows)
                if at_work.route.champion.family:
                    fitting = [row for row in taken if not isinstance(row, RequestInvalid)]
                    await prepared(at_work.champion.served, at_work.check.names, fitting)
        except (TimeoutError, NotFound, Unavailable) as error:
            return [Unavailable(error.message) if isinstance(error, NotFound | Unavailable) else late] * len(ids)
        each = EachRow(len(ids), time_ms=self._now_ms(), arrived_s=arrived_s, depth=depth)
        for place, (id, row) in enumerate(zip(ids, taken, strict=True)):
            if isinstance(row, RequestInvalid):
                each.settle(place, row)
            else:
                self._place(at_work, each, place, id, row, None)
        return await each.ended(within_s - (perf_counter() - arrived_s), late)

    async def stream(self, deployment: str, item: Item, asking: Asking = PLAIN) -> Streamed:
        """An answer that comes in pieces; journalled as one at its end. Whoever takes it closes it.

        Raises:
            NotFound: there is no such deployment, or no such version of it is at work.
            RequestInvalid: the row does not fit, or the version gives its answers whole.
            Unavailable: no plan yet, the deployment did not load, or the version cannot begin.
        """
        at_work = self.at_work(deployment) or await self._fetched(deployment)
        only = only_role(at_work, asking)
        request = Request(1, time_ms=self._now_ms(), arrived_s=perf_counter(), ended=lambda how: None)
        (row,) = self._checked(at_work, [item])
        ask = self._ask(at_work, request, 0, item[0], row)
        first, then = Voice(at_work.route.champion, at_work.champion.served), None
        if at_work.challenger is not None:
            contender, share = at_work.challenger.contender, at_work.route.challenger_share
            dealt = only is None and lane(at_work.route, ask.key)
            if dealt or only is Role.CHALLENGER:
                first, then = Voice(contender.version, contender.client), first if dealt else None
                ask.role = Role.CHALLENGER
            ask.chance = None if only else share if dealt else 1.0 - share
        if only is not None:
            ask.role = Role.ASKED
        return await begin(ask, Rows(at_work.check.names, [row]), first, then, self._books(deployment))

    def at_work(self, deployment: str) -> OpenRoute | None:
        """The open route of a deployment, for `take`."""
        if self._lazily is not None:
            self._lazily.touch(deployment)
        return self._open.get(deployment)

    def take(self, at_work: OpenRoute, rows: Sequence[Read], ended: Ended) -> bool:
        """Whether rows that `at_work.quick` has read are taken, or must be asked by `predict`; `ended` is called once."""
        if not rows or len(rows) > self.row_limit or (at_work.interleaving is not None and len(rows) > 1):
            return False
        request = Request(len(rows), time_ms=self._now_ms(), arrived_s=perf_counter(), ended=ended)
        for place, (given, row) in enumerate(rows):
            self._place(at_work, request, place, given, row, None)
        return True

    def fresh_id(self) -> str:
        """An id for a request that came without one."""
        return self._ids.next(self._now_ms())

    def show_to(self, onlooker: Onlooker) -> None:
        """Let somebody see every frame before it is journalled."""
        self._scribe.onlooker = onlooker

    def explained(self, reasons: Explanations | None, *, failed: int) -> None:
        """Journal reasons for answers, and count them; nothing fails when the journal does not take them."""
        self._counters.explained += len(reasons.ids) if reasons else 0
        self._counters.unexplained += failed
        if reasons is not None:
            self._scribe.note([reasons])

    async def feedback(self, deployment: str, outcomes: Sequence[Feedback]) -> int:
        """Journal outcomes and return their number when they survive a power cut; no model needs to be loaded.

        Raises:
            NotFound: there is no such deployment.
            Unavailable: no plan yet, or the journal did not take them.
        """
        if deployment not in self.unopened and self.route(deployment) is None:
            self._at_work(deployment)
        for frame in told(outcomes, to_ms(self._clock.now())):
            await self._scribe.tell(frame)
        return len(outcomes)

    def outcome(
        self, deployment: str, request_id: object, value: object, time_ms: int | None = None, *, metrics: object = None
    ) -> Feedback:
        """One outcome, checked; told now unless `time_ms` says when. With numbers of the business the value may be left out.

        Raises:
            RequestInvalid: the id, the value or the numbers cannot be an outcome's.
        """
        route = self.route(deployment)
        business = numbers(metrics)
        kept_as = None if value is None and business else fitting(value, route.champion.signature if route else None)
        moment = to_ms(self._clock.now()) if time_ms is None else time_ms
        return Feedback(request_id=checked_id(request_id), deployment=deployment, value=kept_as, time_ms=moment, metrics=business)

    async def apply(self, plan: Plan) -> None:
        """Bring the plan to work: new versions are loaded first, then all routes are swapped at once.

        Never raises for a version that does not load: its deployment keeps the route it had, and
        `problems` says why. A new deployment whose challenger does not start opens without it, and
        the champion answers for it, on the record. Of a large plan only what changed is touched, and what
        nobody has asked for yet is not loaded.
        """
        async with self._applying:
            if self._lazily is not None or self._loading.lazy(plan):
                self.unopened = await (self._lazily or await self._many()).apply(plan)
                self.revision = plan.revision
                return
            problems: dict[str, str] = {}
            opened: dict[str, OpenRoute] = {}
            for name, route in plan.routes.items():
                try:
                    opened[name] = await self._opened(name, route, problems)
                except Exception as error:  # noqa: BLE001 - a model may fail to load in any way; it is reported
                    problems[name] = reason(error)
                    if name in self._open:
                        opened[name] = self._open[name]
            before, self._open = self._open, opened
            self.unopened = problems
            self.revision = plan.revision
        await dismiss(before, opened)

    async def _many(self) -> Lazily[OpenRoute]:
        """Begin to open routes when they are asked for."""
        self._lazily = Lazily(self._loading, at_work=self._open, open=self._opened, dismiss=dismiss)
        await self._lazily.adopt()
        return self._lazily

    async def close(self) -> None:
        """Let everything under way end, end the challengers and sync the journal."""
        if self._lazily is not None:
            await self._lazily.close()
        before, self._open = self._open, {}
        await dismiss(before, {})
        await asyncio.sleep(0)
        self._scribe.close()

    def _now_ms(self) -> int:
        """The clock's moment, read once in a tick of the loop."""
        if not self._moment_ms:
            self._moment_ms = to_ms(self._clock.now())
            asyncio.get_running_loop().call_soon(setattr, self, "_moment_ms", 0)
        return self._moment_ms

    def _books(self, deployment: str) -> Books:
        return Books(deployment=deployment, scribe=self._scribe, counters=self._counters, tallies=self.tallies)

    def _restarted(self, deployment: str, version: int, why: str) -> None:
        self.restarts[deployment, version, why] += 1

    async def _fetched(self, deployment: str) -> OpenRoute:
        if self._lazily is not None and deployment in self._lazily.routes:
            return await self._lazily.fetch(deployment)
        return self._at_work(deployment)

    def _at_work(self, deployment: str) -> OpenRoute:
        at_work = self._open.get(deployment)
        if at_work is not None:
            return at_work
        if not self.planned:
            raise Unavailable("no routing plan has arrived yet", fix="wait until /health/ready says so")
        if deployment in self.unopened:
            raise Unavailable(f"{deployment!r} could not be loaded: {self.unopened[deployment]}")
        known = ", ".join(sorted(self.versions())[:20]) or "none yet"
        raise NotFound(f"there is no deployment {deployment[:100]!r}; there are: {known}")

    def _place(self, at_work: OpenRoute, request: Waiting, place: int, given: str | None, row: Values, only: Role | None) -> None:
        ask, route, challenger = self._ask(at_work, request, place, given, row), at_work.route, at_work.challenger
        if only is not None:
            ask.role = Role.ASKED
            lane_of = challenger.asked if challenger is not None and only is Role.CHALLENGER else at_work.champion.take
            lane_of(ask)
            return
        if challenger is None:
            at_work.champion.take(ask)
            return
        if lane(route, ask.key):
            ask.role, ask.chance = Role.CHALLENGER, route.challenger_share
            if route.control:
                at_work.champion.control(ask.beside(Role.CONTROL))
            challenger.take(ask)
            return
        ask.chance = 1.0 - route.challenger_share
        at_work.champion.take(ask)
        if route.shadow:
            challenger.shadow(ask.beside(Role.SHADOW))

    def _checked(self, at_work: OpenRoute, items: Sequence[Item]) -> list[Values]:
        try:
            if len(items) > self.row_limit:
                most = f"at most {self.row_limit:,}"
                raise RequestInvalid(f"{len(items):,} rows in one request; {most} are taken", fields={"rows": f"must be {most}"})
            return checked(at_work.check, items)
        except RequestInvalid:
            self._counters.invalid += 1
            raise

    def _ask(self, at_work: OpenRoute, request: Waiting, place: int, given: str | None, row: Values) -> Ask:
        request_id = given or self._ids.next(request.time_ms)
        value = row[at_work.key_place] if at_work.key_place >= 0 else None
        key = request_id if value is None else str(value)
        keep = at_work.route.sample >= 1.0 or kept(at_work.route, request_id) or self._scribe.onlooker.wants(request_id)
        return Ask(request, place, request_id, key, row, keep, Role.CHAMPION)

    def _interleave(self, at_work: OpenRoute, lane: InterleavingLane, request: Request, placed: Sequence[Placed]) -> list[Placed]:
        """Let both versions draft the queries of two rows or more; the others are returned."""
        queries: dict[object, list[Placed]] = {}
        for one in placed:
            queries.setdefault(one[2][at_work.group_place] if at_work.group_place >= 0 else None, []).append(one)
        for query, rows in queries.items():
            if len(rows) > 1:
                lane.take([self._ask(at_work, request, place, given, row) for place, given, row in rows], str(query))
        return [one for rows in queries.values() if len(rows) == 1 for one in rows]

    async def _opened(self, name: str, route: Route, problems: dict[str, str]) -> OpenRoute:
        return await self._opener.opened(name, route, self._open.get(name), problems)


def _end(done: asyncio.Future[Sequence[Answered]], how: Sequence[Answered] | Failure) -> None:
    if done.done():
        return
    if isinstance(how, Unavailable | RequestInvalid):
        done.set_exception(how)
    else:
        done.set_result(how)
