"""A graph asks its members through their own routes, and says clearly when they do not fit together."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from noria.core.errors import RequestInvalid, Unavailable
from noria.core.graphs import Chain, Ensemble, Switch, averaged, signature
from noria.core.schema import Field, Kind, Signature, Task
from noria.core.traffic import Plan, Role
from noria.stages.serving.conducting import Conductor

TEXT, NUMBER = Kind.TEXT, Kind.FLOAT
YES = Signature(inputs=(Field(name="x", kind=NUMBER),), features=(), task=Task.BINARY, classes=("no", "yes"))


def taking(base: Signature = YES, **kinds: Kind) -> Signature:
    return replace(base, inputs=tuple(Field(name=name, kind=kind) for name, kind in kinds.items()))


def derived(graphs, **signatures) -> Signature:
    return signature("g", graphs, signatures.__getitem__)


def members_at_work(office, **changes) -> Plan:
    """Deployments "a" and "b" like "late", and "scored", which takes a risk as well."""
    late = office.plan(**changes).routes["late"]
    more = replace(late.champion.signature, inputs=(*late.champion.signature.inputs, Field(name="risk", kind=NUMBER)))
    more = replace(more, features=(Field(name="risk", kind=NUMBER), Field(name="wind", kind=NUMBER)))
    scored = replace(late, deployment="scored", champion=replace(late.champion, signature=more), challenger=None)
    return Plan(
        revision=9, routes={"a": replace(late, deployment="a"), "b": replace(late, deployment="b", challenger=None), "scored": scored}
    )


def conducted(at_work, graphs, scenario, **changes) -> None:
    async def whole(office):
        await office.desk.apply(members_at_work(office, **changes))
        await scenario(office, Conductor(office.desk, graphs))

    at_work(whole)


def row(distance: float, tail: str = "N0", id: str | None = None):
    return id, {"tail": tail, "distance": distance}


def test_an_ensemble_takes_the_fields_of_all_its_members() -> None:
    found = derived({"g": Ensemble(weights={"a": 1, "b": 2})}, a=taking(x=NUMBER), b=taking(x=NUMBER, y=TEXT))
    assert [(one.name, one.kind) for one in found.inputs] == [("x", NUMBER), ("y", TEXT)]


def test_a_chain_does_not_take_the_field_that_its_first_member_answers() -> None:
    found = derived({"g": Chain(first="a", then="b", as_field="risk")}, a=taking(x=NUMBER), b=taking(y=NUMBER, risk=NUMBER))
    assert [one.name for one in found.inputs] == ["x", "y"]


def test_a_switch_requires_what_it_goes_by_and_what_every_member_requires() -> None:
    graph = Switch(by="country", cases={"DE": "a"}, otherwise="b")
    found = derived({"g": graph}, a=taking(x=NUMBER, y=NUMBER), b=taking(x=NUMBER))
    assert {one.name: one.required for one in found.inputs} == {"country": True, "x": True, "y": False}


@pytest.mark.parametrize(
    ("graphs", "said"),
    [
        ({"g": Ensemble(weights={"a": 1, "h": 1}), "h": Ensemble(weights={"g": 1})}, "g → h → g: a graph cannot ask itself"),
        ({"g": Ensemble(weights={"a": 1, "other": 1})}, "do not have the same classes"),
        ({"g": Ensemble(weights={"a": 1, "price": 1})}, "a answers binary and price answers regression"),
        ({"g": Ensemble(weights={"a": 1, "words": 1})}, "x is float of a and text of words"),
        ({"g": Ensemble(weights={"a": 0})}, "each with a weight above 0"),
        ({"g": Ensemble(weights={"a": float("nan")})}, "each with a weight above 0"),
        ({"g": Chain(first="a", then="price", as_field="risk")}, "price takes no number named 'risk'"),
        ({"g": Chain(first="a", then="a", as_field="x")}, "takes 'x' from the caller"),
        ({"g": Ensemble(weights={f"m{n}": 1 for n in range(51)})}, "more than 50 members"),
        (
            {"g": Ensemble(weights={"g1": 1})} | {f"g{n}": Ensemble(weights={f"g{n + 1}": 1}) for n in range(1, 6)},
            "more than 5 graphs deep",
        ),
    ],
)
def test_members_that_do_not_fit_are_refused(graphs, said) -> None:
    signatures = {"a": YES, "other": replace(YES, classes=("yes", "no")), "words": taking(x=TEXT)}
    signatures["price"] = replace(YES, task=Task.REGRESSION, classes=())
    with pytest.raises(RequestInvalid, match=said):
        derived(graphs, **signatures)


def test_probabilities_are_averaged_by_class_whatever_their_order() -> None:
    assert averaged([3, 1], [{"a": 0.5, "b": 0.5}, {"b": 0.9, "a": 0.1}], ("a", "b")) == pytest.approx((0.4, 0.6))


def test_an_ensemble_answers_the_weighted_mean_and_its_members_are_logged_under_their_names(at_work) -> None:
    async def scenario(office, conductor):
        (answered,) = await conductor.predict("g", [row(1_000.0, id="mine")])
        assert answered.id == "mine"
        assert answered.prediction == pytest.approx(0.75 * 0.9 + 0.25 * 0.11)
        assert answered.label == "late"
        logged = {(one.deployment, one.request_id, one.role) for one in office.journal.predictions()}
        assert logged == {("a", "mine", Role.CHALLENGER), ("b", "mine", Role.CHAMPION)}

    graphs = {"g": Ensemble(weights={"a": 3, "b": 1})}
    conducted(at_work, graphs, scenario, challenger=2, challenger_share=1.0)


def test_requests_of_one_tick_come_together_at_each_member(at_work) -> None:
    async def scenario(office, conductor):
        await asyncio.gather(*(conductor.predict("g", [row(float(n))]) for n in range(10)))
        assert office.scorer.calls == [10, 10]

    conducted(at_work, {"g": Ensemble(weights={"a": 1, "b": 1})}, scenario)


def test_a_chain_hands_the_first_answer_on_as_a_field(at_work) -> None:
    async def scenario(office, conductor):
        (answered,) = await conductor.predict("g", [row(1_000.0)])
        (second,) = [one for one in office.journal.predictions() if one.deployment == "scored"]
        assert second.inputs["risk"] == pytest.approx(0.11)
        assert answered.prediction == pytest.approx(0.11 / 10_000 + 0.01)
        assert second.request_id == answered.id

    conducted(at_work, {"g": Chain(first="a", then="scored", as_field="risk")}, scenario)


def test_a_switch_asks_one_member_for_each_row_and_keeps_their_order(at_work) -> None:
    async def scenario(office, conductor):
        answers = await conductor.predict("g", [row(n * 100.0, tail=f"N{n % 2}") for n in range(6)])
        assert [one.prediction for one in answers] == pytest.approx([n / 100 + 0.01 for n in range(6)])
        assert [one.deployment for one in office.journal.predictions()].count("b") == 3

    conducted(at_work, {"g": Switch(by="tail", cases={"N1": "b"}, otherwise="a")}, scenario)


def test_a_graph_may_be_a_member_of_another(at_work) -> None:
    async def scenario(office, conductor):
        (answered,) = await conductor.predict("g", [row(1_000.0)])
        assert answered.prediction == pytest.approx(0.11)

    conducted(at_work, {"g": Ensemble(weights={"h": 1}), "h": Switch(by="tail", cases={}, otherwise="a")}, scenario)


def test_a_member_that_fails_fails_the_graph_with_its_reason(at_work) -> None:
    async def scenario(office, conductor):
        with pytest.raises(Unavailable, match=r"b: .*the number of the beast"):
            await conductor.predict("g", [row(666.0)])

    conducted(at_work, {"g": Ensemble(weights={"a": 1, "b": 1})}, scenario, challenger=2, challenger_share=1.0)


def test_the_rest_answer_where_that_is_wished(at_work) -> None:
    async def scenario(office, conductor):
        (answered,) = await conductor.predict("g", [row(666.0)])
        assert answered.prediction == pytest.approx(0.9)

    graphs = {"g": Ensemble(weights={"a": 1, "b": 1}, missing="rest")}
    conducted(at_work, graphs, scenario, challenger=2, challenger_share=1.0)


def test_no_member_is_asked_about_a_row_that_does_not_fit(at_work) -> None:
    async def scenario(office, conductor):
        with pytest.raises(RequestInvalid) as refused:
            await conductor.predict("g", [(None, {"tail": "N0", "distance": 1.0, "risk": 0.5})])
        assert "risk" in refused.value.fields
        assert office.journal.predictions() == []

    conducted(at_work, {"g": Chain(first="a", then="scored", as_field="risk")}, scenario)


def test_members_that_no_longer_fit_are_a_problem_of_the_server_not_of_the_caller(at_work) -> None:
    async def scenario(office, conductor):
        with pytest.raises(Unavailable, match="do not fit together: g: a takes no number named 'nothing'"):
            await conductor.predict("g", [row(1.0)])

    conducted(at_work, {"g": Chain(first="b", then="a", as_field="nothing")}, scenario)


def test_a_champion_that_changes_and_does_not_fit_is_found_at_the_next_request(at_work) -> None:
    async def scenario(office, conductor):
        await conductor.predict("g", [row(1.0)])
        plan = members_at_work(office)
        changed = replace(plan.routes["b"].champion, number=2, artifact="a2", signature=replace(YES, classes=("no", "yes")))
        routes = {**plan.routes, "b": replace(plan.routes["b"], champion=changed)}
        await office.desk.apply(Plan(revision=10, routes=routes))
        with pytest.raises(Unavailable, match="do not have the same classes"):
            await conductor.predict("g", [row(1.0)])

    conducted(at_work, {"g": Ensemble(weights={"a": 1, "b": 1})}, scenario)


def test_a_graph_that_takes_too_long_says_so(at_work) -> None:
    async def scenario(office, conductor):
        office.challengers[-1].always = 2.0
        with pytest.raises(Unavailable, match=r"g did not answer within 0\.05 s"):
            await Conductor(office.desk, {"g": Ensemble(weights={"a": 1})}, within_s=0.05).predict("g", [row(1.0)])

    conducted(at_work, {}, scenario, challenger=2, challenger_share=1.0, timeout_ms=500.0)
