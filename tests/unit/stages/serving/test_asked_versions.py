"""A caller may name the version that shall answer; nothing that comes of it is taken for traffic that was dealt."""

from __future__ import annotations

import asyncio

import pytest

from noria.core.errors import NotFound, Unavailable
from noria.core.traffic import Role
from noria.stages.serving.asks import Asking

ITEM = [(None, {"tail": "N1", "distance": 1_000.0})]


@pytest.mark.parametrize(
    ("asking", "version"),
    [(Asking(version=1), 1), (Asking(version=2), 2), (Asking(role=Role.CHAMPION), 1), (Asking(role=Role.CHALLENGER), 2)],
)
def test_the_named_version_answers_whatever_the_share_is_and_it_is_recorded_as_asked_for(at_work, asking, version) -> None:
    async def scenario(office):
        (answered,) = await office.desk.predict("late", ITEM, asking)
        await asyncio.sleep(0.01)
        (logged,) = office.journal.predictions()
        assert (answered.version, answered.role) == (version, Role.ASKED)
        assert (logged.version, logged.role, logged.propensity) == (version, Role.ASKED, None)
        counters = office.desk.counters()
        assert (counters.requests, counters.logged, counters.shadowed) == (1, 1, 0)

    at_work(scenario, challenger=2, challenger_share=0.0 if version == 2 else 1.0, shadow=True, control=True)


def test_a_named_version_that_fails_is_told_and_no_other_answers_in_its_place(at_work) -> None:
    async def scenario(office):
        office.challengers[0].script = [RuntimeError("boom")]
        with pytest.raises(Unavailable, match="version 2 of 'late', which was asked for, could not answer"):
            await office.desk.predict("late", ITEM, Asking(version=2))
        (logged,) = office.journal.predictions()
        assert (logged.role, logged.error) == (Role.ASKED, "RuntimeError: boom")
        counters = office.desk.counters()
        assert (counters.requests, counters.failed, counters.fallbacks) == (1, 1, 0)

    at_work(scenario, challenger=2)


def test_a_flood_that_times_out_does_not_spare_the_challenger_the_requests_that_are_dealt_to_it(at_work) -> None:
    async def scenario(office):
        office.challengers[0].script = [5.0] * 8
        for _ in range(8):
            with pytest.raises(Unavailable):
                await office.desk.predict("late", ITEM, Asking(version=2))
        (answered,) = await office.ask(1.0)
        assert answered.role is Role.CHALLENGER

    at_work(scenario, challenger=2, challenger_share=1.0, timeout_ms=2.0)


def test_rows_that_were_asked_for_never_share_a_batch_with_rows_that_were_dealt(at_work) -> None:
    async def scenario(office):
        await asyncio.gather(office.ask(1.0, 2.0), office.desk.predict("late", ITEM, Asking(version=2)), office.ask(3.0))
        assert sorted(office.challengers[0].calls) == [1, 3]

    at_work(scenario, challenger=2, challenger_share=1.0)


def test_a_role_that_nobody_has_is_told(at_work) -> None:
    async def scenario(office):
        with pytest.raises(NotFound, match="no challenger"):
            await office.desk.predict("late", ITEM, Asking(role=Role.CHALLENGER))
        with pytest.raises(NotFound, match="version 9"):
            await office.desk.predict("late", ITEM, Asking(version=9))

    at_work(scenario)


def test_each_prediction_is_logged_with_the_chance_that_it_was_dealt_with(at_work) -> None:
    async def scenario(office):
        await office.ask(*range(40))
        await asyncio.sleep(0.01)
        dealt = {(p.role, p.propensity) for p in office.journal.predictions()}
        assert dealt == {(Role.CHAMPION, 0.75), (Role.CHALLENGER, 0.25), (Role.SHADOW, None)}

    at_work(scenario, challenger=2, challenger_share=0.25, shadow=True)


def test_where_nothing_is_dealt_no_chance_is_logged(at_work) -> None:
    async def scenario(office):
        await office.ask(1.0)
        assert [p.propensity for p in office.journal.predictions()] == [None]

    at_work(scenario)


def test_the_champion_computes_unseen_what_the_challenger_answers(at_work) -> None:
    async def scenario(office):
        answers = await office.ask(1_000.0, 666.0)
        await asyncio.sleep(0.01)
        by_role = {(p.role, p.request_id): p for p in office.journal.predictions()}
        control = [p for (role, _), p in by_role.items() if role is Role.CONTROL]
        assert {a.role for a in answers} == {Role.CHALLENGER}
        assert [(p.version, p.error) for p in control] == [(1, ""), (1, "ArithmeticError: the number of the beast")]
        counters = office.desk.counters()
        assert (counters.requests, counters.logged, counters.shadowed, counters.failed) == (2, 2, 2, 0)

    at_work(scenario, challenger=2, challenger_share=1.0, control=True)


def test_the_way_back_from_all_traffic_loads_nothing(at_work) -> None:
    async def scenario(office):
        loaded = len(office.loaded)
        await office.desk.apply(office.plan(2))
        (answered,) = await office.ask(1.0)
        assert (answered.version, answered.role) == (1, Role.CHAMPION)
        assert len(office.loaded) == loaded

    at_work(scenario, challenger=2, challenger_share=1.0, control=True)
