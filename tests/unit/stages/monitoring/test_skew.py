from datetime import UTC, datetime
from math import nan

import numpy as np
import pytest

from noria.core.watching import Level
from noria.stages.monitoring import skew

HOW = {"loop": "l", "at": datetime(2024, 1, 1, tzinfo=UTC), "min_rows": 50}


def test_a_feature_that_differs_for_more_than_a_few_is_a_breach_with_its_example():
    examples = ("r7: heat served 1.0, recomputed 2.0", "r9: preheat served 3, recomputed 4")
    same, differs, few = skew.skew({"ab": 0, "heat": 60, "preheat": 5}, 1_000, examples, equal=0.99, **HOW)
    assert (same.level, same.value) == (Level.OK, 1.0)
    assert differs.level is Level.BREACH and differs.note.endswith(examples[0]) and differs.effect > 0
    assert few.level is Level.OK and few.note.endswith(examples[1])
    assert skew.skew({"heat": 10}, 20, (), equal=0.99, **HOW)[0].level is Level.NOT_ENOUGH


def test_a_view_that_has_nothing_more_often_than_usual_breaches():
    past = [0.02, 0.03, 0.01, 0.02] * 4
    assert skew.missing("conditions", 30, 1_000, past, **HOW).level is Level.OK
    assert skew.missing("conditions", 300, 1_000, past, **HOW).level is Level.BREACH
    assert "16 chunks" not in skew.missing("conditions", 30, 1_000, past[:3], **HOW).note


@pytest.mark.parametrize(("hours", "level"), [(2.0, Level.OK), (4.0, Level.BREACH)])
def test_values_older_than_their_ttl_breach(hours, level):
    ages = np.append(np.full(200, hours * 3_600), nan)
    assert skew.age("conditions", ages, [], ttl_s=3 * 3_600, **HOW).level is level


def test_without_a_ttl_what_has_been_usual_decides():
    ages = np.full(200, 10 * 3_600.0)
    assert skew.age("conditions", ages, [2.0, 2.1, 1.9] * 5, **HOW).level is Level.BREACH
    assert skew.age("conditions", ages, [2.0] * 3, **HOW).level is Level.NOT_ENOUGH
