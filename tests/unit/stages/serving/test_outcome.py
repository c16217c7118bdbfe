from __future__ import annotations

from dataclasses import replace

import pytest

from noria.core.errors import RequestInvalid
from noria.core.schema import Signature, Task
from noria.stages.serving.outcome import fitting, numbers

CHURNED = Signature(inputs=(), features=(), task=Task.BINARY, classes=("stayed", "left"))
TRUTH = replace(CHURNED, classes=("false", "true"))
MEDAL = Signature(inputs=(), features=(), task=Task.MULTICLASS, classes=("bronze", "gold"))
STARS = replace(MEDAL, classes=("1", "2", "3"))
PRICE = Signature(inputs=(), features=(), task=Task.REGRESSION)


@pytest.mark.parametrize(
    ("signature", "value", "kept_as"),
    [
        (CHURNED, "left", True),
        (CHURNED, "stayed", False),
        (CHURNED, "True", True),
        (CHURNED, 0.0, False),
        (TRUTH, "false", False),
        (TRUTH, 1, True),
        (replace(TRUTH, classes=("1", "2")), 1, False),
        (replace(TRUTH, classes=("1", "2")), 2.0, True),
        (MEDAL, "gold", "gold"),
        (MEDAL, "platinum", "platinum"),
        (STARS, 3, "3"),
        (STARS, 3.0, "3"),
        (PRICE, 3, 3.0),
        (PRICE, "3.5", 3.5),
        (None, "whatever", "whatever"),
    ],
)
def test_an_outcome_is_kept_in_the_words_of_its_model(signature, value, kept_as) -> None:
    found = fitting(value, signature)
    assert (found, type(found)) == (kept_as, type(kept_as))


@pytest.mark.parametrize(
    ("signature", "value", "wanted"),
    [
        (CHURNED, "maybe", "true or false or stayed or left"),
        (CHURNED, 0.5, "true or false"),
        (TRUTH, "maybe", "true or false"),
        (PRICE, "dear", "a finite number"),
        (PRICE, True, "a finite number"),
        (PRICE, float("inf"), "a finite number"),
        (MEDAL, None, "a number, a bool or a short text"),
        (None, [1], "a number, a bool or a short text"),
    ],
)
def test_an_outcome_that_nothing_can_be_learnt_from_is_refused_where_it_is_told(signature, value, wanted) -> None:
    with pytest.raises(RequestInvalid) as refused:
        fitting(value, signature)
    assert refused.value.fields["value"].startswith(f"must be {wanted}")


@pytest.mark.parametrize(
    ("told", "field"),
    [
        ([1.0], "metrics"),
        ({"revenue": "3"}, "metrics.revenue"),
        ({"revenue": True}, "metrics.revenue"),
        ({"revenue": float("nan")}, "metrics.revenue"),
        ({"revenue": 1e300}, "metrics.revenue"),
        ({"m" * 70: 1.0}, "metrics"),
        ({"no spaces": 1.0}, "metrics"),
        ({f"m{n}": 1.0 for n in range(30)}, "metrics"),
    ],
)
def test_numbers_of_the_business_that_cannot_be_summed_are_refused(told, field) -> None:
    with pytest.raises(RequestInvalid) as refused:
        numbers(told)
    assert field in refused.value.fields


def test_numbers_of_the_business_are_floats_by_name() -> None:
    assert numbers({"revenue": 3, "cost.of-sale": -0.5}) == {"revenue": 3.0, "cost.of-sale": -0.5}
    assert numbers(None) == {}
