"""A graph's signature comes from its members', and members that do not fit together are refused with the reason."""

from __future__ import annotations

from dataclasses import replace

import pytest

from noria.core.errors import RequestInvalid
from noria.core.graph_signatures import misfit, signature
from noria.core.graphs import Chain, Ensemble, GraphForm, Switch, members, said
from noria.core.schema import Field, Kind, Signature, Task

TEXT, NUMBER = Kind.TEXT, Kind.FLOAT
YES = Signature(inputs=(Field(name="x", kind=NUMBER),), features=(), task=Task.BINARY, classes=("no", "yes"))


def taking(base: Signature = YES, **kinds: Kind) -> Signature:
    return replace(base, inputs=tuple(Field(name=name, kind=kind) for name, kind in kinds.items()))


def derived(graphs, **signatures) -> Signature:
    return signature("g", graphs.get, signatures.__getitem__)


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


def test_a_fallback_is_a_member_and_what_it_requires_is_required() -> None:
    graph = Switch(by="x", cases={}, otherwise="a", fallback="c")
    found = derived({"g": graph}, a=taking(x=NUMBER), c=taking(x=NUMBER, y=NUMBER))
    assert members(graph) == ("a", "c")
    assert {one.name: one.required for one in found.inputs} == {"x": True, "y": True}


@pytest.mark.parametrize(
    ("graph", "text"),
    [
        (Ensemble(weights={"a": 1}, within_ms=0), "need some time"),
        (Ensemble(weights={"a": 1}, fallback="words"), "x is float of g and text of words"),
        (Chain(first="a", then="b", as_field="risk", fallback="b"), "takes 'risk' from the caller"),
    ],
)
def test_a_rule_that_cannot_be_followed_is_refused(graph, text) -> None:
    with pytest.raises(RequestInvalid, match=text):
        derived({"g": graph}, a=YES, words=taking(x=TEXT), b=taking(y=NUMBER, risk=NUMBER))


def test_a_form_has_exactly_one_graph() -> None:
    chain = Chain(first="a", then="b", as_field="x")
    assert GraphForm.of(chain).graph == chain
    for wrong in (GraphForm(), GraphForm(chain=chain, ensemble=Ensemble(weights={"a": 1}))):
        with pytest.raises(RequestInvalid, match="one of ensemble, chain and switch"):
            _ = wrong.graph


def test_a_graph_is_said_in_one_line() -> None:
    assert said(Chain(first="risk", then="price", as_field="r")) == "price, which takes what risk answers as r"
    assert said(Switch(by="c", cases={"DE": "a"}, otherwise="b", fallback="z")) == "by c: DE → a, else b; when it fails, z answers"


@pytest.mark.parametrize(
    ("its", "why"),
    [
        (YES, ""),
        (taking(x=NUMBER, y=NUMBER), "it wants y now, which requests to the graph do not carry"),
        (taking(x=TEXT), "its x is text now"),
        (replace(YES, classes=("yes", "no")), "it answers binary yes no now"),
        (replace(YES, task=Task.REGRESSION, classes=()), "it answers regression now"),
        (replace(YES, inputs=(*YES.inputs, Field(name="y", kind=NUMBER, required=False))), ""),
    ],
)
def test_a_member_that_changed_is_held_against_what_the_graph_takes_and_gives(its, why) -> None:
    assert misfit(Ensemble(weights={"a": 1}), YES, "a", its) == why


def test_the_first_of_a_chain_may_answer_any_one_number_and_the_second_takes_it() -> None:
    chain = Chain(first="a", then="b", as_field="risk")
    assert misfit(chain, YES, "a", replace(YES, task=Task.REGRESSION, classes=())) == ""
    assert misfit(chain, YES, "a", replace(YES, task=Task.MULTICLASS)) == "it answers multiclass now, which is not one number"
    assert misfit(chain, YES, "b", taking(x=NUMBER, risk=NUMBER)) == ""


def test_what_one_member_of_a_switch_requires_is_asked_of_its_rows_alone() -> None:
    told = replace(YES, inputs=(*YES.inputs, Field(name="y", kind=NUMBER, required=False)))
    its = taking(x=NUMBER, y=NUMBER)
    assert misfit(Switch(by="x", cases={}, otherwise="a"), told, "a", its) == ""
    assert misfit(Ensemble(weights={"a": 1}), told, "a", its) == "it requires y now, which requests to the graph may leave out"
