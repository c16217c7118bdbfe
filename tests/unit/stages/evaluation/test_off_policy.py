import numpy as np
import pytest

from noria.core.errors import DataInvalid
from noria.stages.evaluation.off_policy import Method, worth

ALWAYS = np.eye(2)


def logged(rng, n=4_000):
    """Days of three shares, on which the world differs too: pooling arms would mislead."""
    day = np.repeat([0, 1, 2], [n // 2, n // 4, n - n // 2 - n // 4])
    share = np.array([0.1, 0.5, 0.9])[day]
    action = (rng.random(n) < share).astype(int)
    reward = rng.normal(day + 0.2 * action, 1.0)
    return action, reward, np.column_stack([1 - share, share]), float(day.mean()), day


@pytest.mark.parametrize("method", list(Method))
def test_each_method_finds_the_worth_of_either_version_where_plain_means_mislead(method):
    rng, found = np.random.default_rng(1), []
    for _ in range(200):
        action, reward, propensity, base, _ = logged(rng)
        found.append([worth(action, reward, propensity, ALWAYS[arm], method=method).value.value - base - 0.2 * arm for arm in (0, 1)])
    errors = np.array(found)
    assert np.abs(errors.mean(axis=0)).max() < 4 * errors.std(axis=0).max() / np.sqrt(200)
    plain = reward[action == 1].mean() - reward[action == 0].mean()
    assert plain > 0.8


@pytest.mark.parametrize("method", list(Method))
def test_its_interval_covers(method):
    rng, covered = np.random.default_rng(2), 0
    for _ in range(200):
        action, reward, propensity, base, _ = logged(rng, 1_500)
        found = worth(action, reward, propensity, ALWAYS[1], method=method).value
        covered += found.low <= base + 0.2 <= found.high
    assert 0.90 <= covered / 200 <= 0.99


def test_knowing_what_to_expect_makes_it_steadier():
    rng = np.random.default_rng(3)
    action, _, propensity, _, day = logged(rng)
    known = 10.0 + np.column_stack([day, day + 0.2])
    reward = known[np.arange(len(action)), action] + rng.normal(0, 0.2, len(action))
    plain = worth(action, reward, propensity, ALWAYS[1], method=Method.IPS)
    steady = worth(action, reward, propensity, ALWAYS[1], expected=known)
    assert steady.value.se < 0.5 * plain.value.se


def test_a_policy_that_is_the_log_itself_is_its_mean_reward():
    rng = np.random.default_rng(4)
    action, reward, propensity, _, _ = logged(rng)
    for method in Method:
        same = worth(action, reward, propensity, propensity, method=method)
        assert same.value.value == pytest.approx(reward.mean(), abs=1e-12 if method is not Method.DR else same.value.se)
        assert same.effective == pytest.approx(len(reward))


def test_rows_of_one_key_are_not_independent():
    rng = np.random.default_rng(5)
    action, reward, propensity, _, _ = logged(rng, 400)
    five = [np.repeat(values, 5, axis=0) for values in (action, reward, propensity)]
    alone = worth(action, reward, propensity, ALWAYS[0]).value.se
    assert worth(*five, ALWAYS[0], clusters=np.repeat(np.arange(400), 5)).value.se == pytest.approx(alone, rel=0.01)


def test_what_was_never_tried_cannot_be_weighed():
    with pytest.raises(DataInvalid, match="never could"):
        worth([0, 0], [1.0, 2.0], [[1.0, 0.0], [1.0, 0.0]], ALWAYS[1])
    with pytest.raises(DataInvalid, match="do not fit together"):
        worth([], [], np.empty((0, 2)), ALWAYS[1])
