"""The desk: takes requests for every deployment, sends each row to its version, and swaps versions while it works."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from time import perf_counter

from noria.core.errors import NotFound, RequestInvalid, Unavailable
from noria.core.moments import to_ms
from noria.core.rows import Rows, Values
from noria.core.schema import Signature
from noria.core.traffic import Feedback, Plan, Role, Route, ServedVersion
from noria.ports.clock import Clock
from noria.ports.journal import JournalWriter
from noria.stages.serving.asks import PLAIN, Answered, Ask, Asking, Ended, Request
from noria.stages.serving.computed import reason
from noria.stages.serving.ending import Books
from noria.stages.serving.frames import Explanations, told
from noria.stages.serving.ids import RequestIds
from noria.stages.serving.interleaving import InterleavingLane
from noria.stages.serving.isolated import Crew, IsolatedLane, Isolation
from noria.stages.serving.lanes import ChallengerLane, ChampionLane, Contender
from noria.stages.serving.model import Served
from noria.stages.serving.onlooking import Onlooker
from noria.stages.serving.outcome import fitting, numbers
from noria.stages.serving.processes import Absent, Hire, KeptProcess, Told
from noria.stages.serving.quick import ID_LIMIT, Quick, Read
from noria.stages.serving.routing import kept, lane
from noria.stages.serving.scribe import Scribe
from noria.stages.serving.streaming import Streamed, Voice, begin
from noria.stages.serving.tallies import Counters, Tallies
from noria.stages.serving.validation import RequestCheck

IN_ONE_PROCESS = Isolation()

Item = tuple[str | None, object]
"""A row as it arrives: its id, if the caller gave one, and its fields."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenRoute:
    """A deployment at work."""

    route: Route
    check: RequestCheck
    quick: Quick
    champion: ChampionLane | IsolatedLane
    challenger: ChallengerLane | None
    interleaving: InterleavingLane | None
    key_place: int
    group_place: int


class Desk:
    """Answers predictions and takes outcomes; for one event loop.

    Args:
        load: Loads a champion in this process; called in a thread.
        hire: Starts a version in a process of its own: a challenger, or a process of an isolated champion.
        journal: This process's own writer; closed with the desk.
        isolation: How isolated champions run.
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
        sync_every_s: float = 0.05,
        row_limit: int = 1_000,
    ) -> None:
        self._load = load
        self._hire = hire
        self._isolation = isolation
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
        crews = {name: at_work.champion.served for name, at_work in self._open.items() if isinstance(at_work.champion, IsolatedLane)}
        ailing = {name: crew.problem for name, crew in crews.items() if crew.problem}
        return {**ailing, **self.unopened, **self._reported, **journal}

    def report(self, what: str, problem: str) -> None:
        """Add a problem that somebody else found, or take it back with ""."""
        self._reported.pop(what, None)
        if problem:
            self._reported[what] = problem

    def versions(self) -> dict[str, tuple[int, ...]]:
        """Deployment to the versions at work: the champion's number, then the challenger's."""
        return {
            name: (at_work.champion.served.version.number, *([at_work.challenger.contender.version.number] if at_work.challenger else []))
            for name, at_work in self._open.items()
        }

    def deployed(self, deployment: str) -> Deployed:
        """What is at work under a name.

        Raises:
            NotFound: there is no such deployment.
            Unavailable: no plan yet, or the deployment did not load.
        """
        at_work = self._at_work(deployment)
        route = at_work.route
        return Deployed(
            name=deployment,
            version=route.champion.number,
            versions=self.versions()[deployment],
            signature=route.champion.signature,
        )

    async def predict(self, deployment: str, items: Sequence[Item], asking: Asking = PLAIN) -> list[Answered]:
        """Answers in the order of `items`, journalled before they are returned.

        Raises:
            NotFound: there is no such deployment, or no such version of it is at work.
            RequestInvalid: a row does not fit; no row was computed.
            Unavailable: no plan yet, the deployment did not load, or the champion failed on a row.
        """
        at_work = self._at_work(deployment)
        only = _only(at_work, asking)
        arrived_s = perf_counter()
        rows = self._checked(at_work, items)
        if not rows:
            return []
        done: asyncio.Future[Sequence[Answered]] = asyncio.get_running_loop().create_future()
        request = Request(len(items), time_ms=self._now_ms(), arrived_s=arrived_s, ended=lambda how: _end(done, how))
        placed = [(place, given, row) for place, ((given, _), row) in enumerate(zip(items, rows, strict=True))]
        if at_work.interleaving is not None and only is None:
            placed = self._interleave(at_work, at_work.interleaving, request, placed)
        for place, given, row in placed:
            self._place(at_work, request, place, given, row, only)
        return list(await done)

    async def stream(self, deployment: str, item: Item, asking: Asking = PLAIN) -> Streamed:
        """An answer that comes in pieces; journalled as one at its end. Whoever takes it closes it.

        Raises:
            NotFound: there is no such deployment, or no such version of it is at work.
            RequestInvalid: the row does not fit, or the version gives its answers whole.
            Unavailable: no plan yet, the deployment did not load, or the version cannot begin.
        """
        at_work = self._at_work(deployment)
        only = _only(at_work, asking)
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
        books = Books(deployment=deployment, scribe=self._scribe, counters=self._counters, tallies=self.tallies)
        return await begin(ask, Rows(at_work.check.names, [row]), first, then, books)

    def at_work(self, deployment: str) -> OpenRoute | None:
        """The open route of a deployment, for `take`."""
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
        if deployment not in self.unopened:
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
        at_work = self._open.get(deployment)
        business = numbers(metrics)
        kept_as = None if value is None and business else fitting(value, at_work.route.champion.signature if at_work else None)
        moment = to_ms(self._clock.now()) if time_ms is None else time_ms
        return Feedback(request_id=checked_id(request_id), deployment=deployment, value=kept_as, time_ms=moment, metrics=business)

    async def apply(self, plan: Plan) -> None:
        """Bring the plan to work: new versions are loaded first, then all routes are swapped at once.

        Never raises for a version that does not load: its deployment keeps the route it had, and
        `problems` says why. A new deployment whose challenger does not start opens without it, and
        the champion answers for it, on the record.
        """
        async with self._applying:
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
        await self._dismiss(before, opened)

    async def close(self) -> None:
        """Let everything under way end, end the challengers and sync the journal."""
        before, self._open = self._open, {}
        await self._dismiss(before, {})
        await asyncio.sleep(0)
        self._scribe.close()

    def _now_ms(self) -> int:
        """The clock's moment, read once in a tick of the loop."""
        if not self._moment_ms:
            self._moment_ms = to_ms(self._clock.now())
            asyncio.get_running_loop().call_soon(setattr, self, "_moment_ms", 0)
        return self._moment_ms

    def _at_work(self, deployment: str) -> OpenRoute:
        at_work = self._open.get(deployment)
        if at_work is not None:
            return at_work
        if not self.planned:
            raise Unavailable("no routing plan has arrived yet", fix="wait until /health/ready says so")
        if deployment in self.unopened:
            raise Unavailable(f"{deployment!r} could not be loaded: {self.unopened[deployment]}")
        known = ", ".join(sorted(self._open)[:20]) or "none yet"
        raise NotFound(f"there is no deployment {deployment[:100]!r}; there are: {known}")

    def _place(self, at_work: OpenRoute, request: Request, place: int, given: str | None, row: Values, only: Role | None) -> None:
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
            return _checked(at_work.check, items)
        except RequestInvalid:
            self._counters.invalid += 1
            raise

    def _ask(self, at_work: OpenRoute, request: Request, place: int, given: str | None, row: Values) -> Ask:
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
        books = Books(deployment=name, scribe=self._scribe, counters=self._counters, tallies=self.tallies)
        before = self._open.get(name)
        stays = before is not None and _same(before.champion.served.version, route.champion)
        served = before.champion.served if before and stays else await self._champion(name, route.champion)
        check = RequestCheck(route.champion.signature, also=route.challenger.signature.inputs if route.challenger else ())
        champion = IsolatedLane(served, books, check.names) if isinstance(served, Crew) else ChampionLane(served, books, check.names)
        challenger = None
        if route.challenger is not None:
            try:
                contender = await self._contender(name, before, route.challenger)
            except Exception as error:  # noqa: BLE001 - it never costs the champion its place; it is reported
                problems[name] = f"challenger v{route.challenger.number} did not start: {reason(error)}"
                if before and stays:
                    return before
                contender = Contender(version=route.challenger, client=Absent(problems[name]))
            challenger = ChallengerLane(contender, champion.take, books, check.names, timeout_ms=route.timeout_ms)
        names, key, group = list(check.names), route.champion.signature.key, route.champion.signature.group
        interleaved = route.interleave and challenger is not None
        return OpenRoute(
            route=route,
            check=check,
            quick=Quick(check.fields),
            champion=champion,
            challenger=challenger,
            interleaving=InterleavingLane(champion, challenger, books, salt=route.salt) if challenger is not None and interleaved else None,
            key_place=names.index(key) if key in names else -1,
            group_place=names.index(group) if group in names else -1,
        )

    async def _champion(self, deployment: str, version: ServedVersion) -> Served | Crew:
        if not version.isolated:
            return await asyncio.to_thread(self._load, version)
        hired: list[KeptProcess] = []
        try:
            for _ in range(self._isolation.processes):
                hired.append(await self._hire(version, self._counting(deployment, version)))
        except BaseException:
            for process in hired:
                await process.close()
            raise
        return Crew(version, hired, timeout_ms=self._isolation.timeout_ms)

    def _counting(self, deployment: str, version: ServedVersion) -> Told:
        return lambda why: self.restarts.update([(deployment, version.number, why)])

    async def _contender(self, deployment: str, before: OpenRoute | None, version: ServedVersion) -> Contender:
        if before and before.challenger and before.challenger.contender.version == version:
            at_work = before.challenger.contender
            if not isinstance(at_work.client, Absent):
                return at_work
        return Contender(version=version, client=await self._hire(version, self._counting(deployment, version)))

    @staticmethod
    async def _dismiss(before: Mapping[str, OpenRoute], after: Mapping[str, OpenRoute]) -> None:
        """End the processes of `before` that are not at work in `after`, once they have no rows left."""
        staying = {id(opened.challenger.contender.client) for opened in after.values() if opened.challenger}
        for opened in before.values():
            if opened.challenger and id(opened.challenger.contender.client) not in staying:
                await opened.challenger.contender.drain()
                await opened.challenger.contender.client.close()
        crews = {id(opened.champion.served) for opened in after.values()}
        for opened in before.values():
            if isinstance(opened.champion.served, Crew) and id(opened.champion.served) not in crews:
                await opened.champion.served.drain()
                await opened.champion.served.close()


def _only(at_work: OpenRoute, asking: Asking) -> Role | None:
    """The one lane that a call wants, or None where the route decides.

    Raises:
        NotFound: no version of that number is at work.
    """
    if asking.role is not None and asking.version is None:
        return _of_role(at_work, asking.role)
    if asking.version is None:
        return None
    if asking.version == at_work.route.champion.number:
        return Role.CHAMPION
    if at_work.challenger is not None and asking.version == at_work.challenger.contender.version.number:
        return Role.CHALLENGER
    raise NotFound(f"version {asking.version} of {at_work.route.deployment!r} is not at work")


def _of_role(at_work: OpenRoute, role: Role) -> Role:
    if role is Role.CHALLENGER and at_work.challenger is None:
        raise NotFound(f"no challenger of {at_work.route.deployment!r} is at work", fix="ask without naming a role")
    return role


def _same(at_work: ServedVersion, wanted: ServedVersion) -> bool:
    """Whether they are the same version in the same kind of place; faults are a challenger's affair."""
    return replace(at_work, fault="") == replace(wanted, fault="")


def _checked(check: RequestCheck, items: Sequence[Item]) -> list[Values]:
    rows: list[Values] = []
    for place, (given, inputs) in enumerate(items):
        try:
            if given is not None:
                checked_id(given)
            rows.append(check.row(inputs))
        except RequestInvalid as error:
            if len(items) == 1:
                raise
            fields = {f"rows[{place}].{name}": why for name, why in error.fields.items()}
            raise RequestInvalid(f"row {place}: {error.message}", fields=fields) from None
    return rows


def _end(done: asyncio.Future[Sequence[Answered]], how: Sequence[Answered] | Unavailable) -> None:
    if done.done():
        return
    if isinstance(how, Unavailable):
        done.set_exception(how)
    else:
        done.set_result(how)


def checked_id(given: object) -> str:
    """A request's id as a caller may give it.

    Raises:
        RequestInvalid: it is no text, or empty, or too long.
    """
    if isinstance(given, str) and 0 < len(given) <= ID_LIMIT:
        return given
    raise RequestInvalid(f"an id is text of 1 to {ID_LIMIT} characters", fields={"id": f"must be text of 1 to {ID_LIMIT} characters"})
