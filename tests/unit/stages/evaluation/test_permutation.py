import numpy as np
import pytest
from scipy import stats
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LinearRegression

from noria.core.schema import Task
from noria.stages.evaluation.permutation import grouped, permutation

NAMES = ("strong", "weak", "noise", "twin")


def world(random, rows=800):
    """Four columns, the last nearly a copy of the first; the label follows the first two."""
    X = random.normal(size=(rows, 4))
    X[:, 3] = X[:, 0] + 0.05 * random.normal(size=rows)
    return X, 2 * X[:, 0] + 0.5 * X[:, 1] + random.normal(size=rows)


def score(X):
    return 2 * X[:, 0] + 0.5 * X[:, 1]


def asked(X, y, **how):
    return permutation(score, X, y, NAMES, task=Task.REGRESSION, by="mae", clusters=None, **how)


def test_the_losses_are_those_of_scikit_learn():
    random = np.random.default_rng(1)
    X, y = world(random)
    X = X[:, :3]
    model = LinearRegression().fit(X, y)
    theirs = permutation_importance(model, X, y, scoring="neg_mean_absolute_error", n_repeats=40, random_state=0)
    ours = permutation(model.predict, X, y, NAMES[:3], task=Task.REGRESSION, by="mae", clusters=None, repeats=40)
    found = {one.name: one.lost for one in ours.features}
    for place, name in enumerate(NAMES[:3]):
        assert found[name].value == pytest.approx(theirs.importances_mean[place], abs=0.02)


def test_features_that_go_together_are_shuffled_at_once():
    X, y = world(np.random.default_rng(2))
    found = asked(X, y)
    assert [one.features for one in found.features][:2] == [("strong", "twin"), ("weak",)]
    assert sum(one.share for one in found.features) == pytest.approx(1.0)
    shares = found.shares()
    assert shares["strong"] == shares["twin"] == found.features[0].share / 2


def test_a_feature_that_the_model_does_not_use_has_lost_nothing():
    X, y = world(np.random.default_rng(3))
    noise = next(one.lost for one in asked(X, y).features if one.name == "noise")
    assert (noise.value, noise.low, noise.high) == (0.0, 0.0, 0.0)


def test_the_interval_covers_what_infinitely_many_rows_would_show():
    random, trials, covered = np.random.default_rng(4), 200, 0
    truth = np.mean([lost_of_weak(*world(random, 20_000)) for _ in range(10)])
    for _ in range(trials):
        X, y = world(random, 400)
        found = next(one.lost for one in asked(X, y).features if one.name == "weak")
        covered += found.low <= truth <= found.high
    assert covered >= stats.binom.ppf(0.001, trials, 0.93)


def lost_of_weak(X, y):
    changed = X.copy()
    changed[:, 1] = np.roll(X[:, 1], 1)
    return np.abs(y - score(changed)).mean() - np.abs(y - score(X)).mean()


def test_a_metric_without_a_derivative_gives_way_to_the_main_one():
    X, y = world(np.random.default_rng(5))
    said = (y > 0).astype(float)
    found = permutation(lambda X: 1 / (1 + np.exp(-score(X))), X, said, NAMES, task=Task.BINARY, by="ece", clusters=None)
    assert found.metric == "roc_auc" and found.features[0].lost.low > 0


def test_rows_are_thinned_when_there_are_many():
    X, y = world(np.random.default_rng(6), 9_000)
    found = asked(X, y, repeats=2)
    assert found.rows == 4_000 and "4,000" in found.note


def test_constant_and_missing_columns_group_with_nothing():
    X = np.random.default_rng(7).normal(size=(50, 3))
    X[:, 1], X[:, 2] = 4.0, np.nan
    assert grouped(X, ("a", "b", "c")) == [(0,), (1,), (2,)]
