"""Leaks and groups of any table, without a loop."""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

import noria as nr
from noria.checks.pytest import assert_fair, assert_no_leakage
from noria.core.errors import DataInvalid, NotFound

START = datetime(2024, 1, 1, tzinfo=UTC)


def people(seed: int, rows: int = 1_500, *, gap: float = 0.0) -> pl.DataFrame:
    random = np.random.default_rng(seed)
    sex = random.choice(["f", "m"], rows)
    paid = random.random(rows) < 0.5
    score = np.clip(0.3 + 0.4 * paid + 0.15 * random.normal(size=rows) - gap * (sex == "f"), 0, 1)
    return pl.DataFrame(
        {
            "id": [f"{seed}-{k}" for k in range(rows)],
            "at": [START + timedelta(hours=k) for k in range(rows)],
            "income": random.normal(size=rows) + 0.5 * paid,
            "sex": sex,
            "paid": paid,
            "p": score,
        }
    )


def test_a_copy_of_the_label_is_found_between_two_tables():
    train, judge = people(1), people(2)
    assert nr.check_leakage(train, judge, label="paid", key="id", time="at", ignore=["p"]).stops == ()
    leaky = [side.with_columns(refund=pl.col("paid").cast(pl.Int64)) for side in (train, judge)]
    report = nr.check_leakage(*leaky, label="paid", key="id", time="at")
    assert [one.column for one in report.stops] == ["refund"]
    with pytest.raises(AssertionError, match="label-copy refund"):
        assert_no_leakage(*leaky, label="paid")
    assert assert_no_leakage(*leaky, label="paid", allow=["label-copy"]).warnings


def test_rows_and_groups_on_both_sides_are_found(tmp_path):
    train = people(1)
    train.write_parquet(tmp_path / "train.parquet")
    train.tail(500).write_csv(tmp_path / "judge.csv")
    report = nr.check_leakage(tmp_path / "train.parquet", tmp_path / "judge.csv", label="paid", key="id", time="at")
    assert {one.check for one in report.stops} == {"duplicates"}
    households = [people(seed).with_columns(household=pl.int_range(pl.len()) % 40) for seed in (1, 2)]
    assert "groups-on-both-sides" in {one.check for one in nr.check_leakage(*households, label="paid", groups=["household"]).stops}


def test_a_column_that_is_not_there_is_named():
    with pytest.raises(DataInvalid, match="'pade'"):
        nr.check_leakage(people(1), people(2), label="pade")
    with pytest.raises(DataInvalid, match="'sax'"):
        nr.check_fairness(people(1), "sax", label="paid", score="p")


def test_a_gap_between_groups_is_told_and_asserted():
    even, uneven = people(3), people(3, gap=0.3)
    report = nr.check_fairness(uneven, "sex", label="paid", score="p", time="at")
    parity = next(gap for gap in report.gaps if gap.measure == "demographic_parity")
    assert (parity.lowest, parity.highest) == ("f", "m") and parity.difference.low > 0.1
    assert report.favourable == "true"
    assert_fair(even, "sex", label="paid", score="p", limits={"four_fifths": 0.8, "equal_opportunity": 0.1})
    with pytest.raises(AssertionError, match="1 of 1 gaps are wider"):
        assert_fair(uneven, "sex", label="paid", score="p", limits={"equal_opportunity": 0.1})
    few = even.head(40)
    assert_fair(few, "sex", label="paid", score="p", limits={"equal_opportunity": 0.1})
    with pytest.raises(AssertionError, match="insufficient n"):
        assert_fair(few, "sex", label="paid", score="p", limits={"equal_opportunity": 0.1}, surely=True)
    with pytest.raises(NotFound, match="no measure 'luck'"):
        assert_fair(even, "sex", label="paid", score="p", limits={"luck": 0.1})


def test_the_other_class_may_be_the_good_one():
    rows = people(3, gap=0.3)
    refused = nr.check_fairness(rows, "sex", label="paid", score="p", favourable=False)
    marks = {mark.group: mark.rates["selection_rate"].value for mark in refused.groups}
    assert refused.favourable == "false" and marks["f"] > marks["m"]
    with pytest.raises(DataInvalid, match="'maybe' is none of"):
        nr.check_fairness(rows, "sex", label="paid", score="p", favourable="maybe")


def test_numbers_and_several_classes_are_compared_too():
    rows = people(4).with_columns(
        amount=pl.col("income") * 10, guess=pl.col("income") * 10 + pl.when(pl.col("sex") == "f").then(2.0).otherwise(0.0)
    )
    report = nr.check_fairness(rows, ["sex"], label="amount", score="guess", task="regression")
    assert {gap.measure for gap in report.gaps} == {"calibration", "mean_answer", "error"}
    grades = rows.with_columns(
        grade=pl.when(pl.col("income") > 1).then(pl.lit("gold")).when(pl.col("income") > 0).then(pl.lit("silver")).otherwise(pl.lit("tin"))
    )
    said = grades.with_columns(answer=pl.col("grade"))
    told = nr.check_fairness(said, "sex", label="grade", score="answer", favourable="gold", task="multiclass")
    assert all(mark.rates["tpr"].value == 1.0 for mark in told.groups)
