"""A request of the log is opened: its reasons, and what would have changed the answer."""

from __future__ import annotations

import polars as pl
import pytest

from noria.app.prediction import explainers
from noria.core.errors import NotFound
from noria.core.examination.examination import Examination
from noria.core.explaining import Constraints, Search
from noria.loop.explaining import explain_request
from noria.ports import wire
from noria.stages.evaluation.reasons import reasons
from noria.stages.registry import versions
from noria.stages.serving import log
from noria.stages.serving.explaining import Explaining


@pytest.fixture
def traded(noria):
    one = noria(margin=0.0)
    one.be_born()
    one.days(2, parts=2)
    return one


def test_a_candidate_is_examined_by_what_it_goes_by(traded):
    card = versions.get(traded.world.records, "orders", 1).scorecard
    examination = wire.load(traded.world.blobs.read(card.examination), Examination)
    assert "explained" not in examination.untold
    found = examination.explained
    assert (found.method, found.scale) == ("linear", "log-odds")
    assert {one.feature for one in found.features[:2]} == {"a", "b"}
    assert found.partial[0].reach > 0.3


def test_a_logged_answer_is_explained_by_the_version_that_gave_it_to_the_last_digit(traded):
    rows = log.predictions(traded.world.log_folder, "orders", roles=["champion"])
    asked = rows.filter(pl.col("answer") < 0.4).head(1)
    found = explain_request(traded.world, "orders", asked["request_id"][0], search=Search(constraints=Constraints(keep=frozenset({"ab"}))))
    why = found.explanation
    assert why.answer == pytest.approx(asked["answer"][0], abs=1e-6)
    assert why.base + sum(part.part for part in why.parts) == pytest.approx(why.margin)
    assert why.gap < 1e-9 and why.version == "orders@1"
    assert found.inputs["city"] == asked["in:city"][0]
    assert found.outcome in (True, False, 0, 1)
    assert found.counterfactuals[0].answer >= 0.5
    assert all(change.feature != "ab" for one in found.counterfactuals for change in one.changes)


def test_its_principal_reasons_are_the_features_that_pushed_the_wrong_way_and_may_be_named(traded):
    rows = log.predictions(traded.world.log_folder, "orders", roles=["champion"])
    found = explain_request(traded.world, "orders", rows.sort("answer")["request_id"][0])
    why = reasons(found.explanation, against=found.against, wrong_way=-1, never=("ab",))
    assert 1 <= len(why) <= 4
    assert all(one.part < 0 and "ab" not in one.features for one in why)
    assert abs(why[0].part) == max(abs(one.part) for one in why)


def test_a_request_that_is_not_in_the_log_is_said_to_be_missing(traded):
    with pytest.raises(NotFound, match="no answered request 'nobody'"):
        explain_request(traded.world, "orders", "nobody")


def test_the_data_plane_gives_the_same_reasons_at_once_and_they_are_kept(traded):
    order = traded.shop.orders(traded.today, 1).drop("returned")
    row = order.with_columns(pl.col("at").dt.strftime("%Y-%m-%dT%H:%M:%S%.3fZ")).to_dicts()[0]

    async def ask():
        over = Explaining(traded.desk, explainers(traded.world.blobs))
        told = await over.predict("orders", [("why", row)])
        await over.close()
        return told

    ((answer, why),) = traded._on(ask())
    assert why.answer == answer.prediction
    traded.settle()
    found = explain_request(traded.world, "orders", "why")
    assert found.kept == why
    assert (found.explanation.background, found.explanation.method) == (why.background, "linear")
    assert [(one.feature, one.value) for one in found.explanation.parts] == [(one.feature, one.value) for one in why.parts]
    assert [one.part for one in found.explanation.parts] == pytest.approx([one.part for one in why.parts])
