"""What a turn looks at behind its scorecard, as gates, pages and monitors find it."""

from __future__ import annotations

from noria.core.examination.examination import Examination
from noria.core.state import LoopState
from noria.core.turning import TurnState
from noria.core.watching import DriftReference
from noria.loop.work import work
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


def test_a_recipe_is_tried_on_the_past_and_without_its_features_when_the_loop_asks(noria, declaration):
    asked = declaration.replace("    rollout=", '    backtest=nr.Backtest(windows=3, every="5d"), lofo=2,\n    rollout=')
    one = noria(margin=0.05, per_day=150, declaration=asked)
    one.be_born()
    found = examination_of(one, 1)
    assert found.untold == {}
    assert [window.trained_rows > 300 for window in found.backtest.windows] == [True, True, True]
    assert all(window.champion is None for window in found.backtest.windows)
    assert found.backtest.versus is None and found.backtest.left_out == ""
    assert found.backtest.mark.low > 0.6
    assert [point.windows for point in found.staleness.points] == [4, 3, 2, 1]
    assert found.staleness.advice
    declared = one.world.documents.get(LoopState, "orders").declared["backtest"]
    assert declared == "3 earlier windows of 5d; trained again without each of the 2 most important features"
    assert found.lofo.method == "lofo" and len(found.lofo.features) == 2
    assert found.lofo.features[0].lost.low > 0


def test_windows_that_the_data_have_no_room_for_are_left_out_in_words(noria, declaration):
    asked = declaration.replace("    rollout=", '    backtest=nr.Backtest(windows=9, every="7d"),\n    rollout=')
    one = noria(per_day=150, declaration=asked)
    one.be_born()
    told = examination_of(one, 1).backtest
    assert "of 9 windows: the training rows span only" in told.left_out
    assert 1 <= len(told.windows) < 9


def test_a_workshop_that_was_killed_does_not_train_the_past_again(noria, declaration):
    asked = declaration.replace("    rollout=", '    backtest=nr.Backtest(windows=2, every="5d"),\n    rollout=')
    counted = asked.replace(
        "def train(data, params):", "def train(data, params):\n    with open(COUNT, 'a') as count:\n        count.write('x')"
    )
    one = noria(per_day=150, declaration="COUNT = 'PLACE'\n" + counted)
    (one.folder / "shop.py").write_text((one.folder / "shop.py").read_text().replace("PLACE", str(one.folder / "trainings")))
    one.be_born()
    before = len((one.folder / "trainings").read_text())
    bench = one.world.home / "jobs" / one.turns()[0].id
    (bench / "evaluation.json").unlink()
    (bench / "backtest-0.json").unlink()
    work(bench, blobs=one.world.blobs, scratch=one.world.scratch)
    assert len((one.folder / "trainings").read_text()) == before + 1
