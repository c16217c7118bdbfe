from dataclasses import replace

import pytest

from noria.core.explaining import Contribution, Explanation
from noria.stages.evaluation.reasons import reasons

WHY = Explanation(
    version="credit@1",
    subject="default",
    answer=0.7,
    scale="log-odds",
    margin=0.85,
    base=-1.0,
    parts=tuple(
        Contribution(feature=name, value=1.0, part=part)
        for name, part in (
            ("debt", 0.9),
            ("late_30", 0.5),
            ("late_60", 0.4),
            ("age", 0.3),
            ("income", -0.4),
            ("job", 0.1),
            ("tenure", 0.05),
        )
    ),
    method="tree-shap",
    background="",
    gap=0.0,
)


def test_what_pushed_the_wrong_way_is_named_most_first_and_at_most_four():
    assert [one.code for one in reasons(WHY)] == ["debt", "late_30", "late_60", "age"]


def test_features_of_one_group_are_one_reason_with_its_text():
    found = reasons(WHY, groups={"late": ("late_30", "late_60")}, texts={"late": "Payments were late"})
    assert found[0].code in ("late", "debt")
    late = next(one for one in found if one.code == "late")
    assert (late.text, late.features, late.part) == ("Payments were late", ("late_30", "late_60"), pytest.approx(0.9))


def test_what_helped_and_what_may_not_be_named_is_no_reason():
    codes = [one.code for one in reasons(WHY, never=("age",), most=10)]
    assert "income" not in codes and "age" not in codes
    assert [one.code for one in reasons(WHY, wrong_way=-1)] == ["income"]


def test_parts_are_held_against_the_background_that_the_policy_names():
    assert reasons(WHY, against={"debt": 1.2})[0].code == "late_30"
    assert reasons(replace(WHY, parts=())) == ()
