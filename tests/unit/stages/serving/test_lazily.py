"""A desk over a large plan: models come when they are asked for, and nothing that changes there costs those who are served."""

from __future__ import annotations

import asyncio
import gc
import weakref
from dataclasses import replace

import pytest

from noria.core.errors import NotFound, Unavailable
from noria.core.traffic import Feedback, Plan, Route
from noria.stages.serving.desk import Desk
from noria.stages.serving.lazily import MANY, Loading
from noria.stages.serving.memory import machine_bytes, resident_bytes
from noria.stages.serving.model import Served
from noria.stages.serving.shelf import Cold

TEN = Loading(limit_bytes=10, weigh=lambda version: 1)


def many(office, count, revision=1, *, champion=lambda n: n + 1, **more):
    names = [f"shop-{n:05d}" for n in range(count)]
    return Plan(
        revision=revision,
        routes={name: Route(deployment=name, champion=office.version(champion(n)), **more) for n, name in enumerate(names)},
    )


async def ask(office, n, distance=1_000.0):
    (answered,) = await office.desk.predict(f"shop-{n:05d}", [(None, {"tail": "N1", "distance": distance})])
    return answered


def at_a_desk(office, scenario, loading=TEN):
    async def whole():
        office.desk = Desk(load=office.load, hire=office.hire, journal=office.journal, clock=office.clock, loading=loading)
        try:
            await scenario(office.desk)
        finally:
            await office.desk.close()

    asyncio.run(whole())


def test_models_that_nobody_asks_are_let_go_and_come_again(office) -> None:
    async def scenario(desk):
        await desk.apply(many(office, 3))
        assert office.loaded == []
        await ask(office, 0)
        while desk.loaded().loaded:
            await asyncio.sleep(0.01)
        assert desk.loaded().evictions == 1
        assert (await ask(office, 0)).version == 1 and len(office.loaded) == 2

    at_a_desk(office, scenario, Loading(idle_s=0.1))


def test_a_model_that_is_let_go_is_gone_at_once_and_not_when_the_collector_comes_by(office) -> None:
    models = weakref.WeakSet()

    def load(version):
        models.add(scorer := type(office.scorer)())
        plain = replace(version, signature=replace(version.signature, features=version.signature.features[:1] * 2))
        return Served(plain, scorer=scorer)

    async def scenario(desk):
        await desk.apply(many(office, 12))
        for n in range(12):
            await ask(office, n)
        assert desk.loaded().evictions == 2 and len(models) == 10

    office.load = load
    gc.collect()
    gc.disable()
    try:
        at_a_desk(office, scenario)
    finally:
        gc.enable()


def test_few_are_loaded_before_they_come_to_work_and_many_when_they_are_asked_for(office) -> None:
    async def scenario(desk):
        await desk.apply(many(office, MANY))
        assert len(office.loaded) == MANY and desk.loaded() is None
        await desk.apply(many(office, MANY + 1, 2))
        assert len(office.loaded) == MANY and desk.ready and desk.loaded().loaded == MANY
        assert (await ask(office, MANY)).version == MANY + 1
        assert len(office.loaded) == MANY + 1

    at_a_desk(office, scenario, Loading())


def test_only_as_many_as_fit_stay_and_the_others_come_again(office) -> None:
    async def scenario(desk):
        await desk.apply(many(office, 30))
        for n in (*range(12), 0, 11):
            assert (await ask(office, n)).version == n + 1
        stands = desk.loaded()
        assert (stands.planned, stands.loaded, stands.used_bytes, stands.loads, stands.evictions) == (30, 10, 10, 13, 3)
        assert [version.number for version in office.loaded] == [*range(1, 13), 1]
        assert len(office.journal.predictions()) == 14

    at_a_desk(office, scenario)


def test_what_is_not_loaded_is_known_nevertheless(office) -> None:
    async def scenario(desk):
        await desk.apply(many(office, 30))
        told = desk.deployed("shop-00003")
        assert (told.version, told.versions) == (4, (4,)) and len(desk.versions()) == 30
        assert await desk.feedback("shop-00003", [Feedback(request_id="r", deployment="shop-00003", value=1.0, time_ms=1)]) == 1
        assert desk.outcome("shop-00003", "r", "late").value == 1
        with pytest.raises(NotFound, match="no deployment 'nobody'"):
            await desk.predict("nobody", [(None, {"tail": "N1", "distance": 1.0})])
        assert office.loaded == []

    at_a_desk(office, scenario)


def test_many_who_ask_for_one_wait_for_one_load(office) -> None:
    async def scenario(desk):
        await desk.apply(many(office, 30))
        answers = await asyncio.gather(*(ask(office, 5) for _ in range(40)))
        assert {answer.version for answer in answers} == {6} and len(office.loaded) == 1

    at_a_desk(office, scenario)


def test_a_changed_plan_touches_what_changed_alone(office) -> None:
    async def scenario(desk):
        before = many(office, 30)
        await desk.apply(before)
        for n in (1, 2):
            await ask(office, n)
        routes = dict(before.routes)
        routes["shop-00001"] = replace(routes["shop-00001"], champion=office.version(101))
        routes["shop-00003"] = replace(routes["shop-00003"], champion=office.version(103))
        del routes["shop-00002"]
        await desk.apply(Plan(revision=2, routes=routes))
        assert [version.number for version in office.loaded] == [2, 3, 101]
        assert (await ask(office, 1)).version == 101 and (await ask(office, 3)).version == 103
        with pytest.raises(NotFound):
            await ask(office, 2)

    at_a_desk(office, scenario)


def test_a_version_that_does_not_load_fails_its_own_requests_and_says_so(office) -> None:
    office.unloadable = {4}

    async def scenario(desk):
        await desk.apply(many(office, 30))
        with pytest.raises(Unavailable, match="v4 is broken"):
            await ask(office, 3)
        with pytest.raises(Cold) as told:
            await ask(office, 3)
        assert 0 < told.value.retry_after_s <= 1.0 and len(office.loaded) == 1
        assert (await ask(office, 4)).version == 5
        assert desk.problems() == {"shop-00003": "ArithmeticError: v4 is broken"} and desk.ready
        office.unloadable = set()
        await desk.apply(many(office, 30, 2, champion=lambda n: 200 if n == 3 else n + 1))
        assert (await ask(office, 3)).version == 200 and desk.problems() == {}

    at_a_desk(office, scenario)


def test_a_new_version_that_does_not_load_leaves_the_one_that_answers(office) -> None:
    office.unloadable = {200}

    async def scenario(desk):
        await desk.apply(many(office, 30))
        await ask(office, 3)
        await desk.apply(many(office, 30, 2, champion=lambda n: 200 if n == 3 else n + 1))
        assert (await ask(office, 3)).version == 4 and "v200" in desk.unopened["shop-00003"]
        office.unloadable = set()
        await desk.apply(many(office, 30, 2, champion=lambda n: 200 if n == 3 else n + 1))
        assert (await ask(office, 3)).version == 200 and desk.problems() == {}

    at_a_desk(office, scenario)


def test_pinned_routes_and_those_with_a_challenger_are_loaded_at_once_and_stay(office) -> None:
    async def scenario(desk):
        plan = many(office, 30)
        routes = dict(plan.routes)
        routes["shop-00000"] = replace(routes["shop-00000"], pinned=True)
        routes["shop-00001"] = replace(routes["shop-00001"], challenger=office.version(99), challenger_share=1.0, timeout_ms=5_000.0)
        await desk.apply(Plan(revision=1, routes=routes))
        assert [version.number for version in office.loaded] == [1, 2]
        assert (await ask(office, 1)).version == 99
        for n in range(2, 30):
            await ask(office, n)
        office.loaded.clear()
        assert (await ask(office, 0)).version == 1 and (await ask(office, 1)).version == 99 and office.loaded == []
        await desk.apply(plan)
        assert office.challengers[0].closed and (await ask(office, 1)).version == 2

    at_a_desk(office, scenario)


def test_a_slow_load_ends_the_wait_and_is_there_for_the_next(office) -> None:
    async def scenario(desk):
        gate = asyncio.Event()
        load, loop = office.load, asyncio.get_running_loop()

        def slow(version):
            asyncio.run_coroutine_threadsafe(gate.wait(), loop).result()
            return load(version)

        desk._opener._load = slow
        await desk.apply(many(office, 30))
        with pytest.raises(Cold, match="'shop-00007': it was not loaded within"):
            await ask(office, 7)
        gate.set()
        while not office.loaded:
            await asyncio.sleep(0)
        assert (await ask(office, 7)).version == 8 and len(office.loaded) == 1

    at_a_desk(office, scenario, replace(TEN, within_s=0.01))


def test_the_system_says_how_much_memory_there_is_and_is_taken() -> None:
    assert 0 < resident_bytes() < machine_bytes()
