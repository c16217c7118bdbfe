"""Groups, strain, tests of behaviour and the check before training, in whole turns."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from noria.core.examination.examination import Examination
from noria.core.training import FeatureSet
from noria.core.turning import Turn, TurnState
from noria.loop.workshop import Bench
from noria.ports import wire
from noria.stages.features import assemble
from noria.stages.registry import versions

WATCHED = """
    fairness=nr.Fairness(["city", "member"], min_rows=50),
    gates=[
        nr.at_least(roc_auc=0.6),
        nr.fair("demographic_parity", column="member", limit=0.2),
        nr.robust("roc_auc", to="noise", by=0.2),
        nr.monotone("a", "up", share=0.5),
        nr.invariant("b", share=0.9999),
        nr.expected([{"a": 3.0, "b": -3.0, "heat": 20.0, "expect": True}, {"name": "never", "a": -3.0, "b": 3.0, "heat": 20.0, "expect": False}]),
    ],
"""


def declared(declaration: str, more: str) -> str:
    head, tail = declaration.split("    gates=[")
    return head + more + tail.split("],\n", 1)[1]


def with_column(folder: Path, name: str, values) -> None:
    history = pl.read_parquet(folder / "history.parquet")
    history.with_columns(values(history).alias(name)).write_parquet(folder / "history.parquet")


def members(history: pl.DataFrame) -> pl.Series:
    return pl.Series(np.random.default_rng(3).choice(["yes", "no"], history.height))


def test_a_candidate_is_looked_at_in_groups_under_strain_and_case_by_case(noria, declaration):
    one = noria(declaration=declared(declaration, WATCHED))
    with_column(one.folder, "member", members)
    one.be_born()
    assert [turn.state for turn in one.turns()] == [TurnState.DONE]
    version = versions.get(one.world.records, "orders", 1)
    found = wire.load(one.world.blobs.read(version.scorecard.examination), Examination)
    assert found.untold == {}
    assert found.fairness is not None and {mark.column for mark in found.fairness.groups} == {"city", "member", "city × member"}
    assert found.stress is not None and {test.test for test in found.stress.behaviours} == {"invariant", "monotone", "expected"}
    assert found.slices is not None and "member" in found.slices.columns and found.slices.tested > 10
    assert found.leakage is not None and found.leakage.stops == ()
    gates = {result.gate.split("(")[0]: result for result in version.verdict.results}
    assert gates["fair"].numbers["demographic_parity selection_rate member limit"] == 0.2
    assert "falls by" in gates["robust"].reason and "2 cases" in gates["expected"].gate
    assert "leakage.checked" in {event.kind for event in one.events()}


def test_columns_that_are_only_judged_by_reach_no_model(noria, declaration):
    one = noria(
        declaration=declared(declaration, WATCHED).replace(
            "def train(data, params):", "def train(data, params):\n    assert 'member' not in data.frame.columns"
        )
    )
    with_column(one.folder, "member", members)
    one.be_born()
    (turn,) = one.turns()
    features = Bench(one.world.home / "jobs" / turn.id).result("features", FeatureSet)
    assert features is not None
    assert "member" not in [field.name for field in features.features]
    assert "member" not in assemble.load(features, blobs=one.world.blobs).columns
    assert assemble.load_groups(features, blobs=one.world.blobs).columns == ["city", "member"]
    (told,) = [field for field in features.inputs if field.name == "member"]
    assert not told.required
    one.days(1)
    assert one.failed == 0, "a request may leave it out"


def test_a_group_gap_that_is_shown_refuses_the_candidate(noria, declaration):
    """The outcome depends on a, and members have more of it: they are selected more often."""
    one = noria(declaration=declared(declaration, WATCHED).replace("limit=0.2", "limit=0.05"))
    with_column(
        one.folder, "member", lambda history: pl.select(pl.when(history["a"] > 0.3).then(pl.lit("yes")).otherwise(pl.lit("no"))).to_series()
    )
    one.be_born()
    (turn,) = one.turns()
    assert turn.state is TurnState.REFUSED and "shown to be beyond it" in turn.outcome


def test_a_feature_that_holds_the_answer_ends_the_turn_before_training(noria, declaration):
    one = noria(declaration=declaration.replace('shop["a", "b"]', 'shop["a", "b", "refund"]'))
    with_column(one.folder, "refund", lambda history: history["returned"].cast(pl.Float64) * 20)
    one.be_born()
    (turn,) = one.world.documents.find(Turn)
    assert turn.state is TurnState.FAILED and "label-copy refund" in turn.outcome
    assert 'allow=["label-copy:refund"]' in turn.outcome
    (told,) = [event for event in one.events() if event.kind == "leakage.found"]
    assert "ROC AUC 1.0000" in told.reasons[0] and told.numbers["stops"] == 1
    (ended,) = [event for event in one.events() if event.kind == "turn.failed"]
    assert ended.because == (told.id,) and ended.reasons[0].startswith("leakage failed: 1 finding(s) before training")
    assert not (one.world.home / "jobs" / turn.id / "training.json").exists()


def test_what_is_meant_to_be_so_goes_on(noria, declaration):
    leaky = declaration.replace('shop["a", "b"]', 'shop["a", "b", "refund"]').replace(
        "    train=train,", '    train=train,\n    leakage=nr.Leakage(allow=["label-copy:refund"]),'
    )
    one = noria(declaration=leaky)
    with_column(one.folder, "refund", lambda history: history["returned"].cast(pl.Float64) * 20)
    one.be_born()
    assert one.states() == [TurnState.DONE]


KINDS = {
    "regression": (lambda h: h["a"] * 3.0 + h["b"] + np.random.default_rng(1).normal(size=h.height), "Ridge", "r2=0.1", '"mean_answer"'),
    "multiclass": (
        lambda h: pl.Series(np.select([h["a"] > 0.7, h["b"] > 0.3], ["gold", "silver"], "tin")),
        "LogisticRegression",
        "accuracy=0.3",
        '"equal_opportunity"',
    ),
}


@pytest.mark.parametrize("task", KINDS)
def test_other_tasks_are_looked_at_too(noria, declaration, task):
    label, model, floor, measure = KINDS[task]
    text = declaration.split("    gates=[")[0].replace('shop["returned"]', 'shop["grade"]').replace("LogisticRegression", model)
    text = text.replace("**params", "").replace(
        "    train=train,",
        f"""    train=train,
    fairness=nr.Fairness(["member", "city"], favourable="gold"),
    gates=[
        nr.at_least({floor}),
        nr.fair({measure}, column="member", limit=0.9),
        nr.robust(to="noise", by=9.0),
        nr.monotone("a", "up", share=0.9{', of="gold"' if task == "multiclass" else ""}),
        nr.expected([{{"a": 3.0, "b": 0.0, "heat": 20.0, "at_least": 0.1}}]),
    ],
""",
    )
    one = noria(declaration=text + ")\n")
    with_column(one.folder, "member", members)
    with_column(one.folder, "grade", label)
    one.be_born()
    (turn,) = one.world.documents.find(Turn)
    assert turn.state is TurnState.DONE, turn.outcome
    found = wire.load(one.world.blobs.read(versions.get(one.world.records, "orders", 1).scorecard.examination), Examination)
    assert found.untold == {}
    assert found.slices is not None and found.slices.loss == ("squared_error" if task == "regression" else "log_loss")
    assert found.fairness is not None and found.fairness.favourable == ("" if task == "regression" else "gold")
    assert found.stress is not None and len(found.stress.behaviours) == 2


def test_cases_may_say_what_a_request_says(noria, declaration):
    """The feature "late" is computed from the request's own time, which is no feature."""
    text = declared(
        declaration, WATCHED.replace('"heat": 20.0, "expect": True}', '"heat": 20.0, "at": "2024-02-01T23:00:00", "expect": True}')
    )
    text = text.replace(
        "def train(data, params):",
        """@nr.on_demand(inputs=["at"])
def clock(rows):
    return rows.with_columns(late=rows["at"].dt.hour() > 20)

def train(data, params):""",
    ).replace("heat, product]", "heat, product, clock]")
    one = noria(declaration=text)
    with_column(one.folder, "member", members)
    one.be_born()
    found = wire.load(one.world.blobs.read(versions.get(one.world.records, "orders", 1).scorecard.examination), Examination)
    assert found.untold == {} and found.stress is not None
    cases = next(test for test in found.stress.behaviours if test.test == "expected")
    assert (cases.tried, cases.violated.value) == (2, 0.0)
