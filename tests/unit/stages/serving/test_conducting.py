"""A graph asks its members through their own routes; each row ends by itself, by the graph's own rule, and all of it is journalled."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace

import pytest

from noria.core.errors import RequestInvalid, Unavailable
from noria.core.graph_signatures import signature
from noria.core.graphs import Chain, Ensemble, GraphForm, Switch
from noria.core.schema import Field, Kind
from noria.core.traffic import Plan, Role, Route, ServedVersion
from noria.stages.serving.conducting import averaged
from noria.stages.serving.desk import Desk
from noria.stages.serving.frames import MEMBERS
from noria.stages.serving.lazily import Loading

NUMBER = Kind.FLOAT


def members_at_work(office, **changes) -> dict[str, Route]:
    """Deployments "a" and "b" like "late", and "scored", which takes a risk as well."""
    late = office.plan(**changes).routes["late"]
    more = replace(late.champion.signature, inputs=(*late.champion.signature.inputs, Field(name="risk", kind=NUMBER)))
    more = replace(more, features=(Field(name="risk", kind=NUMBER), Field(name="wind", kind=NUMBER)))
    scored = replace(late, deployment="scored", champion=replace(late.champion, signature=more), challenger=None)
    return {"a": replace(late, deployment="a"), "b": replace(late, deployment="b", challenger=None), "scored": scored}


def planned(routes, graphs, revision=9) -> Plan:
    """The routes, and graphs over them as they fit now, each as version 7."""

    def look(name):
        return routes[name].champion.signature

    made = {
        name: Route(
            deployment=name,
            champion=ServedVersion(
                number=7, artifact=name, code="", signature=signature(name, graphs.get, look), graph=GraphForm.of(graph)
            ),
        )
        for name, graph in graphs.items()
    }
    return Plan(revision=revision, routes={**made, **routes})


def conducted(at_work, graphs, scenario, **changes) -> None:
    async def whole(office):
        await office.desk.apply(planned(members_at_work(office, **changes), graphs))
        await scenario(office)

    at_work(whole)


def row(distance: float, tail: str = "N0", id: str | None = None):
    return id, {"tail": tail, "distance": distance}


def logged(office, deployment):
    return [one for one in office.journal.predictions() if one.deployment == deployment]


def test_probabilities_are_averaged_by_class_whatever_their_order() -> None:
    assert averaged([3, 1], [{"a": 0.5, "b": 0.5}, {"b": 0.9, "a": 0.1}], ("a", "b")) == pytest.approx((0.4, 0.6))


def test_an_ensemble_answers_the_weighted_mean_and_its_members_are_logged_under_their_names(at_work) -> None:
    async def scenario(office):
        (answered,) = await office.desk.predict("g", [row(1_000.0, id="mine")])
        assert (answered.id, answered.version, answered.role, answered.label) == ("mine", 7, Role.CHAMPION, "late")
        assert answered.prediction == pytest.approx(0.75 * 0.9 + 0.25 * 0.11)
        lines = {(one.deployment, one.version, one.request_id, one.role) for one in office.journal.predictions()}
        assert lines == {("a", 2, "mine", Role.CHALLENGER), ("b", 1, "mine", Role.CHAMPION), ("g", 7, "mine", Role.CHAMPION)}

    conducted(at_work, {"g": Ensemble(weights={"a": 3, "b": 1})}, scenario, challenger=2, challenger_share=1.0)


def test_the_graphs_own_line_says_whom_it_asked_which_version_answered_and_what(at_work) -> None:
    async def scenario(office):
        (answered,) = await office.desk.predict("g", [row(1_000.0)])
        (line,) = logged(office, "g")
        assert line.answer == pytest.approx(answered.prediction) and line.key == "N0"
        assert line.inputs == {"tail": "N0", "distance": 1_000.0}
        told = json.loads(line.served[MEMBERS])
        assert told["a"] == {"version": 2, "role": "challenger", "prediction": 0.9}
        assert told["b"] == {"version": 1, "role": "champion", "prediction": pytest.approx(0.11)}

    conducted(at_work, {"g": Ensemble(weights={"a": 3, "b": 1})}, scenario, challenger=2, challenger_share=1.0)


def test_every_row_is_counted_once_as_logged_under_each_name(at_work) -> None:
    async def scenario(office):
        await office.desk.predict("g", [row(1_000.0), row(666.0)][:1])
        counters = office.desk.counters()
        assert (counters.requests, counters.logged, counters.failed) == (3, 3, 0)
        assert office.desk.tallies["g", 7, Role.CHAMPION].answered == 1

    conducted(at_work, {"g": Ensemble(weights={"a": 1, "b": 1})}, scenario)


def test_requests_of_one_tick_come_together_at_each_member(at_work) -> None:
    async def scenario(office):
        await asyncio.gather(*(office.desk.predict("g", [row(float(n))]) for n in range(10)))
        assert office.scorer.calls == [10, 10]

    conducted(at_work, {"g": Ensemble(weights={"a": 1, "b": 1})}, scenario)


def test_a_chain_hands_the_first_answer_on_as_a_field(at_work) -> None:
    async def scenario(office):
        (answered,) = await office.desk.predict("g", [row(1_000.0)])
        (second,) = logged(office, "scored")
        assert second.inputs["risk"] == pytest.approx(0.11)
        assert answered.prediction == pytest.approx(0.11 / 10_000 + 0.01)
        assert second.request_id == answered.id

    conducted(at_work, {"g": Chain(first="a", then="scored", as_field="risk")}, scenario)


def test_a_switch_asks_one_member_for_each_row_and_keeps_their_order(at_work) -> None:
    async def scenario(office):
        answers = await office.desk.predict("g", [row(n * 100.0, tail=f"N{n % 2}") for n in range(6)])
        assert [one.prediction for one in answers] == pytest.approx([n / 100 + 0.01 for n in range(6)])
        assert len(logged(office, "b")) == 3

    conducted(at_work, {"g": Switch(by="tail", cases={"N1": "b"}, otherwise="a")}, scenario)


def test_a_graph_may_be_a_member_of_another(at_work) -> None:
    async def scenario(office):
        (answered,) = await office.desk.predict("g", [row(1_000.0)])
        assert answered.prediction == pytest.approx(0.11)
        assert {one.deployment for one in office.journal.predictions()} == {"a", "g", "h"}

    conducted(at_work, {"g": Ensemble(weights={"h": 1}), "h": Switch(by="tail", cases={}, otherwise="a")}, scenario)


def test_graphs_that_came_to_ask_each_other_end_with_an_error(at_work) -> None:
    async def scenario(office):
        plan = planned(members_at_work(office), {"g": Ensemble(weights={"h": 1}), "h": Ensemble(weights={"a": 1})})
        back = replace(plan.routes["h"].champion, graph=GraphForm.of(Ensemble(weights={"g": 1})))
        await office.desk.apply(Plan(revision=10, routes={**plan.routes, "h": replace(plan.routes["h"], champion=back)}))
        with pytest.raises(Unavailable, match="in a circle"):
            await office.desk.predict("g", [row(1.0)])

    conducted(at_work, {}, scenario)


def test_a_member_that_fails_fails_the_graph_with_its_reason_and_no_other_row(at_work) -> None:
    async def scenario(office):
        good, bad = await asyncio.gather(
            office.desk.predict("g", [row(1_000.0)]), office.desk.predict("g", [row(666.0)]), return_exceptions=True
        )
        assert good[0].prediction == pytest.approx((0.9 + 0.11) / 2)
        assert isinstance(bad, Unavailable) and "b: version 1" in bad.message and "the number of the beast" in bad.message
        (line,) = [one for one in logged(office, "g") if one.answer is None]
        assert "the number of the beast" in line.error

    conducted(at_work, {"g": Ensemble(weights={"a": 1, "b": 1})}, scenario, challenger=2, challenger_share=1.0)


def test_the_rest_answer_where_that_is_wished_and_it_is_on_the_record(at_work) -> None:
    async def scenario(office):
        (answered,) = await office.desk.predict("g", [row(666.0)])
        assert (answered.prediction, answered.role) == (pytest.approx(0.9), Role.FALLBACK)
        (line,) = logged(office, "g")
        assert "b: version 1" in line.error and "error" in json.loads(line.served[MEMBERS])["b"]

    graphs = {"g": Ensemble(weights={"a": 1, "b": 1}, missing="rest")}
    conducted(at_work, graphs, scenario, challenger=2, challenger_share=1.0)


@pytest.mark.parametrize("graph", [Chain(first="b", then="scored", as_field="risk"), Switch(by="tail", cases={}, otherwise="b")])
def test_a_fallback_answers_the_rows_that_fail_and_only_those(at_work, graph) -> None:
    async def scenario(office):
        good, saved = await office.desk.predict("g", [row(1_000.0), row(666.0)])
        assert good.role is Role.CHAMPION
        assert (saved.prediction, saved.role, saved.label) == (0.9, Role.FALLBACK, "late")
        assert len(logged(office, "a")) == 1

    conducted(at_work, {"g": replace(graph, fallback="a")}, scenario, challenger=2, challenger_share=1.0)


def test_a_fallback_that_fails_too_is_told_beside_the_first_reason(at_work) -> None:
    async def scenario(office):
        with pytest.raises(Unavailable, match=r"b: .*beast.*; a: .*beast"):
            await office.desk.predict("g", [row(666.0)])

    conducted(at_work, {"g": Ensemble(weights={"b": 1}, fallback="a")}, scenario)


def test_no_member_is_asked_about_a_row_that_does_not_fit(at_work) -> None:
    async def scenario(office):
        with pytest.raises(RequestInvalid) as refused:
            await office.desk.predict("g", [(None, {"tail": "N0", "distance": 1.0, "risk": 0.5})])
        assert "risk" in refused.value.fields
        assert office.journal.predictions() == []

    conducted(at_work, {"g": Chain(first="a", then="scored", as_field="risk")}, scenario)


def test_what_only_the_chosen_member_requires_is_the_callers_mistake_where_it_is_left_out(at_work) -> None:
    async def scenario(office):
        (answered,) = await office.desk.predict("g", [row(1_000.0, tail="N1")])
        assert answered.prediction == pytest.approx(0.11)
        with pytest.raises(RequestInvalid, match="risk is missing; scored answers such rows"):
            await office.desk.predict("g", [row(1_000.0)])
        counters = office.desk.counters()
        assert (counters.invalid, counters.failed) == (1, 0)

    conducted(at_work, {"g": Switch(by="tail", cases={"N1": "a"}, otherwise="scored")}, scenario)


def test_a_champion_that_changes_and_does_not_fit_has_failed_and_is_a_problem(at_work) -> None:
    graphs = {"g": Ensemble(weights={"a": 1, "b": 1}), "h": Ensemble(weights={"a": 1, "b": 1}, missing="rest")}

    async def scenario(office):
        await office.desk.predict("g", [row(1.0)])
        routes = members_at_work(office)
        plan = planned(routes, graphs, revision=10)
        its = replace(routes["b"].champion, number=2, signature=replace(routes["b"].champion.signature, classes=("late", "on-time")))
        await office.desk.apply(Plan(revision=10, routes={**plan.routes, "b": replace(routes["b"], champion=its)}))
        with pytest.raises(Unavailable, match="b: it answers binary late on-time now"):
            await office.desk.predict("g", [row(1.0)])
        (answered,) = await office.desk.predict("h", [row(1_000.0)])
        assert answered.prediction == pytest.approx(0.11)
        assert office.desk.problems()["g"] == "b: it answers binary late on-time now"

    conducted(at_work, graphs, scenario)


def test_a_member_that_is_gone_is_told_and_comes_back(at_work) -> None:
    graphs = {"g": Ensemble(weights={"a": 1, "b": 1})}

    async def scenario(office):
        plan = planned(members_at_work(office), graphs)
        await office.desk.apply(Plan(revision=10, routes={name: route for name, route in plan.routes.items() if name != "b"}))
        with pytest.raises(Unavailable, match="b: there is no such deployment"):
            await office.desk.predict("g", [row(1.0)])
        assert office.desk.problems() == {"g": "b: there is no such deployment"}
        await office.desk.apply(replace(plan, revision=11))
        await office.desk.predict("g", [row(1.0)])
        assert office.desk.problems() == {}

    conducted(at_work, graphs, scenario)


def test_a_member_that_takes_too_long_has_failed(at_work) -> None:
    async def scenario(office):
        office.challengers[-1].always = 2.0
        with pytest.raises(Unavailable, match="a: no answer within 50 ms"):
            await office.desk.predict("g", [row(1.0)])
        (answered,) = await office.desk.predict("h", [row(1_000.0)])
        assert answered.prediction == pytest.approx(0.11)

    graphs = {
        "g": Ensemble(weights={"a": 1, "b": 1}, within_ms=50),
        "h": Ensemble(weights={"a": 1, "b": 1}, within_ms=50, missing="rest"),
    }
    conducted(at_work, graphs, scenario, challenger=2, challenger_share=1.0, timeout_ms=5_000.0)


def test_an_answer_that_is_no_number_is_given_to_nobody(at_work) -> None:
    async def scenario(office):
        with pytest.raises(Unavailable, match="a: version 1 of 'a' could not answer"):
            await office.desk.predict("g", [row(777.0)])

    conducted(at_work, {"g": Ensemble(weights={"a": 1})}, scenario)


def test_members_are_swapped_under_load_and_every_answer_is_of_versions_that_it_names(at_work) -> None:
    graphs = {"g": Ensemble(weights={"a": 1, "b": 1})}

    async def scenario(office):
        plan = planned(members_at_work(office), graphs)

        async def ask(n):
            await asyncio.sleep(0)
            (answered,) = await office.desk.predict("g", [row(100.0 * (n % 7))])
            return answered

        for revision in range(10, 20):
            number = revision - 8
            champion = replace(plan.routes["a"].champion, number=number, artifact=f"a{number}")
            plan = replace(plan, revision=revision, routes={**plan.routes, "a": replace(plan.routes["a"], champion=champion)})
            answers, _ = await asyncio.gather(asyncio.gather(*map(ask, range(50))), office.desk.apply(plan))
            assert len(answers) == 50
        lines = {one.request_id: one for one in logged(office, "a")}
        assert len({one.version for one in lines.values()}) > 5
        for line in logged(office, "g"):
            told = json.loads(line.served[MEMBERS])["a"]
            assert (told["version"], told["prediction"]) == (lines[line.request_id].version, lines[line.request_id].answer)

    conducted(at_work, graphs, scenario)


def test_a_graph_whose_members_are_loaded_when_they_are_asked_for_answers_too(office) -> None:
    async def whole():
        loading = Loading(limit_bytes=1 << 30)
        desk = Desk(load=office.load, hire=office.hire, journal=office.journal, clock=office.clock, loading=loading)
        office.desk = desk
        try:
            await desk.apply(planned(members_at_work(office), {"g": Ensemble(weights={"a": 1, "b": 1})}))
            assert office.loaded == []
            (answered,) = await desk.predict("g", [row(1_000.0)])
            assert answered.prediction == pytest.approx(0.11) and len(office.loaded) == 2
        finally:
            await desk.close()

    asyncio.run(whole())
