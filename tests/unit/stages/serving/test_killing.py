"""Orders to take versions out stand where the data plane runs, whatever plan comes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from noria.core.errors import DataInvalid
from noria.core.traffic import Kill
from noria.stages.serving import killing


def killed(*versions: int, deployment: str = "late") -> Kill:
    return Kill(deployment=deployment, versions=versions, by="ops", because="", at="2026-03-01T00:00:00+00:00")


def route_of(plan):
    route = plan.routes["late"]
    return route.champion.number, None if route.challenger is None else route.challenger.number


@pytest.fixture
def plan(office):
    def make(*, before: int | None = None, **changes):
        made = office.plan(**changes)
        route = replace(made.routes["late"], before=None if before is None else office.version(before))
        return replace(made, routes={"late": route})

    return make


def test_a_challenger_is_left_out_and_so_is_any_other_that_a_plan_brings(plan) -> None:
    orders = {"late": killed(2)}
    assert route_of(killing.without(plan(challenger=2, challenger_share=0.5, control=True, interleave=True), orders)) == (1, None)
    assert route_of(killing.without(plan(challenger=3, challenger_share=0.5), orders)) == (1, None)


def test_a_champion_that_was_taken_out_gives_way_to_the_one_before(plan) -> None:
    orders = {"late": killed(2)}
    assert route_of(killing.without(plan(champion=2, before=1), orders)) == (1, None)
    assert route_of(killing.without(plan(champion=2), orders)) == (2, None), "a version that is mistrusted is better than none"
    assert route_of(killing.without(plan(champion=2, before=1), {"late": killed(2, 1)})) == (2, None)
    assert route_of(killing.without(plan(champion=3, before=2), orders)) == (3, None)


def test_other_deployments_are_as_planned(plan) -> None:
    usual = plan(challenger=2)
    assert killing.without(usual, {"churn": killed(2)}) == usual


def test_orders_are_kept_until_they_are_taken_back(tmp_path) -> None:
    file = tmp_path / "dataplane" / killing.FILE
    assert killing.killed(file) == {}
    killing.order(file, killed(2))
    killing.order(file, killed(1))
    killing.order(file, killed(5, deployment="churn"))
    assert killing.killed(file)["late"].versions == (2, 1)
    assert killing.lift(file, "late").by == "ops"
    assert killing.lift(file, "late") is None
    assert set(killing.killed(file)) == {"churn"}
    killing.lift(file, "churn")
    assert not file.exists()


def test_a_file_of_something_else_is_refused(tmp_path) -> None:
    (tmp_path / killing.FILE).write_text("{")
    with pytest.raises(DataInvalid):
        killing.killed(tmp_path / killing.FILE)


def test_an_order_takes_out_the_challenger_or_with_none_the_champion(plan) -> None:
    assert killing.to_kill(plan(challenger=2).routes["late"]) == (2,)
    assert killing.to_kill(plan().routes["late"]) == (1,)
