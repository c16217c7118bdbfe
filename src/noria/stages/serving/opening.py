"""Brings one route of a plan to work: its champion, its challenger, and what leads rows to them; and ends what left."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from noria.core.traffic import Route, ServedVersion
from noria.stages.serving.computed import reason
from noria.stages.serving.conducting import Conductor, Members
from noria.stages.serving.ending import Books
from noria.stages.serving.graph_lane import GraphLane
from noria.stages.serving.interleaving import InterleavingLane
from noria.stages.serving.isolated import Crew, IsolatedLane, Isolation
from noria.stages.serving.lanes import ChallengerLane, ChampionLane, Contender
from noria.stages.serving.model import Served
from noria.stages.serving.opened import OpenRoute
from noria.stages.serving.processes import Absent, Hire, KeptProcess, Told
from noria.stages.serving.quick import Quick
from noria.stages.serving.validation import RequestCheck


class Opener:
    """Opens routes; for one event loop.

    Args:
        load: Loads a champion in this process; called in a thread.
        hire: Starts a version in a process of its own.
        isolation: How isolated champions run.
        books: Where a deployment's answers are written down and counted.
        restarted: Told of each process that had to be started again: deployment, version and why.
        members: Whom graphs ask.
    """

    def __init__(
        self,
        *,
        load: Callable[[ServedVersion], Served],
        hire: Hire,
        isolation: Isolation,
        books: Callable[[str], Books],
        restarted: Callable[[str, int, str], None],
        members: Members,
    ) -> None:
        self._load = load
        self._hire = hire
        self._isolation = isolation
        self._books = books
        self._restarted = restarted
        self._members = members

    async def opened(self, name: str, route: Route, before: OpenRoute | None, problems: dict[str, str]) -> OpenRoute:
        """A route ready to answer, with what of `before`, the one at work until now, can stay; `problems` is told of a challenger that did not start.

        Raises:
            Exception: the champion does not load, in whatever way its library fails.
        """
        books = self._books(name)
        stays = before is not None and _same(before.champion.served.version, route.champion)
        served = before.champion.served if before and stays else await self._champion(name, route.champion)
        check = RequestCheck(route.champion.signature, also=route.challenger.signature.inputs if route.challenger else ())
        champion = _lane(served, books, check.names)
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
            quick=Quick(check.fields, never=bool(route.champion.family)),
            champion=champion,
            challenger=challenger,
            interleaving=InterleavingLane(champion, challenger, books, salt=route.salt) if challenger is not None and interleaved else None,
            key_place=names.index(key) if key in names else -1,
            group_place=names.index(group) if group in names else -1,
        )

    async def _champion(self, deployment: str, version: ServedVersion) -> Served | Crew | Conductor:
        if version.graph is not None:
            return Conductor(version, self._members)
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
        return lambda why: self._restarted(deployment, version.number, why)

    async def _contender(self, deployment: str, before: OpenRoute | None, version: ServedVersion) -> Contender:
        if before and before.challenger and before.challenger.contender.version == version:
            at_work = before.challenger.contender
            if not isinstance(at_work.client, Absent):
                return at_work
        return Contender(version=version, client=await self._hire(version, self._counting(deployment, version)))


def _lane(served: Served | Crew | Conductor, books: Books, names: Sequence[str]) -> ChampionLane | IsolatedLane | GraphLane:
    if isinstance(served, Conductor):
        return GraphLane(served, books, names)
    return IsolatedLane(served, books, names) if isinstance(served, Crew) else ChampionLane(served, books, names)


async def dismiss(before: Mapping[str, OpenRoute], after: Mapping[str, OpenRoute]) -> None:
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


def _same(at_work: ServedVersion, wanted: ServedVersion) -> bool:
    """Whether they are the same version in the same kind of place; faults are a challenger's affair."""
    return replace(at_work, fault="") == replace(wanted, fault="")
