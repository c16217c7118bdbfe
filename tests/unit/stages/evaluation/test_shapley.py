from itertools import combinations
from math import factorial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from noria.stages.evaluation.shapley import shapley


def curved(X):
    return X[:, 0] * X[:, 1] + np.sin(X[:, 2]) + 2 * X[:, 3]


def by_definition(ask, row, background):
    """Shapley 1953, over all coalitions."""
    d = len(row)

    def worth(members):
        rows = background.copy()
        rows[:, list(members)] = row[list(members)]
        return ask(rows).mean()

    parts = np.zeros(d)
    for j in range(d):
        others = [k for k in range(d) if k != j]
        for size in range(d):
            for members in combinations(others, size):
                weight = factorial(size) * factorial(d - size - 1) / factorial(d)
                parts[j] += weight * (worth((*members, j)) - worth(members))
    return parts


def test_it_comes_to_the_definition():
    rng = np.random.default_rng(1)
    background, row = rng.normal(size=(30, 4)), np.array([1.0, 2.0, -1.0, 0.5])
    found = shapley(curved, row, background, budget=60_000)
    assert found.parts == pytest.approx(by_definition(curved, row, background), abs=4 * found.spread.max() + 1e-9)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([100, 2_000]))
def test_base_and_parts_are_the_answer_at_any_budget(seed, budget):
    rng = np.random.default_rng(seed)
    background, row = rng.normal(size=(20, 4)), rng.normal(size=4)
    found = shapley(curved, row, background, seed=seed, budget=budget)
    assert found.parts.sum() + found.base == pytest.approx(curved(row[None])[0])


def test_a_feature_that_nothing_asks_for_has_no_part():
    rng = np.random.default_rng(2)
    found = shapley(lambda X: X[:, 0], np.array([3.0, 9.0]), rng.normal(size=(40, 2)))
    assert found.parts[1] == 0.0
    assert found.parts[0] == pytest.approx(3.0 - found.base)


def test_it_asks_for_no_more_than_its_budget():
    asked = []

    def counted(X):
        asked.append(len(X))
        return X.sum(axis=1)

    shapley(counted, np.zeros(10), np.ones((500, 10)), budget=3_000)
    assert sum(asked) <= 3_000 + 500
