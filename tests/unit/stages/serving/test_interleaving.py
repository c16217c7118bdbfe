"""A query of a ranking is answered with one order that both versions drafted, and each row is credited to one of them."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from noria.core.schema import Field, Kind, Signature, Task
from noria.core.traffic import Role
from noria.stages.serving.asks import Asking
from noria.stages.serving.drafting import draft

SIGNATURE = Signature(
    inputs=(Field(name="query", kind=Kind.TEXT), Field(name="distance", kind=Kind.FLOAT)),
    features=(Field(name="distance", kind=Kind.FLOAT), Field(name="wind", kind=Kind.FLOAT)),
    task=Task.RANKING,
    group="query",
)
THEIRS = [0.1, 0.9, 0.5, 0.7]


def interleaved(office, **changes):
    plan = office.plan(2, challenger=2, interleave=True, shadow=True, **changes)
    route = plan.routes["late"]
    ranker = {"champion": replace(route.champion, signature=SIGNATURE), "challenger": replace(route.challenger, signature=SIGNATURE)}
    return replace(plan, routes={"late": replace(route, **ranker)})


def rows(query: str, *distances: float):
    return [(f"{query}{n}", {"query": query, "distance": distance}) for n, distance in enumerate(distances)]


def test_both_versions_draft_one_order_and_every_score_is_logged(at_work) -> None:
    async def scenario(office):
        await office.desk.apply(interleaved(office))
        office.challengers[-1].always = THEIRS
        answers = await office.desk.predict("late", rows("shoes", 4_000.0, 3_000.0, 2_000.0, 1_000.0))
        ours = [0.41, 0.31, 0.21, 0.11]
        drafted = draft(ours, THEIRS, salt="s", query="shoes")
        order = sorted(range(4), key=lambda place: -answers[place].prediction)
        assert tuple(order) == drafted.order
        for place, by_challenger in zip(drafted.order, drafted.by_challenger, strict=True):
            assert (answers[place].version, answers[place].role) == ((2, Role.CHALLENGER) if by_challenger else (1, Role.CHAMPION))
        logged = office.journal.predictions()
        assert len(logged) == 8
        for place, answered in enumerate(answers):
            drafting, other = sorted((p for p in logged if p.request_id == f"shoes{place}"), key=lambda p: p.propensity is None)
            assert (drafting.version, drafting.role, drafting.propensity) == (answered.version, answered.role, 0.5)
            assert (other.role, other.propensity) == (Role.SHADOW if answered.version == 1 else Role.CONTROL, None)
            scores = {p.version: round(p.answer, 6) for p in (drafting, other)}
            assert scores == {1: ours[place], 2: THEIRS[place]}
        counters = office.desk.counters()
        assert (counters.requests, counters.logged, counters.shadowed) == (4, 4, 4)

    at_work(scenario)


def test_each_query_of_a_request_is_drafted_for_itself_and_a_lonely_row_is_the_champions(at_work) -> None:
    async def scenario(office):
        await office.desk.apply(interleaved(office))
        answers = await office.desk.predict("late", [*rows("a", 1.0, 2.0), *rows("b", 3.0), *rows("c", 4.0, 5.0)])
        await asyncio.sleep(0.01)
        assert [answer.role for answer in answers][2] is Role.CHAMPION
        assert [answer.id for answer in answers] == ["a0", "a1", "b0", "c0", "c1"]
        assert {answers[0].version, answers[1].version} == {answers[3].version, answers[4].version} == {1, 2}

    at_work(scenario)


def test_a_challenger_that_fails_costs_the_user_nothing(at_work) -> None:
    async def scenario(office):
        await office.desk.apply(interleaved(office))
        office.challengers[-1].always = 5.0
        answers = await office.desk.predict("late", rows("shoes", 4_000.0, 3_000.0))
        assert [(a.version, a.role) for a in answers] == [(1, Role.FALLBACK)] * 2
        assert office.desk.counters().fallbacks == 2

    at_work(scenario)


def test_a_row_that_the_champion_cannot_rank_is_told_as_ever(at_work) -> None:
    async def scenario(office):
        await office.desk.apply(interleaved(office))
        answers = await asyncio.gather(office.desk.predict("late", rows("shoes", 1.0, 666.0)), return_exceptions=True)
        assert "could not answer 'shoes1'" in str(answers[0])
        counters = office.desk.counters()
        assert (counters.requests, counters.failed) == (2, 1)

    at_work(scenario)


def test_a_version_that_is_named_answers_the_whole_query(at_work) -> None:
    async def scenario(office):
        await office.desk.apply(interleaved(office))
        answers = await office.desk.predict("late", rows("shoes", 1.0, 2.0), Asking(version=2))
        assert {(a.version, a.role) for a in answers} == {(2, Role.ASKED)}

    at_work(scenario)
