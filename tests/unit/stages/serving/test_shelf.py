"""The shelf of what is loaded: within its limit, each thing once, and a failure costs nobody else."""

from __future__ import annotations

import asyncio
from collections import OrderedDict

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from noria.core.errors import ArtifactRejected, Unavailable
from noria.stages.serving import shelf as shelves
from noria.stages.serving.shelf import LONGEST_PAUSE_S, Cold, Shelf


class Store:
    """Brings "thing KEY" of as many bytes as the key says; slow or broken where a test wants it so."""

    def __init__(self):
        self.calls = []
        self.broken = set()
        self.gates = {}
        self.under_way = self.most = 0

    async def load(self, key):
        self.calls.append(key)
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        try:
            if key in self.gates:
                await self.gates[key].wait()
            await asyncio.sleep(0)
            if key in self.broken:
                raise ArtifactRejected(f"{key} is broken")
            return f"thing {key}", int(key.partition("-")[2])
        finally:
            self.under_way -= 1


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def on_a_shelf(limit, test, **more):
    """Run `test(shelf, store, clock)` in a loop of its own."""
    store, clock = Store(), Clock()

    async def run():
        shelf = Shelf(store.load, limit_bytes=limit, now_s=clock, **more)
        await test(shelf, store, clock)
        await shelf.close()
        assert len(shelf) == 0 and shelf.used_bytes == 0

    asyncio.run(run())


def test_however_many_wait_it_is_loaded_once():
    async def test(shelf, store, clock):
        assert await asyncio.gather(*(shelf.fetch("a-1", 5) for _ in range(50))) == ["thing a-1"] * 50
        assert store.calls == ["a-1"] and shelf.get("a-1") == "thing a-1"

    on_a_shelf(10, test)


def test_what_nobody_used_for_a_while_goes_and_what_is_pinned_stays():
    gone = []

    async def test(shelf, store, clock):
        shelf.pinned = frozenset({"p-1"})
        for key in ("p-1", "a-1", "b-1"):
            await shelf.fetch(key, 5)
        clock.now = 50.0
        shelf.touch("a-1")
        clock.now = 70.0
        assert shelf.clear_idle(60.0) == 1 and gone == ["b-1"] and shelf.tallied.evictions == 1
        clock.now = 110.0
        assert shelf.clear_idle(60.0) == 1 and gone == ["b-1", "a-1"] and len(shelf) == 1
        assert await shelf.fetch("b-1", 5) == "thing b-1"

    on_a_shelf(10, test, gone=lambda key, value: gone.append(key))


def test_what_was_not_used_longest_goes_and_comes_again():
    gone = []

    async def test(shelf, store, clock):
        for key in ("a-4", "b-4"):
            await shelf.fetch(key, 5)
        shelf.touch("a-4")
        await shelf.fetch("c-4", 5)
        assert gone == ["b-4"] and shelf.get("b-4") is None and shelf.used_bytes == 8
        assert await shelf.fetch("b-4", 5) == "thing b-4" and gone == ["b-4", "a-4"]
        assert store.calls == ["a-4", "b-4", "c-4", "b-4"] and shelf.tallied.evictions == 2

    on_a_shelf(10, test, gone=lambda key, value: gone.append(key))


def test_pinned_things_stay_and_a_thing_larger_than_the_limit_is_there_alone():
    async def test(shelf, store, clock):
        shelf.pinned = frozenset({"a-4"})
        for key in ("a-4", "b-4", "c-100"):
            await shelf.fetch(key, 5)
        assert shelf.get("a-4") and shelf.get("c-100") and shelf.get("b-4") is None
        await shelf.fetch("b-4", 5)
        assert shelf.get("c-100") is None and shelf.get("a-4") and shelf.used_bytes == 8

    on_a_shelf(10, test)


def test_who_waits_too_long_is_told_and_the_load_goes_on_for_others():
    async def test(shelf, store, clock):
        store.gates["a-1"] = asyncio.Event()
        with pytest.raises(Cold, match="was not loaded within") as told:
            await shelf.fetch("a-1", 0.01)
        assert isinstance(told.value, Unavailable) and told.value.retry_after_s == 1.0
        store.gates["a-1"].set()
        assert await shelf.fetch("a-1", 5) == "thing a-1" and store.calls == ["a-1"]

    on_a_shelf(10, test)


def test_a_failure_is_only_its_own_and_tried_again_after_growing_pauses():
    async def test(shelf, store, clock):
        store.broken.add("a-1")
        for tries, pause_s in enumerate((1.0, 2.0, 4.0), 1):
            with pytest.raises(ArtifactRejected):
                await shelf.fetch("a-1", 5)
            with pytest.raises(Cold, match="is broken") as told:
                await shelf.fetch("a-1", 5)
            assert told.value.retry_after_s == pause_s and len(store.calls) == tries
            clock.now += pause_s
        assert await shelf.fetch("b-1", 5) == "thing b-1" and shelf.problems() == {"a-1": "a-1 is broken"}
        store.broken.clear()
        store.calls.clear()
        assert await shelf.fetch("a-1", 5) == "thing a-1" and shelf.problems() == {} and shelf.failing == 0

    on_a_shelf(10, test)


def test_pauses_grow_no_longer_than_the_longest():
    async def test(shelf, store, clock):
        store.broken.add("a-1")
        for _ in range(20):
            with pytest.raises(ArtifactRejected):
                await shelf.fetch("a-1", 5)
            clock.now += LONGEST_PAUSE_S
        assert len(store.calls) == 20

    on_a_shelf(10, test)


def test_problems_are_bounded_and_the_newest_first():
    async def test(shelf, store, clock):
        for n in range(60):
            store.broken.add(f"k-{n}")
            clock.now += 1.0
            with pytest.raises(ArtifactRejected):
                await shelf.fetch(f"k-{n}", 5)
        assert list(shelf.problems(limit=3)) == ["k-59", "k-58", "k-57"] and shelf.failing == 60

    on_a_shelf(10, test)


def test_who_waits_for_a_load_that_is_dropped_gets_what_comes_instead():
    async def test(shelf, store, clock):
        store.gates["a-1"] = asyncio.Event()
        waiting = asyncio.ensure_future(shelf.fetch("a-1", 5))
        await asyncio.sleep(0)
        shelf.put("a-1", "another", 2)
        assert await waiting == "another" and shelf.used_bytes == 2
        store.gates["b-1"] = asyncio.Event()
        waiting = asyncio.ensure_future(shelf.fetch("b-1", 5))
        await asyncio.sleep(0)
        shelf.forget("b-1")
        store.gates["b-1"].set()
        assert await waiting == "thing b-1" and len(shelf) == 2

    on_a_shelf(10, test)


def test_few_load_at_once_and_not_too_many_wait(monkeypatch):
    monkeypatch.setattr(shelves, "WAITING_LIMIT", 20)

    async def test(shelf, store, clock):
        results = await asyncio.gather(*(shelf.fetch(f"k-{n}", 5) for n in range(25)), return_exceptions=True)
        assert [type(one) for one in results[20:]] == [Cold] * 5 and store.most == 3
        assert results[:20] == [f"thing k-{n}" for n in range(20)]

    on_a_shelf(1_000, test, at_once=3)


class Stocked(RuleBasedStateMachine):
    """Against a plain model of least recently used: what is here, what it takes, and what is called."""

    KEYS = st.sampled_from([f"{name}-{size}" for name in "abcdef" for size in (1, 3, 7)])
    loop = None

    @initialize(limit=st.integers(5, 20))
    def begin(self, limit):
        self.loop, self.store, self.clock, self.limit = asyncio.new_event_loop(), Store(), Clock(), limit
        self.model = OrderedDict()
        self.pinned = frozenset()

        async def made():
            return Shelf(self.store.load, limit_bytes=limit, now_s=self.clock)

        self.shelf = self.loop.run_until_complete(made())

    @rule(key=KEYS)
    def fetch(self, key):
        assert self.loop.run_until_complete(self.shelf.fetch(key, 5)) == f"thing {key}"
        self._use(key)

    @rule(key=KEYS)
    def get(self, key):
        assert (self.shelf.get(key) is not None) == (key in self.model)
        if key in self.model:
            self.model.move_to_end(key)

    @rule(key=KEYS)
    def forget(self, key):
        self.shelf.forget(key)
        self.model.pop(key, None)

    @rule(key=KEYS, size=st.integers(1, 9))
    def put(self, key, size):
        self.shelf.put(key, f"thing {key}", size)
        self.model.pop(key, None)
        self._use(key, size)

    @rule(keys=st.sets(KEYS, max_size=2))
    def pin(self, keys):
        self.pinned = self.shelf.pinned = frozenset(keys)

    def _use(self, key, size=None):
        if key in self.model:
            self.model.move_to_end(key)
            return
        self.model[key] = int(key.partition("-")[2]) if size is None else size
        for oldest in [one for one in self.model if one != key and one not in self.pinned]:
            if sum(self.model.values()) <= self.limit:
                break
            del self.model[oldest]

    @invariant()
    def same(self):
        if self.loop is not None:
            assert list(self.shelf._held) == list(self.model)
            assert self.shelf.used_bytes == sum(self.model.values())

    def teardown(self):
        if self.loop is not None:
            self.loop.run_until_complete(self.shelf.close())
            self.loop.close()


TestStocked = Stocked.TestCase
TestStocked.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
