import json

import numpy as np
import polars as pl
import pytest

from noria.core.declaration.conduct import BehaviourGate, expected, invariant, monotone
from noria.core.errors import DataInvalid
from noria.core.schema import Field, Kind, Task
from noria.stages.evaluation import behaviour as tests
from noria.stages.evaluation import cases

ROWS = 400
FIELDS = (
    Field(name="income", kind=Kind.FLOAT),
    Field(name="age", kind=Kind.INT),
    Field(name="sex", kind=Kind.TEXT),
    Field(name="member", kind=Kind.BOOL),
)


@pytest.fixture(scope="module")
def frame() -> pl.DataFrame:
    random = np.random.default_rng(1)
    return pl.DataFrame(
        {
            "__key": [f"k{k}" for k in range(ROWS)],
            "income": random.normal(size=ROWS),
            "age": random.integers(18, 80, ROWS),
            "sex": random.choice(["f", "m"], ROWS),
            "member": random.random(ROWS) < 0.5,
        }
    )


def model(frame: pl.DataFrame) -> np.ndarray:
    """It rises with income but for the rich, and looks at the sex of those under thirty."""
    income = frame["income"].fill_null(0.0).to_numpy()
    young = (frame["age"] < 30).fill_null(False).to_numpy() & (frame["sex"] == "f").fill_null(False).to_numpy()
    return 1 / (1 + np.exp(-(np.where(income > 1.5, 3.0 - income, income) - 0.8 * young)))


def tried(gate: BehaviourGate, frame: pl.DataFrame, *, answer=model, task: Task = Task.BINARY, classes=("no", "yes")):
    return tests.behaviour(gate, frame, answer, fields=FIELDS, classes=classes, task=task, clusters=None)


def test_an_answer_that_changes_with_what_it_must_not_look_at_is_found(frame):
    found = tried(invariant("sex"), frame)
    young = (frame["age"] < 30).mean()
    assert found.violated.value == pytest.approx(young) and found.violated.low < young < found.violated.high
    assert (found.tried, found.note) == (2 * ROWS, "")
    assert {one.change for one in found.worst} <= {"sex: f → m", "sex: m → f"} and len(found.worst) == 5
    assert float(found.worst[0].before) != float(found.worst[0].after)
    assert tried(invariant("member"), frame).violated.value == 0.0


def test_named_values_and_a_tolerance_are_kept_to(frame):
    assert tried(invariant("sex", values=["m"]), frame).violated.value < tried(invariant("sex"), frame).violated.value
    assert tried(invariant("sex", tolerance=0.5), frame).violated.value == 0.0
    numbers = tried(invariant("income"), frame)
    assert numbers.tried == 5 * ROWS and numbers.violated.value > 0.9


def test_a_direction_that_is_not_kept_is_found(frame):
    up = tried(monotone("income", "up"), frame)
    assert 0.0 < up.violated.value < 0.3
    assert all(float(one.after) < float(one.before) for one in up.worst)
    assert tried(monotone("income", "down"), frame).violated.value > 0.7
    assert tried(monotone("age", "up"), frame).violated.value == 0.0
    assert tried(monotone("member", "up"), frame).violated.value == 0.0


def test_several_classes_are_held_by_any_of_them_or_the_one_that_is_named(frame):
    def wide(rows: pl.DataFrame) -> np.ndarray:
        chance = model(rows)
        return np.stack([chance, 0.5 * (1 - chance), 0.5 * (1 - chance)], axis=1)

    classes = ("good", "fair", "bad")
    found = tried(invariant("sex"), frame, answer=wide, task=Task.MULTICLASS, classes=classes)
    assert found.violated.value == pytest.approx((frame["age"] < 30).mean())
    assert tried(monotone("income", "down", of="bad"), frame, answer=wide, task=Task.MULTICLASS, classes=classes).violated.value < 0.3


def test_a_column_of_one_value_or_none_cannot_be_moved(frame):
    flat = frame.with_columns(income=pl.lit(1.0))
    assert tried(monotone("income"), flat).note
    empty = frame.with_columns(sex=pl.lit(None, dtype=pl.String))
    assert tried(invariant("sex"), empty).note


def test_cases_are_asked_and_misses_are_named(tmp_path):
    told = [
        {"name": "poor", "income": -3.0, "expect": "no"},
        {"name": "rich", "income": 1.4, "age": 50, "expect": True},
        {"name": "sure", "income": 1.4, "at_least": 0.99},
        {"income": 0.0, "at_least": 0.4, "at_most": 0.6},
    ]
    gate = expected(told)
    found = cases.expected(gate, model, fields=FIELDS, classes=("false", "true"), folder=tmp_path)
    assert [one.key for one in found.worst] == ["poor", "sure"], "the class is called false here"
    assert found.violated.value == 0.5 and found.worst[1].before == "at least 0.99"


@pytest.mark.parametrize("suffix", ["csv", "parquet", "jsonl"])
def test_cases_are_read_from_a_file_beside_the_loop_file(tmp_path, suffix):
    told = [{"name": "a", "income": -3.0, "expect": "no"}, {"name": "b", "income": 1.0, "expect": "yes"}]
    file = tmp_path / f"cases.{suffix}"
    if suffix == "jsonl":
        file.write_text("\n".join(json.dumps(case) for case in told))
    else:
        (pl.DataFrame(told).write_csv if suffix == "csv" else pl.DataFrame(told).write_parquet)(file)
    found = cases.expected(expected(f"cases.{suffix}"), model, fields=FIELDS, classes=("no", "yes"), folder=tmp_path)
    assert (found.tried, found.violated.value, found.subject) == (2, 0.0, f"cases.{suffix}")


def test_numbers_are_expected_within_a_tolerance(tmp_path):
    def twice(rows: pl.DataFrame) -> np.ndarray:
        return 2.0 * rows["income"].to_numpy()

    gate = expected([{"income": 1.0, "expect": 2.0}, {"income": 1.0, "expect": 2.4}], tolerance=0.1)
    assert cases.expected(gate, twice, fields=FIELDS, classes=(), folder=tmp_path).violated.value == 0.5


@pytest.mark.parametrize("told", [[], [{"income": 1.0}], "nowhere.csv"])
def test_cases_that_say_nothing_are_refused(tmp_path, told):
    with pytest.raises(DataInvalid):
        cases.read_cases(told, tmp_path)


def test_a_value_that_does_not_fit_its_feature_is_refused(tmp_path):
    with pytest.raises(DataInvalid, match="'income' of a case is no float"):
        cases.expected(expected([{"income": "much", "expect": "no"}]), model, fields=FIELDS, classes=("no", "yes"), folder=tmp_path)
