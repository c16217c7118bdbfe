import numpy as np
import pytest
from sklearn.ensemble import GradientBoostingRegressor
from sklearn.inspection import partial_dependence

from noria.core.schema import Field, Kind
from noria.stages.evaluation.partial import partial

FIELDS = (Field(name="a", kind=Kind.FLOAT), Field(name="b", kind=Kind.INT), Field(name="c", kind=Kind.TEXT, categories=("x", "y")))


def rows(n=300):
    rng = np.random.default_rng(1)
    return np.column_stack([rng.normal(size=n), rng.integers(0, 5, n), rng.integers(0, 2, n)]).astype(float)


def test_it_is_what_scikit_learn_computes():
    X = rows()
    model = GradientBoostingRegressor(n_estimators=20, random_state=1).fit(X, X[:, 0] ** 2 + X[:, 1])
    found = partial(model.predict, X, FIELDS, 1)
    expected = partial_dependence(model, X, [1], method="brute", kind="average", grid_resolution=50)
    assert found.grid == tuple(int(value) for value in expected["grid_values"][0])
    assert found.mean == pytest.approx(tuple(expected["average"][0]))
    single = partial_dependence(model, X, [1], method="brute", kind="individual", grid_resolution=50)["individual"][0]
    assert np.array(found.single) == pytest.approx(single[: len(found.single)])


def test_texts_are_told_by_name_and_missing_ones_are_left_out():
    X = rows()
    X[:50, 2] = np.nan
    found = partial(lambda Z: Z[:, 2], X, FIELDS, 2)
    assert found.grid == ("x", "y")
    assert found.mean == (0.0, 1.0)
    assert sum(found.share) == pytest.approx(250 / 300)


def test_a_column_without_values_says_nothing():
    X = rows()
    X[:, 0] = np.nan
    assert partial(lambda Z: np.ones(len(Z)), X, FIELDS, 0).grid == (None,)


def test_it_is_bounded_however_many_rows_there_are():
    asked = []

    def counted(Z):
        asked.append(len(Z))
        return Z[:, 0]

    found = partial(counted, rows(5_000), FIELDS, 0)
    assert asked == [500 * len(found.grid)]
    assert len(found.single) == 30
