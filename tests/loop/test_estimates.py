"""What is said of quality before outcomes come, and that nothing acts on it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from noria.core.turning import Signal
from noria.core.watching import DriftReference, Incident, Level, MonitorState, Reading
from noria.ports import wire
from noria.stages.registry import versions


def readings(one, monitor):
    found = one.world.documents.find(Reading, where={"loop": "orders", "monitor": monitor})
    return sorted(found, key=lambda reading: reading.time)


@pytest.fixture
def silent(noria):
    """A loop that is told no outcome, and whose drift nobody watches."""

    def born(declaration):
        one = noria(declaration=declaration.replace("nr.drift(min_rows=150), ", ""))
        one.be_born()
        one._tell = lambda: None
        return one

    return born


def test_a_covariate_shift_is_estimated_under_a_light(silent, declaration):
    one = silent(declaration)
    one.days(4, parts=1)
    one.shop.shift = np.array([0.8, -0.6])
    one.days(5, parts=1)
    told = readings(one, "estimated-quality")
    calm, moved = told[2], told[-1]
    assert calm.note.startswith("Green light") and calm.low < calm.value < calm.high
    assert moved.note.startswith(("Green light", "Amber light"))
    assert moved.value != pytest.approx(calm.value, abs=0.005)
    assert all(reading.level is Level.NOT_ENOUGH for reading in readings(one, "quality"))


def test_far_from_home_there_is_a_red_light_and_no_estimate(silent, declaration):
    one = silent(declaration)
    one.shop.shift = np.array([9.0, 9.0])
    one.days(4, parts=1)
    told = readings(one, "estimated-quality")[-1]
    assert told.level is Level.NOT_ENOUGH and told.value != told.value
    assert told.note.startswith("Red light: outside known territory")


def test_a_concept_flip_moves_no_estimate_and_turns_nothing_before_outcomes_come(silent, declaration):
    one = silent(declaration)
    one.days(5, parts=1)
    before = readings(one, "estimated-quality")[-1].value
    one.shop.weights = -one.shop.weights
    one.days(6, parts=1)
    assert readings(one, "estimated-quality")[-1].value == pytest.approx(before, abs=0.03)
    assert [turn.signal.cause for turn in one.turns()] == ["birth"]
    documents = one.world.documents
    assert not documents.find(Incident) and not documents.find(Signal, where={"loop": "orders", "state": "new"})
    assert not [state for state in documents.find(MonitorState) if state.monitor == "estimated-quality"]


def test_an_estimate_is_close_to_what_outcomes_then_say(noria):
    one = noria()
    one.be_born()
    one.days(8, parts=1)
    estimated = {reading.time: reading for reading in readings(one, "estimated-quality")}
    for realised in readings(one, "quality")[-2:]:
        said = estimated[realised.time - timedelta(days=1)]
        assert abs(said.value - realised.value) < 0.04


def test_a_version_from_before_there_were_estimates_is_watched_as_before(noria):
    one = noria()
    one.be_born()
    version = versions.get(one.world.records, "orders", 1)
    known = wire.load(one.world.blobs.read(version.reference), DriftReference)
    assert known.calibration is not None and known.sample
    before = replace(known, calibration=None, sample="")
    one.world.documents.put(replace(version, reference=one.world.blobs.put(wire.dump(before))))
    one.days(3, parts=1)
    assert readings(one, "quality") and not readings(one, "estimated-quality")


REGRESSION = {
    'nr.Label(shop["returned"], delay="1d")': 'nr.Label(shop["returned"], delay="1d", task="regression")',
    "LogisticRegression(**params)": "LinearRegression()",
    "from sklearn.linear_model import LogisticRegression": "from sklearn.linear_model import LinearRegression",
    'nr.at_least(roc_auc=0.6), nr.beats_champion("roc_auc", margin=MARGIN)': "nr.at_most(mae=0.5)",
    'guard=["errors", "latency", "agreement", "roc_auc"], margin={"roc_auc": 0.05}': 'guard=["errors", "latency"]',
    'nr.quality("roc_auc", drop=0.05, window="5d", min_rows=300)': 'nr.quality("mae", drop=0.05, window="5d", min_rows=300)',
}
CLASSES = {
    **REGRESSION,
    'nr.Label(shop["returned"], delay="1d")': 'nr.Label(shop["returned"], delay="1d", task="multiclass")',
    "LogisticRegression(**params)": "LogisticRegression(**params)",
    "from sklearn.linear_model import LogisticRegression": "from sklearn.linear_model import LogisticRegression",
    'nr.at_least(roc_auc=0.6), nr.beats_champion("roc_auc", margin=MARGIN)': "nr.at_most(log_loss=2)",
    'nr.quality("roc_auc", drop=0.05, window="5d", min_rows=300)': 'nr.quality("accuracy", drop=0.05, window="5d", min_rows=300)',
}


@pytest.mark.parametrize("changes", [REGRESSION, CLASSES], ids=["numbers", "classes"])
def test_numbers_and_many_classes_are_estimated_too(silent, declaration, changes):
    for before, after in changes.items():
        assert before in declaration
        declaration = declaration.replace(before, after)
    one = silent(declaration)
    one.days(3, parts=1)
    told = readings(one, "estimated-quality")[-1]
    assert told.note.startswith("Green light") and told.low < told.value < told.high
    assert told.subject == ("mae" if changes is REGRESSION else "accuracy")
