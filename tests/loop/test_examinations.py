"""What a turn looks at behind its scorecard, as gates, pages and monitors find it."""

from __future__ import annotations

from noria.core.examination.examination import Examination
from noria.core.turning import TurnState
from noria.core.watching import DriftReference
from noria.ports import wire
from noria.stages.registry import versions

GATES = 'gates=[nr.at_least(roc_auc=0.6), nr.not_worse_than_champion("roc_auc", margin=0.05), nr.beats_baselines("roc_auc")]'


def examination_of(one, number: int) -> Examination:
    version = versions.get(one.world.records, "orders", number)
    return wire.load(one.world.blobs.read(version.scorecard.examination), Examination)


def test_a_candidate_is_held_against_simple_models_and_asked_what_it_leans_on(noria):
    one = noria()
    one.be_born()
    found = examination_of(one, 1)
    assert found.untold == {} and found.rivalry is None
    assert {mark.name for mark in found.baselines.marks} == {"constant", "one-feature", "linear"}
    assert found.importance.features[0].name in ("a", "b", "a + ab", "b + ab", "ab")
    assert found.importance.features[0].lost.low > 0


def test_monitors_know_what_a_model_leans_on_that_does_not_say_so_itself(noria):
    one = noria()
    one.be_born()
    version = versions.get(one.world.records, "orders", 1)
    assert version.candidate.format == "skops"
    reference = wire.load(one.world.blobs.read(version.reference), DriftReference)
    assert 0.99 < sum(feature.importance for feature in reference.features) < 1.01


def test_gates_ask_for_what_the_loop_declares(noria, declaration):
    """The shop's own model is a logistic regression: it is as good as the linear baseline, and not shown better."""
    began, ended = declaration.index("gates=["), declaration.index("rollout=")
    one = noria(declaration=declaration[:began] + GATES + ",\n    " + declaration[ended:])
    one.be_born()
    assert one.states() == [TurnState.REFUSED]
    said = one.events("turn.refused")[0].reasons[0]
    assert "not shown better than the linear baseline" in said


def test_a_challenger_meets_the_champion_in_every_test_that_fits(noria):
    one = noria(margin=0.05, per_day=150)
    one.be_born()
    one.days(7)
    one.verbs.turn("orders", by="test", reason="to see it compared")
    one.days(1)
    found = examination_of(one, 2)
    rivalry = found.rivalry
    assert rivalry.second == "orders@1"
    by_metric = {comparison.metric: comparison for comparison in rivalry.comparisons}
    assert by_metric["roc_auc"].margin == 0.05 and by_metric["accuracy"].margin == 0.0
    cells = rivalry.disagreement
    assert cells.both_right + cells.first_only + cells.second_only + cells.both_wrong == cells.rows == by_metric["roc_auc"].difference.n
