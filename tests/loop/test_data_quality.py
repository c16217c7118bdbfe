"""Features, answers and outcomes are looked at from one count of the traffic, by two watches or by one alone."""

from __future__ import annotations

import numpy as np
import pytest

from noria.core.watching import DriftReference, Incident, Level, Reading
from noria.ports import wire
from noria.stages.registry import versions

DRIFT = "nr.drift(min_rows=150), "
BOTH = 'nr.drift(min_rows=150, statistic="wasserstein", season="2d", warmup="1d12h", outcome=True), nr.data_quality(min_rows=150), '


def readings(one, monitor):
    found = one.world.documents.find(Reading, where={"loop": "orders", "monitor": monitor})
    return sorted(found, key=lambda reading: reading.time)


def levels(found):
    return [reading.level for reading in found]


def test_a_quiet_world_is_read_by_every_monitor_and_alarms_none(noria, declaration):
    one = noria(declaration=declaration.replace(DRIFT, BOTH))
    one.be_born()
    reference = wire.load(one.world.blobs.read(versions.get(one.world.records, "orders", 1).reference), DriftReference)
    assert reference.outcome is not None and reference.season == "2d"
    assert [feature.seasonal is not None for feature in reference.features] == [True] * 4
    one.days(4, parts=1)
    subjects = {
        monitor: {reading.subject for reading in readings(one, monitor)} for monitor in ("drift", "missing", "type", "range", "cardinality")
    }
    features = {"a", "b", "heat", "ab"}
    assert subjects["drift"] == features
    assert subjects["missing"] == {*features, "prediction"}
    assert subjects["type"] == {*features, "prediction", "outcome"}
    drift = [reading for reading in readings(one, "drift") if reading.subject == "a"]
    assert drift[0].level is Level.NOT_ENOUGH and drift[0].note.startswith("a new champion")
    assert drift[-1].level is Level.OK and {"psi", "js", "hellinger", "wasserstein", "ks", "ks_p", "chi2_p"} <= set(drift[-1].numbers)
    assert drift[-1].value == pytest.approx(drift[-1].numbers["wasserstein"], abs=1e-5)
    told = readings(one, "outcome-drift")
    assert told[-1].subject == "outcome" and told[-1].level is Level.OK and told[-1].rows == 300
    assert not one.world.documents.find(Incident)


def test_data_quality_alone_finds_a_source_that_speaks_another_unit(noria, declaration):
    one = noria(declaration=declaration.replace(DRIFT, "nr.data_quality(min_rows=150), "))
    one.be_born()
    one.shop.shift = np.array([60.0, 0.0])
    one.days(3, parts=1)
    found = [reading for reading in readings(one, "range") if reading.subject == "a"]
    assert levels(found)[-2:] == [Level.BREACH] * 2 and "the range of the reference" in found[-1].note
    assert {reading.subject for reading in readings(one, "missing")} == {"a", "b", "heat", "ab", "prediction"}
    assert any("out of its range" in incident.title for incident in one.world.documents.find(Incident))
    assert not readings(one, "drift")
