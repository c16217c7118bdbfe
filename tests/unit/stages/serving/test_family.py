"""A family: each partition's own model answers its rows, the parent all others, and the journal says which."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import numpy as np
import pytest

from noria.core.schema import Field, Kind, Signature, Task
from noria.core.traffic import Family, Plan, Route, ServedVersion
from noria.stages.serving.desk import Desk
from noria.stages.serving.explaining import Explaining, Explains
from noria.stages.serving.family import Loaders, loader
from noria.stages.serving.frames import decode
from noria.stages.serving.lazily import Loading
from noria.stages.serving.log_tables import predictions_table

FIELDS = (Field(name="x", kind=Kind.FLOAT),)
SIGNATURE = Signature(inputs=(*FIELDS, Field(name="shop", kind=Kind.TEXT, required=False)), features=FIELDS, task=Task.REGRESSION)
MEMBERS = {f"s{n}": f"a{n}" for n in range(1, 9)}
VERSION = ServedVersion(number=3, artifact="a0", code="", signature=SIGNATURE, family="f")


class Times:
    """Answers x times its number; some are broken in one way or another."""

    def __init__(self, number):
        self.number, self.signature = number, replace(SIGNATURE, inputs=FIELDS)

    def score(self, matrix):
        if self.number == 7:
            raise ArithmeticError("seven never works")
        return matrix[:, 0] * (np.nan if self.number == 8 else self.number)


class Store:
    def __init__(self):
        self.loaded, self.missing = [], set()

    def scorer(self, artifact):
        self.loaded.append(artifact)
        if artifact in self.missing:
            raise FileNotFoundError(artifact)
        return Times(int(artifact[1:]))


@pytest.fixture
def store():
    return Store()


def loaders(store, limit_bytes=100, **more):
    loading = Loading(limit_bytes=limit_bytes, weigh=lambda version: 1, **more)
    return Loaders(family=lambda digest: Family(by="shop", members=MEMBERS), scorer=store.scorer, loading=loading)


def at_a_desk(office, store, scenario, **more):
    async def whole():
        load = loader(store.scorer, lambda version: None, loaders(store, **more))
        office.desk = Desk(load=load, hire=office.hire, journal=office.journal, clock=office.clock)
        try:
            await office.desk.apply(Plan(revision=1, routes={"sales": Route(deployment="sales", champion=VERSION)}))
            await scenario(office.desk)
        finally:
            await office.desk.close()

    asyncio.run(whole())


async def ask(desk, *shops, x=2.0):
    answered = await desk.predict("sales", [(None, {"x": x} | ({} if shop is None else {"shop": shop})) for shop in shops])
    return [one.prediction for one in answered]


def logged(office):
    table = predictions_table([decode(frame) for frame in office.journal.frames])
    return table.select([name for name in ("member", "member_error", "version", "role") if name in table.columns]).to_dicts()


def test_each_row_is_answered_by_its_partition_and_all_others_by_the_parent(office, store) -> None:
    async def scenario(desk):
        assert await ask(desk, "s1", "s2", "nobody", None, "s1") == [2.0, 4.0, 0.0, 0.0, 2.0]
        assert sorted(store.loaded) == ["a0", "a1", "a2"]
        assert {row["member"] for row in logged(office)} == {"s1", "s2", ""}
        assert {(row["version"], row["role"]) for row in logged(office)} == {(3, "champion")}

    at_a_desk(office, store, scenario)


def test_a_member_that_fails_or_says_nonsense_leaves_its_rows_to_the_parent_on_the_record(office, store) -> None:
    async def scenario(desk):
        assert await ask(desk, "s7", "s8", "s1") == [0.0, 0.0, 2.0]
        assert [(row["member"], row["member_error"]) for row in logged(office)] == [
            ("", "ArithmeticError: seven never works"),
            ("", "ArithmeticError: its answers are no finite numbers"),
            ("s1", ""),
        ]
        assert desk.counters().failed == 0

    at_a_desk(office, store, scenario)


def test_a_member_whose_file_is_missing_is_a_problem_that_costs_nobody_an_answer(office, store) -> None:
    store.missing = {"a3"}

    async def scenario(desk):
        assert await ask(desk, "s3", "s2") == [0.0, 4.0]
        assert await ask(desk, "s3") == [0.0]
        assert store.loaded.count("a3") == 1
        assert "1 of 8 members could not be loaded" in desk.problems()["sales"] and "s3" in desk.problems()["sales"]

    at_a_desk(office, store, scenario)


def test_only_as_many_members_stay_as_fit_and_answers_stay_right(office, store) -> None:
    async def scenario(desk):
        assert await ask(desk, *(f"s{n}" for n in range(1, 7))) == [2.0 * n for n in range(1, 7)]
        for n in (1, 6, 1):
            assert await ask(desk, f"s{n}") == [2.0 * n]
        assert len(store.loaded) > 8

    at_a_desk(office, store, scenario, limit_bytes=2)


def test_a_request_is_never_answered_past_its_family_by_the_quick_way(office, store) -> None:
    async def scenario(desk):
        assert desk.at_work("sales").quick.read(b'{"inputs": {"x": 2.0, "shop": "s1"}}') is None

    at_a_desk(office, store, scenario)


def test_where_nobody_prepares_members_are_loaded_on_the_spot(store) -> None:
    served = loader(store.scorer, lambda version: None, loaders(store))(VERSION)
    answers, beside = served.answer([{"x": 1.0, "shop": "s4"}, {"x": 1.0, "shop": None}], 0)
    assert answers == [4.0, 0.0] and list(beside["family:member"]) == ["s4", ""] and served.problem == ""


def test_features_that_are_looked_up_are_on_record_whoever_answers(store) -> None:
    class Doubled:
        def served(self, rows, now_ms):
            return {"twice": [2.0 * x for x in rows.column("x")]}

    served = loader(store.scorer, lambda version: Doubled(), loaders(store))(VERSION)
    _, beside = served.answer([{"x": 1.0, "shop": "s4"}, {"x": 2.0, "shop": None}, {"x": 3.0, "shop": "s7"}], 0)
    assert list(beside["twice"]) == [2.0, 4.0, 6.0]


def test_an_answer_is_explained_at_once_by_the_model_that_gave_it(office, store) -> None:
    asked = []

    class Native(Times):
        explained_by = "tree-shap"

        def contributions(self, X, background):
            return np.stack([X[:, 0] * self.number, np.zeros(len(X))], axis=1)[:, None, :]

    def load(version):
        asked.append(version.artifact)
        return Explains(scorer=Native(int(version.artifact[1:])), background=np.empty((0, 1)))

    async def scenario(desk):
        over = Explaining(desk, load)
        rows = [(None, {"x": 2.0, "shop": shop}) for shop in ("s1", "s3", "elsewhere", "s7")]
        told = await over.predict("sales", rows)
        await over.close()
        assert [answer.prediction for answer, _ in told] == [2.0, 6.0, 0.0, 0.0]
        assert [[part.part for part in why.parts] for _, why in told] == [[2.0], [6.0], [0.0], [0.0]]
        assert set(asked) == {"a0", "a1", "a3"} and {why.version for _, why in told} == {"sales@3"}

    at_a_desk(office, store, scenario)
