"""The desk answers every request, whatever its challengers do, and counts where each one ended."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from noria.core.errors import NotFound, RequestInvalid, Unavailable
from noria.core.traffic import Feedback, Plan, Role
from noria.stages.serving import ending, lanes


def counted(office) -> None:
    counters = office.desk.counters()
    assert counters.requests == counters.logged + counters.sampled_out + counters.dropped


def test_the_champion_answers_and_the_answer_is_in_the_journal_before_it_is_given(at_work, office) -> None:
    async def scenario(office):
        (answered,) = await office.ask(1_000.0)
        (logged,) = office.journal.predictions()
        assert (answered.version, answered.role, answered.prediction, answered.label) == (1, Role.CHAMPION, pytest.approx(0.11), "on-time")
        assert (logged.request_id, logged.answer, logged.key) == (answered.id, answered.prediction, "N0")
        assert logged.inputs == {"tail": "N0", "distance": 1_000.0}
        assert logged.served == {"wind": 1.0}
        assert logged.time_ms == 1_772_323_200_000

    at_work(scenario)


def test_what_arrives_in_one_tick_is_computed_in_one_call(at_work) -> None:
    async def scenario(office):
        await asyncio.gather(*(office.ask(float(n)) for n in range(10)))
        assert office.scorer.calls == [10]
        counted(office)

    at_work(scenario)


def test_a_flood_is_computed_in_parts_between_which_others_are_heard(at_work, monkeypatch) -> None:
    monkeypatch.setattr("noria.stages.serving.asks.MOST_AT_ONCE", 4)

    async def scenario(office):
        turns = 0

        async def other() -> None:
            nonlocal turns
            while len(office.scorer.calls) < 3:
                await asyncio.sleep(0)
                turns += 1

        answers, _ = await asyncio.gather(office.ask(*range(10)), other())
        assert [round(one.prediction * 10_000) - 100 for one in answers] == list(range(10))
        assert office.scorer.calls == [4, 4, 2]
        assert turns >= 2

    at_work(scenario)


def test_rows_of_one_request_come_back_in_their_order(at_work) -> None:
    async def scenario(office):
        answers = await office.ask(*range(0, 5_000, 100))
        assert [a.prediction for a in answers] == pytest.approx([d / 10_000 + 0.01 for d in range(0, 5_000, 100)])
        if office.challengers:
            assert {a.role for a in answers} == {Role.CHAMPION}

    at_work(scenario)


def test_rows_of_one_request_keep_their_order_over_two_lanes(at_work) -> None:
    async def scenario(office):
        answers = await office.ask(*range(0, 5_000, 100))
        roles = {a.role for a in answers}
        assert roles == {Role.CHAMPION, Role.CHALLENGER}
        for distance, answer in zip(range(0, 5_000, 100), answers, strict=True):
            assert answer.prediction == pytest.approx(0.9 if answer.role is Role.CHALLENGER else distance / 10_000 + 0.01)
        assert office.challengers[0].calls == [sum(a.role is Role.CHALLENGER for a in answers)]

    at_work(scenario, challenger=2, challenger_share=0.5)


def test_ids_that_callers_give_are_kept_and_may_be_in_flight_twice(at_work) -> None:
    async def scenario(office):
        item = ("mine", {"tail": "N1", "distance": 1.0})
        first, second = await asyncio.gather(office.desk.predict("late", [item]), office.desk.predict("late", [item]))
        assert first[0].id == second[0].id == "mine"
        assert office.desk.counters().logged == 2

    at_work(scenario)


@pytest.mark.parametrize(
    ("misbehaviour", "said"),
    [
        (Unavailable("its process died"), "its process died"),
        (RuntimeError("boom"), "RuntimeError: boom"),
        (5.0, "timed out after 40 ms"),
        ([float("nan")], "answered nan"),
        ([float("inf")], "answered inf"),
        ([None], "answered None"),
        ([0.1, 0.2], "gave 2 answers to 1 rows"),
    ],
)
def test_the_champion_answers_when_the_challenger_misbehaves(at_work, misbehaviour, said) -> None:
    async def scenario(office):
        office.challengers[0].script = [misbehaviour]
        (answered,) = await office.ask(1_000.0)
        assert (answered.version, answered.role, answered.prediction) == (1, Role.FALLBACK, pytest.approx(0.11))
        by_role = {p.role: p for p in office.journal.predictions()}
        assert set(by_role) == {Role.FALLBACK, Role.CHALLENGER}
        fallback, tried = by_role[Role.FALLBACK], by_role[Role.CHALLENGER]
        assert (fallback.version, fallback.answer, fallback.error) == (1, pytest.approx(0.11), f"challenger v2: {said}")
        assert (tried.version, tried.answer, tried.error) == (2, None, said)
        assert fallback.request_id == tried.request_id == answered.id
        assert (office.desk.counters().fallbacks, office.desk.counters().requests) == (1, 1)
        assert office.desk.tallies["late", 2, Role.CHALLENGER].failed == 1
        counted(office)

    at_work(scenario, challenger=2, challenger_share=1.0)


def test_only_the_rows_that_the_challenger_spoils_fall_back(at_work) -> None:
    async def scenario(office):
        office.challengers[0].script = [[0.5, float("nan"), 0.7]]
        answers = await office.ask(1.0, 2.0, 3.0)
        assert [a.role for a in answers] == [Role.CHALLENGER, Role.FALLBACK, Role.CHALLENGER]
        assert [a.prediction for a in answers] == pytest.approx([0.5, 0.0102, 0.7])
        counted(office)

    at_work(scenario, challenger=2, challenger_share=1.0)


def test_after_repeated_timeouts_the_challenger_is_spared_until_a_probe_succeeds(at_work, monkeypatch) -> None:
    moment = [1_000.0]
    monkeypatch.setattr(lanes, "perf_counter", lambda: moment[0])

    async def scenario(office):
        challenger = office.challengers[0]
        challenger.always = 5.0
        for _ in range(7):
            (answered,) = await office.ask(1.0)
            assert answered.role is Role.FALLBACK
        assert len(challenger.calls) == 5
        assert office.journal.predictions()[-1].error == "spared after repeated timeouts"
        challenger.always = None
        moment[0] += 3.0
        (probed,) = await office.ask(1.0)
        assert probed.role is Role.FALLBACK, "a user never waits for a probe"
        await asyncio.sleep(0.01)
        (answered,) = await office.ask(1.0)
        assert answered.role is Role.CHALLENGER
        assert office.desk.counters().fallbacks == 8
        counted(office)

    at_work(scenario, challenger=2, challenger_share=1.0, timeout_ms=5.0)


def test_a_shadow_never_answers_and_is_only_recorded(at_work) -> None:
    async def scenario(office):
        office.challengers[0].script = [0.02]
        (answered,) = await office.ask(1_000.0)
        assert answered.role is Role.CHAMPION
        assert [p.role for p in office.journal.predictions()] == [Role.CHAMPION], "the user did not wait for it"
        await asyncio.sleep(0.03)
        shadow = office.journal.predictions()[1]
        assert (shadow.role, shadow.version, shadow.answer, shadow.request_id) == (Role.SHADOW, 2, 0.9, answered.id)
        assert (office.desk.counters().requests, office.desk.counters().shadowed) == (1, 1)
        counted(office)

    at_work(scenario, challenger=2, shadow=True)


def test_a_shadow_that_fails_is_recorded_as_failed(at_work) -> None:
    async def scenario(office):
        office.challengers[0].script = [Unavailable("its process died")]
        await office.ask(1.0)
        await asyncio.sleep(0.01)
        shadow = office.journal.predictions()[1]
        assert (shadow.role, shadow.answer, shadow.error) == (Role.SHADOW, None, "its process died")
        assert office.desk.counters().fallbacks == 0

    at_work(scenario, challenger=2, shadow=True)


def test_a_fault_of_the_desk_itself_ends_the_request_and_no_user_waits_for_ever(at_work, monkeypatch, caplog) -> None:
    async def scenario(office):
        monkeypatch.setattr(ending, "frame", None)
        with pytest.raises(Unavailable, match="the desk failed: TypeError"):
            await asyncio.wait_for(office.ask(1.0), 5)

    at_work(scenario)


def test_rows_beyond_the_shadows_queue_are_counted_as_dropped(at_work, monkeypatch) -> None:
    monkeypatch.setattr(lanes, "SHADOW_LIMIT", 3)

    async def scenario(office):
        await office.ask(*range(10))
        await asyncio.sleep(0.01)
        counters = office.desk.counters()
        assert (counters.requests, counters.shadowed, counters.shadow_dropped) == (10, 3, 7)
        await office.ask(1.0)
        await asyncio.sleep(0.01)
        assert office.desk.counters().shadowed == 4, "its queue is free again"

    at_work(scenario, challenger=2, shadow=True)


def test_a_row_that_the_champion_fails_on_fails_no_neighbour(at_work) -> None:
    async def scenario(office):
        good, bad = await asyncio.gather(office.ask(1_000.0), office.ask(666.0), return_exceptions=True)
        assert good[0].prediction == pytest.approx(0.11)
        assert isinstance(bad, Unavailable)
        assert "number of the beast" in str(bad)
        failed = next(p for p in office.journal.predictions() if p.answer is None)
        assert failed.error == "ArithmeticError: the number of the beast"
        assert office.desk.counters().failed == 1
        counted(office)

    at_work(scenario)


def test_an_answer_of_the_champion_that_is_no_number_is_not_given(at_work) -> None:
    async def scenario(office):
        with pytest.raises(Unavailable, match="answered nan"):
            await office.ask(777.0)
        counted(office)

    at_work(scenario)


def test_predictions_are_answered_while_the_journal_is_full_and_counted_as_dropped(at_work) -> None:
    async def scenario(office):
        await office.ask(1.0)
        office.journal.full = True
        (answered,) = await office.ask(2.0)
        assert answered.prediction == pytest.approx(0.0102)
        assert "no space left" in office.desk.problems()["journal"]
        counters = office.desk.counters()
        assert (counters.requests, counters.logged, counters.dropped) == (2, 1, 1)
        with pytest.raises(Unavailable, match="no space left"):
            await office.desk.feedback("late", [Feedback(request_id="a", deployment="late", value=1.0, time_ms=1)])
        office.journal.full = False
        await office.ask(3.0)
        assert "journal" not in office.desk.problems()

    at_work(scenario)


def test_outcomes_are_on_the_disk_when_they_are_acknowledged(at_work) -> None:
    async def scenario(office):
        told = [office.desk.outcome("late", f"r{n}", float(n % 2)) for n in range(3)]
        assert await office.desk.feedback("late", told) == 3
        assert office.journal.synced == len(office.journal.frames) == 1
        (outcomes,) = office.journal.outcomes()
        assert (outcomes.ids, outcomes.values) == (["r0", "r1", "r2"], [0.0, 1.0, 0.0])
        assert office.desk.counters().outcomes == 3

    at_work(scenario)


def test_outcomes_that_cannot_be_synced_are_not_acknowledged(at_work) -> None:
    async def scenario(office):
        office.journal.unsyncable = True
        with pytest.raises(Unavailable, match="cannot be synced"):
            await office.desk.feedback("late", [office.desk.outcome("late", "r", 1.0)])
        office.journal.unsyncable = False

    at_work(scenario)


@pytest.mark.parametrize(("request_id", "value"), [("", 1.0), (None, 1.0), ("x" * 201, 1.0), ("r", None), ("r", float("nan")), ("r", [1])])
def test_an_outcome_that_is_none_is_refused(at_work, request_id, value) -> None:
    async def scenario(office):
        with pytest.raises(RequestInvalid):
            office.desk.outcome("late", request_id, value)

    at_work(scenario)


def test_the_log_keeps_a_sample_and_every_request_is_counted_once(at_work) -> None:
    async def scenario(office):
        await office.ask(*range(400))
        counters = office.desk.counters()
        assert 130 < counters.logged < 270
        assert counters.sampled_out == 400 - counters.logged
        assert len(office.journal.predictions()) == counters.logged

    at_work(scenario, sample=0.5)


def test_a_row_that_does_not_fit_is_refused_with_its_place_and_nothing_is_computed(at_work) -> None:
    async def scenario(office):
        with pytest.raises(RequestInvalid) as refused:
            await office.desk.predict("late", [(None, {"tail": "N1", "distance": 1.0}), (None, {"tail": "N1", "distanc": 1.0})])
        assert refused.value.fields == {"rows[1].distance": "is missing", "rows[1].distanc": "is not a field; did you mean 'distance'?"}
        assert office.scorer.calls == []
        assert (office.desk.counters().invalid, office.desk.counters().requests) == (1, 0)

    at_work(scenario)


def test_an_unknown_deployment_is_told_the_known_ones(at_work) -> None:
    async def scenario(office):
        with pytest.raises(NotFound, match="there are: late"):
            await office.desk.predict("lat", [])

    at_work(scenario)


def test_before_the_first_plan_the_desk_says_that_it_is_not_ready(office) -> None:
    async def scenario():
        desk = office.open()
        assert not desk.ready
        with pytest.raises(Unavailable, match="no routing plan"):
            await desk.predict("late", [])
        await desk.close()

    asyncio.run(scenario())


def test_an_unchanged_version_is_not_loaded_again(at_work) -> None:
    async def scenario(office):
        await office.desk.apply(office.plan(2, challenger=2, challenger_share=0.9))
        await office.desk.apply(office.plan(3, challenger=2, challenger_share=1.0))
        assert [v.number for v in office.loaded] == [1]
        assert [c.version.number for c in office.challengers] == [2]
        assert office.desk.revision == 3

    at_work(scenario)


def test_a_promotion_loads_the_version_here_and_ends_the_challengers_process(at_work) -> None:
    async def scenario(office):
        await office.desk.apply(office.plan(2, champion=2))
        (answered,) = await office.ask(1.0)
        assert (answered.version, answered.role) == (2, Role.CHAMPION)
        assert office.challengers[0].closed

    at_work(scenario, challenger=2, challenger_share=1.0)


def test_a_fault_is_the_challengers_alone_and_changes_its_process(at_work) -> None:
    async def scenario(office):
        plan = office.plan(2, challenger=2)
        faulty = replace(plan.routes["late"], champion=office.version(1, fault="wrong"), challenger=office.version(2, fault="wrong"))
        await office.desk.apply(Plan(revision=2, routes={"late": faulty}))
        assert [v.number for v in office.loaded] == [1]
        assert [c.version.fault for c in office.challengers] == ["", "wrong"]

    at_work(scenario, challenger=2)


def test_a_champion_that_does_not_load_leaves_the_old_route_at_work(at_work) -> None:
    async def scenario(office):
        office.unloadable = {2}
        await office.desk.apply(office.plan(2, champion=2))
        (answered,) = await office.ask(1.0)
        assert answered.version == 1
        assert office.desk.problems() == {"late": "ArithmeticError: v2 is broken"}
        office.unloadable = set()
        await office.desk.apply(office.plan(2, champion=2))
        assert office.desk.problems() == {}

    at_work(scenario)


def test_a_deployment_that_never_loaded_says_why(office) -> None:
    async def scenario():
        desk = office.open()
        office.unloadable = {1}
        await desk.apply(office.plan())
        with pytest.raises(Unavailable, match="v1 is broken"):
            await office.ask(1.0)
        assert await desk.feedback("late", [desk.outcome("late", "r", 1.0)]) == 1, "outcomes need no model"
        await desk.close()

    asyncio.run(scenario())


def test_a_challenger_that_does_not_start_leaves_the_old_route_at_work(at_work) -> None:
    async def scenario(office):
        office.unloadable = {2}
        await office.desk.apply(office.plan(2, challenger=2, challenger_share=1.0))
        (answered,) = await office.ask(1.0)
        assert answered.role is Role.CHAMPION
        assert "challenger v2 did not start" in office.desk.problems()["late"]

    at_work(scenario)


def test_after_a_restart_the_champion_serves_though_the_challenger_does_not_start(office) -> None:
    async def scenario():
        desk = office.open()
        office.unloadable = {2}
        await desk.apply(office.plan(challenger=2, challenger_share=1.0))
        (answered,) = await office.ask(1.0)
        assert answered.role is Role.FALLBACK
        assert "did not start" in office.journal.predictions()[0].error
        office.unloadable = set()
        await desk.apply(office.plan(challenger=2, challenger_share=1.0))
        (answered,) = await office.ask(1.0)
        assert answered.role is Role.CHALLENGER
        await desk.close()

    asyncio.run(scenario())


def test_requests_in_flight_at_a_swap_are_answered(at_work) -> None:
    async def scenario(office):
        office.challengers[0].always = 0.01
        asking = [asyncio.ensure_future(office.ask(float(n))) for n in range(20)]
        await asyncio.sleep(0)
        await office.desk.apply(office.plan(2, champion=3))
        answers = [(await one)[0] for one in asking]
        assert {a.role for a in answers} <= {Role.CHALLENGER, Role.CHAMPION, Role.FALLBACK}
        assert len(answers) == 20
        counted(office)

    at_work(scenario, challenger=2, challenger_share=0.5)


def test_fields_that_only_the_challenger_knows_are_taken_and_not_required(at_work) -> None:
    async def scenario(office):
        from noria.core.schema import Field, Kind

        plan = office.plan(2, challenger=2)
        signature = office.version(2).signature
        wider = replace(signature, inputs=(*signature.inputs, Field(name="gate", kind=Kind.TEXT)))
        await office.desk.apply(
            Plan(revision=2, routes={"late": replace(plan.routes["late"], challenger=office.version(2, signature=wider))})
        )
        await office.desk.predict("late", [(None, {"tail": "N1", "distance": 1.0, "gate": "A1"}), (None, {"tail": "N1", "distance": 1.0})])
        assert [p.inputs.get("gate") for p in office.journal.predictions()] == ["A1", None]

    at_work(scenario)


def test_a_call_without_rows_has_no_answers(at_work) -> None:
    async def scenario(office):
        assert await office.desk.predict("late", []) == []

    at_work(scenario)


def test_closing_ends_challengers_and_lets_go_of_the_journal(at_work, office) -> None:
    async def scenario(office):
        await office.ask(1.0)

    at_work(scenario, challenger=2, shadow=True)
    assert office.challengers[0].closed
    assert office.journal.closed
    assert office.journal.synced == len(office.journal.frames)
    assert {p.role for p in office.journal.predictions()} == {Role.CHAMPION, Role.SHADOW}


def test_rows_that_an_earlier_route_sent_to_a_challenger_are_answered_by_it_before_it_leaves(at_work) -> None:
    async def scenario(office):
        challenger = office.challengers[0]
        challenger.always = 0.02
        asked = asyncio.ensure_future(office.ask(1.0))
        await asyncio.sleep(0)
        await office.desk.apply(office.plan(2, challenger=2, challenger_share=0.5))
        late = asyncio.ensure_future(office.ask(2.0))
        await asyncio.sleep(0)
        leaving = asyncio.ensure_future(office.desk.apply(office.plan(3)))
        assert [(await asked)[0].role] == [Role.CHALLENGER]
        await late
        await leaving
        assert challenger.closed
        assert office.desk.counters().fallbacks == 0

    at_work(scenario, challenger=2, challenger_share=1.0)
