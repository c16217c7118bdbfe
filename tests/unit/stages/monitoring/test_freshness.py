from datetime import UTC, datetime, timedelta

from noria.core.watching import Level
from noria.stages.monitoring.freshness import age

NOW = datetime(2013, 6, 1, tzinfo=UTC)


def test_a_model_older_than_allowed_breaches_and_says_by_how_much():
    found = age(NOW - timedelta(days=61), loop="l", at=NOW, older_than=timedelta(days=60))
    assert found.level is Level.BREACH
    assert found.value == 61 and found.threshold == 60 and found.effect > 0
    assert "61.0 days" in found.note


def test_a_model_within_its_age_is_well():
    assert age(NOW - timedelta(days=30), loop="l", at=NOW, older_than=timedelta(days=60)).level is Level.OK
