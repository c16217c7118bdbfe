"""What an incident is traced back to, on a turned clock: a feed that comes late, and rows that changed."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import polars as pl

from noria.core.turning import Signal
from noria.core.watching import Incident, MonitorPhase, MonitorState
from noria.stages.monitoring import incidents

DECLARED = (
    ("nr.drift(min_rows=150)", "nr.drift(min_rows=150, k=2, m=3), nr.arrival()"),
    ('ttl="3d"', 'ttl="20h"'),
    ("gates=[nr.at_least(roc_auc=0.6), ", "gates=["),
)


def declared(text: str) -> str:
    for old, new in DECLARED:
        assert old in text, old
        text = text.replace(old, new)
    return text


def delay(one, hours: int) -> None:
    """The town's weather comes late from today on."""
    file = one.folder / "town.parquet"
    town = pl.read_parquet(file)
    later = pl.when(pl.col("at") >= one.today).then(pl.col("known") + timedelta(hours=hours)).otherwise(pl.col("known"))
    town.with_columns(later.alias("known")).write_parquet(file)


def of(one, source: str) -> list[Incident]:
    return [incident for incident in one.world.documents.find(Incident, where={"loop": "orders"}) if incident.source == source]


def test_a_feed_that_comes_late_is_the_cause_its_features_are_hushed_and_nothing_is_retrained(noria, declaration, monkeypatch):
    monkeypatch.setattr(incidents, "NOTICE_SHARE", 0.0)  # the shop's towns carry next to nothing
    one = noria(declaration=declared(declaration))
    one.be_born()
    one.days(2)
    delay(one, 30)
    one.days(6)
    states = {(state.monitor, state.subject): state.phase for state in one.world.documents.find(MonitorState)}
    assert states["late", "town"] is MonitorPhase.FIRING
    (incident,) = of(one, "town")
    assert incident.title == "town arrives late" and incident.subjects[0] == "late:town"
    assert incident.cause.startswith("`heat` from town arrives") and "late since" in incident.cause
    assert "missing:heat" in incident.hushed
    assert not [signal for signal in one.world.documents.find(Signal) if signal.reason.startswith("town")]


def test_an_incident_of_rows_names_what_moved(noria, declaration):
    one = noria(declaration=declared(declaration))
    one.be_born()
    one.days(1)
    one.shop.shift = np.array([3.0, 2.0])
    one.days(4)
    (incident,) = of(one, "shop")
    assert {found.kind for found in incident.evidence} >= {"moved"}
    assert incident.cause
