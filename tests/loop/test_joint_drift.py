"""A relation of two features breaks while each stays as it was: whole loops, declared, trained and watched."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from noria.core.joint import JointReference
from noria.core.watching import DriftReference, Incident, Level, Reading
from noria.ports import wire
from noria.stages.registry import versions

WATCHED = "nr.joint_drift(min_rows=150, k=2, m=3), "


def readings(one, monitor="joint-drift"):
    found = one.world.documents.find(Reading, where={"loop": "orders", "monitor": monitor})
    return sorted(found, key=lambda reading: reading.time)


@pytest.fixture
def watched(noria, declaration):
    one = noria(declaration=declaration.replace("nr.drift(min_rows=150), ", "nr.drift(min_rows=150), " + WATCHED))
    one.be_born()
    return one


def tied(one, strength):
    """Days on which `b` follows `a` as strongly as said, each on its own as ever."""
    orders = one.shop.orders

    def related(day, n):
        rows = orders(day, n)
        a, b = rows["a"].to_numpy(), rows["b"].to_numpy()
        return rows.with_columns(b=strength * a + np.sqrt(1 - strength**2) * b)

    one.shop.orders = related


def test_a_broken_relation_opens_one_incident_that_names_the_features(watched):
    watched.days(3, parts=1)
    assert all(one.level is Level.OK for one in readings(watched))
    tied(watched, 0.8)
    watched.days(4, parts=1)
    broken = [one for one in readings(watched) if one.level is Level.BREACH]
    assert "domain" in {one.subject for one in broken}
    incident = next(one for one in watched.world.documents.find(Incident) if "joint-drift" in one.subjects[0])
    assert "changed together" in incident.title
    assert "a with b" in incident.cause and "heat" not in incident.cause
    assert incident.severity == "page"


def test_quiet_days_open_nothing(watched):
    watched.days(6, parts=1)
    assert len(readings(watched)) >= 10
    assert not [one for one in watched.world.documents.find(Incident) if "joint-drift" in one.subjects[0]]


def test_a_version_from_before_is_watched_as_before(watched):
    version = versions.get(watched.world.records, "orders", 1)
    known = wire.load(watched.world.blobs.read(version.reference), DriftReference)
    together = wire.load(watched.world.blobs.read(known.beside["joint-drift"]), JointReference)
    assert together.left_out == ("heat",)  # it is a number or two for all of a day
    watched.world.documents.put(replace(version, reference=watched.world.blobs.put(wire.dump(replace(known, beside={})))))
    watched.days(2, parts=1)
    assert readings(watched, "drift") and not readings(watched)
