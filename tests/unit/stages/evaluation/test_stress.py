import numpy as np
import polars as pl
import pytest

from noria.core.schema import Field, Kind, Task
from noria.stages.evaluation.strains import STRAINS
from noria.stages.evaluation.stress import ALL, Wanted, changed, stressed

ROWS = 1_500
FIELDS = (
    Field(name="x", kind=Kind.FLOAT),
    Field(name="idle", kind=Kind.FLOAT),
    Field(name="count", kind=Kind.INT),
    Field(name="city", kind=Kind.TEXT),
)


@pytest.fixture(scope="module")
def rows() -> tuple[pl.DataFrame, np.ndarray]:
    random = np.random.default_rng(1)
    x = random.normal(size=ROWS)
    frame = pl.DataFrame(
        {
            "x": x,
            "idle": random.normal(size=ROWS),
            "count": random.poisson(20, ROWS),
            "city": random.choice(["ulm", "bonn"], ROWS),
        }
    )
    return frame, (random.random(ROWS) < 1 / (1 + np.exp(-2 * x))).astype(float)


def answer(frame: pl.DataFrame) -> np.ndarray:
    """A model that goes by x, and by the city a little."""
    x = frame["x"].fill_null(0.0).to_numpy() + 0.3 * (frame["city"] == "ulm").fill_null(False).to_numpy()
    return 1 / (1 + np.exp(-2 * x))


def strained(rows, model=answer, **how):
    frame, y = rows
    return stressed(frame, y, model, fields=FIELDS, reference=frame, task=Task.BINARY, metrics=("roc_auc",), clusters=None, **how)


def test_each_strain_is_tried_on_what_it_is_for(rows):
    base, found = strained(rows)
    assert base["roc_auc"].value > 0.8
    tried = {(one.to, one.features, one.severity) for one in found}
    assert ("noise", ("x",), 0.3) in tried and ("unseen", ("city",), 0.2) in tried and ("scaled", ("count",), 10.0) in tried
    assert ("swapped", ("x", "idle"), 1.0) in tried
    assert not any(to == "noise" and "city" in features for to, features, _ in tried)
    assert {severity for to, features, severity in tried if to == "missing" and features == ALL} == {0.05, 0.2, 0.5}
    assert len(tried) == len(found)


def test_the_fall_grows_with_severity_and_spares_what_the_model_does_not_look_at(rows):
    _, found = strained(rows)
    falls = [one.fall.value for one in found if (one.to, one.features) == ("noise", ALL)]
    assert falls == sorted(falls) and falls[-1] > 0.05
    by = {(one.to, one.features): one for one in found}
    assert by["noise", ("idle",)].fall.value == 0.0 and by["noise", ("idle",)].changed == 0.0
    assert by["missing", ("x",)].fall.low > 0.0 and by["missing", ("x",)].changed > 0.02


def test_what_a_gate_asks_for_is_tried_too(rows):
    _, found = strained(rows, wanted=[Wanted(to="missing", severity=0.9), Wanted(to="noise", severity=2.0, feature="x")])
    tried = {(one.to, one.features, one.severity) for one in found}
    assert {("missing", ALL, 0.9), ("noise", ("x",), 2.0)} <= tried


def test_the_same_seed_strains_alike(rows):
    assert strained(rows, seed=3)[1] == strained(rows, seed=3)[1]


def test_a_strain_that_breaks_the_users_own_code_is_told(rows):
    def brittle(frame: pl.DataFrame) -> np.ndarray:
        if frame["x"].null_count():
            raise ValueError("x must not be missing")
        return answer(frame)

    _, found = strained(rows, brittle)
    broken = next(one for one in found if (one.to, one.features) == ("missing", ("x",)))
    assert "x must not be missing" in broken.note and np.isnan(broken.fall.value)
    assert next(one for one in found if (one.to, one.features) == ("noise", ("x",))).note == ""


def test_strains_keep_kinds_and_rows(rows):
    frame, _ = rows
    random = np.random.default_rng(0)
    for to, (strain, severities, kinds) in STRAINS.items():
        fields = [field for field in FIELDS if field.kind in kinds]
        made = strain(frame, fields[:2] if to == "swapped" else fields, severities[-1], frame, random)
        assert made.height == ROWS and made.columns == frame.columns, to
        assert made["count"].dtype == pl.Int64, to
    assert STRAINS["missing"][0](frame, FIELDS[:1], 0.5, frame, random)["x"].null_count() == pytest.approx(750, abs=100)


def test_numbers_change_when_they_move_by_more_than_a_little():
    before = np.array([0.0, 1.0, 2.0, 3.0])
    assert changed(before, np.array([0.05, 1.0, 2.5, 3.0]), Task.REGRESSION).tolist() == [False, False, True, False]
    assert changed(np.array([0.4, 0.6]), np.array([0.49, 0.4]), Task.BINARY).tolist() == [False, True]
    assert changed(np.array([[0.2, 0.8]]), np.array([[0.6, 0.4]]), Task.MULTICLASS).tolist() == [True]
