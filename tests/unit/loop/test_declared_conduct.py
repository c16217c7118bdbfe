"""Mistakes in what a loop asks after conduct are found before anything runs."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from noria.core.errors import DeclarationInvalid
from noria.loop.declaration import check

FILE = """
import noria as nr

people = nr.Dataset("people", "people.csv", key="id", time="at")

@nr.on_demand(inputs=["income"])
def rich(rows):
    return rows.with_columns(is_rich=rows["income"] > 5)

loop = nr.Loop(
    "credit",
    features=[people["income", "city"], rich],
    label=nr.Label(people["paid"]),
    train=lambda data, params: None,
    MORE
)
"""


@pytest.fixture()
def folder(tmp_path: Path) -> Path:
    at = [datetime(2024, 1, day, tzinfo=UTC) for day in (1, 2)]
    columns = {"id": ["a", "b"], "at": at, "income": [1.0, 9.0], "city": ["x", "y"], "sex": ["f", "m"], "paid": [True, False]}
    pl.DataFrame(columns).write_csv(tmp_path / "people.csv")
    pl.DataFrame({"income": [1.0], "expect": ["true"]}).write_csv(tmp_path / "cases.csv")
    return tmp_path


def mistakes(folder: Path, more: str) -> str:
    (folder / "credit.py").write_text(FILE.replace("MORE", more))
    with pytest.raises(DeclarationInvalid) as found:
        check(folder / "credit.py")
    return "\n".join(found.value.mistakes)


def test_a_sound_declaration_has_none(folder):
    more = """
    fairness=nr.Fairness(["sex", "city"], favourable=True, min_rows=50),
    leakage=nr.Leakage(allow=["label-copy:income", "duplicates"], groups=["sex"]),
    gates=[
        nr.fair("equal_opportunity", column="sex", limit=0.1),
        nr.fair("four_fifths", column=["city", "sex"], limit=0.8, unsure="pass"),
        nr.fair(policy="us-2026-07"),
        nr.robust("roc_auc", to="missing", by=0.05),
        nr.robust(to="noise", by=0.05, feature="income", severity=0.5, bound="bound"),
        nr.invariant("city", values=["x", "y"]),
        nr.monotone("income", "up", share=0.01),
        nr.expected("cases.csv"),
        nr.expected([{"name": "poor", "income": 0.0, "expect": False}]),
    ],
    """
    (folder / "credit.py").write_text(FILE.replace("MORE", more))
    (loop,) = check(folder / "credit.py")
    assert loop.fairness is not None and loop.fairness.favourable == "true"


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ('fairness=nr.Fairness(["sax"])', "column 'sax' does not exist → did you mean 'sex'?"),
        ('fairness=nr.Fairness(["paid"])', "the label 'paid' cannot make groups"),
        ('fairness=nr.Fairness(["at"])', "'at' holds times"),
        ("fairness=nr.Fairness([])", "no column is named"),
        ('fairness=nr.Fairness(["sex"], threshold=1.5)', "a threshold of 1.5"),
        ('leakage=nr.Leakage(allow=["label-copi"])', "did you mean 'label-copy'?"),
        ('leakage=nr.Leakage(groups=["custom"])', "column 'custom' cannot be kept on one side"),
        ('gates=[nr.fair("four_fifths", limit=0.8)]', "write fairness=nr.Fairness"),
        ('fairness=nr.Fairness(["sex"]), gates=[nr.fair("four_fifths", column="city", limit=0.8)]', "groups of 'city' are not compared"),
        (
            'fairness=nr.Fairness(["sex", "city"], intersections=False), gates=[nr.fair("calibration", column=["sex", "city"], limit=0.1)]',
            "intersections are not looked at",
        ),
        ('fairness=nr.Fairness(["sex"]), gates=[nr.fair("four_fifth", limit=0.8)]', "did you mean 'four_fifths'?"),
        ('fairness=nr.Fairness(["sex"]), gates=[nr.fair("mean_answer", limit=0.8)]', "is no measure of a binary task"),
        ('fairness=nr.Fairness(["sex"]), gates=[nr.fair("four_fifths", limit=8)]', "takes a ratio such as 0.8"),
        ('fairness=nr.Fairness(["sex"]), gates=[nr.fair("calibration", limit=0.1, action="blok")]', "action='blok'"),
        ('fairness=nr.Fairness(["sex"]), gates=[nr.fair("calibration", limit=0.1, unsure="maybe")]', "unsure='maybe'"),
        ('fairness=nr.Fairness(["sex"]), gates=[nr.fair(policy="moon")]', "there is no policy 'moon'"),
        ('fairness=nr.Fairness(["sex"]), gates=[nr.fair(policy={"name": "x"})]', "a policy needs jurisdiction"),
        ('gates=[nr.robust("roc_auk", to="missing", by=0.1)]', "'roc_auk' is no metric"),
        ('gates=[nr.robust(to="mising", by=0.1)]', "did you mean 'missing'?"),
        ('gates=[nr.robust(to="missing", by=0.1, severity=2)]', "a severity of 2"),
        ('gates=[nr.robust(to="noise", by=0.1, feature="incom")]', "did you mean 'income'?"),
        ('gates=[nr.invariant("sex")]', "feature 'sex' does not exist"),
        ('gates=[nr.monotone("city", "up")]', "has no up and down"),
        ('gates=[nr.monotone("income", "upwards")]', "direction 'upwards'"),
        ('gates=[nr.monotone("income", share=1.5)]', "a share of 1.5"),
        ('gates=[nr.expected("nowhere.csv")]', "cannot be read"),
        ('gates=[nr.expected([{"income": 1.0}])]', "case 1 expects nothing"),
        ('gates=[nr.expected([{"incme": 1.0, "expect": True}])]', "did you mean 'income'?"),
    ],
)
def test_each_mistake_is_told_with_its_mend(folder, more, told):
    assert told in mistakes(folder, more + ",")
