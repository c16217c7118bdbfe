"""A loop whose answers cost something: a threshold is chosen, travels with the version, and is meant everywhere."""

from __future__ import annotations

import pytest

from noria.core.examination.curves import CurveKind
from noria.core.examination.examination import Examination
from noria.core.turning import TurnState
from noria.core.watching import Level, Reading
from noria.packaging import package
from noria.ports import wire
from noria.stages.registry import versions


@pytest.fixture()
def costly(declaration: str) -> str:
    changed = declaration.replace("nr.at_least(roc_auc=0.6),", "nr.at_least(roc_auc=0.6, recall=0.7), nr.at_most(expected_cost=0.7),")
    changed = changed.replace(
        'nr.quality("roc_auc", drop=0.05, window="5d", min_rows=300)', 'nr.quality("expected_cost", drop=0.2, window="5d", min_rows=300)'
    )
    changed = changed.replace(
        'guard=["errors", "latency", "agreement", "roc_auc"], margin={"roc_auc": 0.05}',
        'guard=["errors", "latency", "expected_cost"], margin={"expected_cost": 0.1}',
    )
    return changed.replace('    params={"C": 1.0},', '    params={"C": 1.0},\n    costs=nr.Costs(false_positive=1, false_negative=4),')


def test_a_threshold_is_chosen_by_costs_and_travels_with_the_version(noria, costly):
    one = noria(declaration=costly, margin=0.05)
    one.be_born()
    assert one.states() == [TurnState.DONE]
    candidate = versions.get(one.world.records, "orders", 1).candidate
    card = versions.get(one.world.records, "orders", 1).scorecard
    choice = candidate.choice
    assert choice is not None and choice.rows > 0 and choice.calibrated == 0.2
    assert 0.05 < candidate.signature.threshold == choice.threshold < 0.4
    assert package.manifest(candidate.artifact, blobs=one.world.blobs).signature.threshold == choice.threshold
    found = wire.load(one.world.blobs.read(card.examination), Examination)
    judged = {mark.name: mark.cost for mark in found.threshold.judged}
    assert judged["chosen"].value == card.metrics["expected_cost"].value < judged["half"].value
    assert card.metrics["recall"].value > 0.8
    assert found.curves.of(CurveKind.COST).points[0].x == choice.threshold
    assert found.curves.confusion.threshold == choice.threshold
    assert choice.reason in one.events("candidate.trained")[0].reasons


def test_labels_quality_and_guards_mean_the_chosen_threshold(noria, costly):
    one = noria(declaration=costly, margin=0.3)
    one.be_born()
    signature = versions.get(one.world.records, "orders", 1).candidate.signature
    row = one.shop.orders(one.today, 40).drop("returned")
    rows = row.with_columns(row["at"].dt.strftime("%Y-%m-%dT%H:%M:%S%.3fZ")).to_dicts()
    answers = [one._on(one.desk.predict("orders", [(f"asked-{at}", one_row)]))[0] for at, one_row in enumerate(rows)]
    said = {answered.label for answered in answers if signature.threshold <= answered.prediction < 0.5}
    assert said == {"true"}
    one.days(8)
    told = [
        r for r in one.world.documents.find(Reading, where={"loop": "orders"}) if r.monitor == "quality" and r.level is not Level.NOT_ENOUGH
    ]
    assert told and all(0.0 < reading.value < 0.7 for reading in told)
    one.verbs.turn("orders", by="test", reason="to see it guarded")
    one.days(5)
    looks = [event.numbers for kind in ("rollout.advanced", "rollout.promoted", "rollout.rolled-back") for event in one.events(kind)]
    assert any("expected_cost" in numbers for numbers in looks)


def test_costs_that_are_stated_later_compare_a_champion_that_knew_none(noria, costly, declaration):
    """Its threshold stays one half, and it is judged by today's costs: the challenger is shown to be cheaper."""
    one = noria(declaration=declaration, margin=0.3)
    one.be_born()
    one.days(2)
    (one.folder / "shop.py").write_text(costly.replace("MARGIN", "0.3"))
    one.verbs.up(one.folder / "shop.py")
    one.verbs.turn("orders", by="test", reason="costs are stated now")
    one.days(8)
    card = versions.get(one.world.records, "orders", 2).scorecard
    assert card.champion_metrics["expected_cost"].value > card.metrics["expected_cost"].value
    assert card.versus_champion["expected_cost"].low > 0
    ended = [event for kind in ("rollout.promoted", "rollout.rolled-back") for event in one.events(kind)]
    assert [event.kind for event in ended] == ["rollout.promoted"]
    assert ended[0].numbers["expected_cost"] < 0
