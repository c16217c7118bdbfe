import numpy as np
import pytest

from noria.loop.referring import alike_of_days, spread_of_days


def test_days_that_go_together_are_worth_fewer_and_strays_farther():
    rng, ratios = np.random.default_rng(1), []
    for rho in (0.0, 0.6):
        found = []
        for _ in range(200):
            marks = rng.normal(size=60)
            for day in range(1, 60):
                marks[day] = rho * marks[day - 1] + np.sqrt(1 - rho**2) * marks[day]
            found.append(alike_of_days(marks))
        ratios.append(np.median(found))
    assert ratios[0] < 1.2
    assert ratios[1] == pytest.approx(2.0, rel=0.2)  # √((1 + ρ) / (1 − ρ))


def test_of_two_days_nothing_is_known():
    assert np.isnan(spread_of_days(np.array([0.7, 0.8])))
    assert alike_of_days(np.array([0.7, 0.8])) == 1.0
