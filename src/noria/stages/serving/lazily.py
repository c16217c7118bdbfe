"""Opens the routes of a large plan when they are asked for, and keeps as many as memory allows."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from time import perf_counter
from typing import Generic, Protocol, TypeVar

from noria.core.errors import NoriaError, Unavailable
from noria.core.traffic import Plan, Route, ServedVersion
from noria.stages.serving.computed import reason
from noria.stages.serving.memory import give_back, machine_bytes, resident_bytes
from noria.stages.serving.shelf import Cold, Shelf

MANY = 200
"""Deployments up to which a plan is loaded as a whole before it comes to work, where nobody limits memory."""

MEASURED_EVERY = 32
"""Loads between two looks at what the process really takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Loading:
    """When models are loaded.

    A plan of few routes is loaded as a whole before it comes to work. One of more than `MANY`, or any where
    memory is limited or idle models are let go, is loaded route by route when it is asked for; a process that
    began so stays with it.

    Attributes:
        limit_bytes: What models may take together; 0 = half of what the process may use, once there are many.
        within_s: How long a request waits for its model.
        weigh: How much memory a version takes, about.
        idle_s: A model that nobody asked for this long is let go; 0 = none is.
    """

    limit_bytes: int = 0
    within_s: float = 10.0
    weigh: Callable[[ServedVersion], int] = lambda version: 1 << 20
    idle_s: float = 0.0

    @property
    def room_bytes(self) -> int:
        """What models may take together."""
        return self.limit_bytes or machine_bytes() // 2

    def lazy(self, plan: Plan) -> bool:
        """Whether this plan is loaded route by route."""
        return bool(self.limit_bytes) or bool(self.idle_s) or len(plan.routes) > MANY


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """How things stand with the models of a large plan.

    Attributes:
        used_bytes: What the loaded ones take, by estimate.
        limit_bytes: What they may; lower than the setting where the process really grew more than estimated.
        grown_bytes: What they really take: what the process has beyond what it had with the first few, when all its
            libraries were there; 0 before that.
    """

    planned: int
    loaded: int
    failing: int
    used_bytes: int
    limit_bytes: int
    grown_bytes: int
    loads: int
    failures: int
    evictions: int


class AtWork(Protocol):
    """A route that was opened."""

    @property
    def route(self) -> Route: ...  # noqa: D102


A = TypeVar("A", bound=AtWork)


class Lazily(Generic[A]):
    """The routes of a large plan; for one event loop.

    Args:
        at_work: The open routes by deployment; this changes it, and who answers reads it.
        open: Loads a route's versions; notes in the mapping what does not stop it.
        dismiss: Ends what the routes of the first mapping have and those of the second have not.

    Attributes:
        routes: All of the plan's.
    """

    def __init__(
        self,
        loading: Loading,
        *,
        at_work: dict[str, A],
        open: Callable[[str, Route, dict[str, str]], Awaitable[A]],
        dismiss: Callable[[Mapping[str, A], Mapping[str, A]], Awaitable[None]],
    ) -> None:
        self._loading = loading
        self._at_work = at_work
        self._open = open
        self._dismiss = dismiss
        self._limit_bytes = loading.room_bytes
        self._others_bytes = 0
        self._unopened: dict[str, str] = {}
        self._tidying: asyncio.Task[None] | None = None
        self._shelf: Shelf[str, A] = Shelf(self._load, limit_bytes=self._limit_bytes, now_s=perf_counter, gone=self._gone)
        self.routes: Mapping[str, Route] = {}
        self.touch = self._shelf.touch

    async def apply(self, plan: Plan) -> dict[str, str]:
        """Bring a plan to work; only what changed is touched. What is loaded or has to be is loaded anew before it is swapped.

        Returns:
            Deployment to why it is not wholly at work, of those that had to be loaded.
        """
        before, self.routes = self.routes, plan.routes
        changed = [name for name, route in plan.routes.items() if (was := before.get(name)) is not route and was != route]
        if self._tidying is None and self._loading.idle_s:
            self._tidying = asyncio.get_running_loop().create_task(self._tidy())
        self._shelf.pinned = frozenset(name for name, route in plan.routes.items() if stays(route))
        for name in [name for name in self._at_work if name not in plan.routes]:
            opened = self._at_work[name]
            self._shelf.forget(name)
            self._at_work.pop(name, None)
            await self._dismiss({name: opened}, {})
        problems: dict[str, str] = {}
        for name in dict.fromkeys((*changed, *self._unopened)):
            if name not in plan.routes:
                continue
            if name in self._at_work or name in self._shelf.pinned:
                await self._swap(name, plan.routes[name], problems)
            else:
                self._shelf.forget(name)
        self._unopened = problems
        return problems

    async def adopt(self) -> None:
        """Take over what was at work before there were many."""
        for name, opened in list(self._at_work.items()):
            self._shelf.put(name, opened, await self._weight(opened.route))

    async def fetch(self, name: str) -> A:
        """An open route, which is loaded first if need be.

        Raises:
            Cold: it does not come in time, or failed lately.
            Unavailable: it could not be loaded.
        """
        try:
            return await self._shelf.fetch(name, self._loading.within_s)
        except Cold as error:
            raise Cold(f"{name!r}: {error.message}", retry_after_s=error.retry_after_s) from None
        except NoriaError as error:
            raise Unavailable(f"{name!r} could not be loaded: {reason(error)}") from error
        except Exception as error:
            raise Unavailable(f"{name!r} could not be loaded: {reason(error)}") from error

    def problems(self) -> dict[str, str]:
        """What could not be loaded when it was last asked for, a bounded part of it."""
        found = self._shelf.problems()
        more = self._shelf.failing - len(found)
        return {**found, **({"more": f"{more:,} other deployments could not be loaded"} if more else {})}

    def stands(self) -> Loaded:
        """How things stand."""
        shelf = self._shelf
        return Loaded(
            planned=len(self.routes),
            loaded=len(shelf),
            failing=shelf.failing,
            used_bytes=shelf.used_bytes,
            limit_bytes=shelf.limit_bytes,
            grown_bytes=max(resident_bytes() - self._others_bytes, 0) if self._others_bytes else 0,
            loads=shelf.tallied.loads,
            failures=shelf.tallied.failures,
            evictions=shelf.tallied.evictions,
        )

    async def close(self) -> None:
        """End the loads under way."""
        if self._tidying is not None:
            self._tidying.cancel()
        await self._shelf.close()

    async def _swap(self, name: str, route: Route, problems: dict[str, str]) -> None:
        old = self._at_work.get(name)
        try:
            new = await self._open(name, route, problems)
            weight = await self._weight(route)
        except Exception as error:  # noqa: BLE001 - a model may fail to load in any way; it is reported, and what was there stays
            problems[name] = reason(error)
            return
        self._shelf.put(name, new, weight)
        self._at_work[name] = new
        if old is not None:
            await self._dismiss({name: old}, {name: new})

    async def _load(self, name: str) -> tuple[A, int]:
        route = self.routes[name]
        opened = await self._open(name, route, {})
        weight = await self._weight(route)
        self._measure()
        self._at_work[name] = opened
        return opened, weight

    async def _tidy(self) -> None:
        """Let go of what is idle, and give its memory back."""
        while True:
            await asyncio.sleep(max(self._loading.idle_s / 10, 0.05))
            if self._shelf.clear_idle(self._loading.idle_s):
                await asyncio.to_thread(give_back)

    async def _weight(self, route: Route) -> int:
        return 0 if route.champion.graph else await asyncio.to_thread(self._loading.weigh, route.champion)

    def _gone(self, name: str, opened: A) -> None:
        if self._at_work.get(name) is opened:
            del self._at_work[name]

    def _measure(self) -> None:
        """Where the process really grew more than estimated, as much more is left free; never more than half of the limit."""
        shelf = self._shelf
        if shelf.tallied.loads % MEASURED_EVERY or not shelf.tallied.loads:
            return
        now_bytes = resident_bytes()
        if not self._others_bytes:
            self._others_bytes = max(now_bytes - shelf.used_bytes, 1)
        grown = now_bytes - self._others_bytes
        real = min(max(shelf.used_bytes / grown, 0.5), 1.0) if grown > self._limit_bytes and shelf.used_bytes else 1.0
        shelf.limit_bytes = int(self._limit_bytes * real)


def stays(route: Route) -> bool:
    """Whether a route is loaded at once and never evicted: one that is pinned, has processes of its own, or is a graph, which holds nothing."""
    return route.pinned or route.challenger is not None or route.champion.isolated or route.champion.graph is not None
