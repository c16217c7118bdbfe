import numpy as np
import pytest

from noria.stages.monitoring.chunk_limits import chunk_limit, independent_rows, spread_over


def test_one_more_chunk_stays_within_the_limit_nearly_always():
    random = np.random.default_rng(3)
    beyond = 0
    for _ in range(400):
        values = random.normal(5, 2, 31)
        beyond += values[-1] > chunk_limit(values[:-1]).limit
    assert beyond <= 6


def test_it_allows_for_days_that_resemble_their_neighbours():
    random = np.random.default_rng(4)
    beyond = {"allowed for": 0, "ignored": 0}
    for _ in range(400):
        noise = random.normal(size=66)
        for day in range(1, 66):
            noise[day] = 0.9 * noise[day - 1] + np.sqrt(1 - 0.81) * noise[day]
        past, later = noise[:45], noise[65]
        beyond["allowed for"] += later > chunk_limit(past).limit
        beyond["ignored"] += later > past.mean() + 3 * past.std(ddof=1)
    assert beyond["allowed for"] < beyond["ignored"] / 2


def test_few_chunks_set_no_limit():
    told = chunk_limit([1.0, np.nan, 2.0])
    assert told.limit == np.inf and told.chunks == 0 and told.usual == pytest.approx(1.5)


def test_independent_values_count_as_themselves_and_copies_do_not():
    values = np.random.default_rng(5).normal(size=(100, 1))
    assert independent_rows(values) > 70
    assert independent_rows(np.repeat(values[:10], 10, axis=0)) < 25
    assert independent_rows(np.ones((12, 1))) == 12


def test_costly_readings_are_calibrated_on_usual_chunks_of_all_of_the_reference():
    usual = np.arange(100) % 2 == 0
    chosen = spread_over(usual, 5)
    assert chosen.tolist() == [0, 24, 48, 74, 98] and usual[chosen].all()
    assert spread_over(usual, 80).tolist() == np.flatnonzero(usual).tolist()
    assert spread_over(np.zeros(3, dtype=bool), 5).tolist() == []
