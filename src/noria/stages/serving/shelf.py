"""Keeps what is loaded within a limit of memory: what is asked for comes, what was not asked for longest goes."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable, Iterable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from noria.core.errors import NoriaError, Unavailable, bounded

FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 300.0
"""What does not load is tried again, when it is asked for, after a pause that doubles each time."""

WAITING_LIMIT = 10_000
"""Askers that may wait for loads, in all; more are told to come again."""

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Cold(Unavailable):
    """What was asked for is not loaded, and will not be while this asker waits.

    Attributes:
        retry_after_s: When it is worth asking again.
    """

    def __init__(self, message: str, *, retry_after_s: float) -> None:
        self.retry_after_s = retry_after_s
        super().__init__(message, fix=f"ask again in {retry_after_s:.0f} s" if retry_after_s >= 1 else "ask again")


@dataclass(slots=True)
class Tallied:
    """What a shelf did since the start."""

    loads: int = 0
    failures: int = 0
    evictions: int = 0


@dataclass(slots=True)
class _Failed:
    why: str
    pause_s: float
    until_s: float


@dataclass(slots=True)
class _Held(Generic[V]):
    value: V
    size_bytes: int
    used_s: float


class Shelf(Generic[K, V]):
    """Things by key, each loaded when it is first asked for; for one event loop.

    Args:
        load: Brings a thing and says how many bytes of memory it takes. One call per key at a time, however many wait.
        limit_bytes: What all of them may take together. One alone may take more; then nothing else stays beside it.
        now_s: A clock that only goes forward.
        at_once: Loads under way, at most: those who are served already keep their share of the machine.
        gone: Told of a thing that has left the shelf.

    Attributes:
        tallied: Loads, failures and evictions.
        pinned: Keys that are never evicted.
    """

    def __init__(
        self,
        load: Callable[[K], Awaitable[tuple[V, int]]],
        *,
        limit_bytes: int,
        now_s: Callable[[], float],
        at_once: int = 2,
        gone: Callable[[K, V], None] = lambda key, value: None,
    ) -> None:
        self._load = load
        self.limit_bytes = limit_bytes
        self._now_s = now_s
        self._gone = gone
        self._turns = asyncio.Semaphore(at_once)
        self._held: OrderedDict[K, _Held[V]] = OrderedDict()
        self._coming: dict[K, asyncio.Task[V]] = {}
        self._failed: dict[K, _Failed] = {}
        self._waiting = 0
        self._closed = False
        self.used_bytes = 0
        self.tallied = Tallied()
        self.pinned: frozenset[K] = frozenset()

    def __len__(self) -> int:
        return len(self._held)

    def get(self, key: K) -> V | None:
        """The thing if it is here, which counts as a use."""
        held = self._held.get(key)
        if held is None:
            return None
        held.used_s = self._now_s()
        self._held.move_to_end(key)
        return held.value

    def absent(self, key: K) -> str:
        """Why the thing is not here although somebody asked: it failed lately, or comes; "" = it is here, or nobody asked."""
        failed = self._failed.get(key)
        if failed is not None and failed.until_s > self._now_s():
            return f"it could not be loaded: {failed.why}"
        return "it is not loaded yet" if key in self._coming else ""

    def touch(self, key: K) -> None:
        """Say that the thing was used."""
        held = self._held.get(key)
        if held is not None:
            held.used_s = self._now_s()
            self._held.move_to_end(key)

    def clear_idle(self, idle_s: float) -> int:
        """Let go of things that were not used for so long; how many."""
        since_s, gone = self._now_s() - idle_s, 0
        for key, held in list(self._held.items()):
            if held.used_s > since_s:
                break
            if key not in self.pinned:
                self._release(key)
                gone += 1
        self.tallied.evictions += gone
        return gone

    async def fetch(self, key: K, within_s: float) -> V:
        """The thing, loaded if need be; a load that takes longer goes on for those who come later, one that is dropped begins again.

        Raises:
            Cold: it did not come in time, it failed lately and its pause is not over, or too many wait already.
            Exception: whatever `load` raised, to those who waited for it.
        """
        until_s = asyncio.get_running_loop().time() + within_s
        while True:
            value = self.get(key)
            if value is not None:
                return value
            self._refuse_at_once(key)
            coming = self._coming.get(key) or self._begin(key)
            self._waiting += 1
            try:
                done, _ = await asyncio.wait({coming}, timeout=max(until_s - asyncio.get_running_loop().time(), 0.0))
            finally:
                self._waiting -= 1
            if not done:
                raise Cold(f"it was not loaded within {within_s:g} s", retry_after_s=1.0)
            if not coming.cancelled():
                return coming.result()

    def put(self, key: K, value: V, size_bytes: int) -> None:
        """Place a thing that somebody loaded, instead of one that is here under the key; what is under way for it is dropped."""
        self.forget(key)
        self._place(key, value, size_bytes)

    def forget(self, key: K) -> None:
        """Let go of everything that is known under a key: the thing, a load under way, a failure."""
        self._failed.pop(key, None)
        coming = self._coming.pop(key, None)
        if coming is not None:
            coming.cancel()
        self._release(key)

    def forget_all_but(self, keys: Iterable[K]) -> None:
        """Let go of all other keys."""
        staying = set(keys)
        for key in [key for known in (self._held, self._coming, self._failed) for key in known if key not in staying]:
            self.forget(key)

    def problems(self, limit: int = 50) -> dict[K, str]:
        """What failed to load when it was last tried, the newest failures first, at most `limit` of them."""
        newest = sorted(self._failed.items(), key=lambda one: -one[1].until_s)[:limit]
        return {key: failed.why for key, failed in newest}

    @property
    def failing(self) -> int:
        """How many things failed to load when they were last tried."""
        return len(self._failed)

    async def close(self) -> None:
        """End the loads under way and let go of everything."""
        self._closed = True
        coming = [*self._coming.values()]
        self.forget_all_but(())
        if coming:
            await asyncio.wait(coming)

    def _refuse_at_once(self, key: K) -> None:
        failed = self._failed.get(key)
        if failed is not None and (left_s := failed.until_s - self._now_s()) > 0:
            raise Cold(f"it could not be loaded: {failed.why}", retry_after_s=left_s)
        if self._closed:
            raise Cold("the server ends", retry_after_s=1.0)
        if self._waiting >= WAITING_LIMIT:
            raise Cold("too many wait for models that are not loaded", retry_after_s=1.0)

    def _begin(self, key: K) -> asyncio.Task[V]:
        coming = self._coming[key] = asyncio.get_running_loop().create_task(self._bring(key))
        coming.add_done_callback(_heard)
        return coming

    async def _bring(self, key: K) -> V:
        me = asyncio.current_task()
        try:
            async with self._turns:
                value, size_bytes = await self._load(key)
        except Exception as error:
            if self._coming.get(key) is me:
                self._fail(key, error)
                del self._coming[key]
            raise
        if self._coming.get(key) is me:
            del self._coming[key]
            self._failed.pop(key, None)
            self.tallied.loads += 1
            self._place(key, value, size_bytes)
        return value

    def _fail(self, key: K, error: Exception) -> None:
        before = self._failed.get(key)
        pause_s = min(before.pause_s * 2, LONGEST_PAUSE_S) if before else FIRST_PAUSE_S
        said = error.message if isinstance(error, NoriaError) else f"{type(error).__name__}: {error}"
        self._failed[key] = _Failed(why=bounded(said, 300), pause_s=pause_s, until_s=self._now_s() + pause_s)
        self.tallied.failures += 1

    def _place(self, key: K, value: V, size_bytes: int) -> None:
        self._held[key] = _Held(value, size_bytes, self._now_s())
        self.used_bytes += size_bytes
        if self.used_bytes <= self.limit_bytes:
            return
        for oldest in [one for one in self._held if one != key and one not in self.pinned]:
            self._release(oldest)
            self.tallied.evictions += 1
            if self.used_bytes <= self.limit_bytes:
                return

    def _release(self, key: K) -> None:
        held = self._held.pop(key, None)
        if held is not None:
            self.used_bytes -= held.size_bytes
            self._gone(key, held.value)


def _heard(ended: asyncio.Task[Any]) -> None:
    """A failure that nobody waits for any more is in `problems`; asyncio need not complain of it too."""
    if not ended.cancelled():
        ended.exception()
