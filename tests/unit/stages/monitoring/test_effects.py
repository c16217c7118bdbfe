import numpy as np
import polars as pl
import pytest
from scipy import stats

from noria.core.declaration.watch import STATISTICS
from noria.core.schema import Kind
from noria.core.watching import Extent, FeatureReference
from noria.stages.monitoring.bins import edges_of
from noria.stages.monitoring.chunks import Chunks
from noria.stages.monitoring.counting import count
from noria.stages.monitoring.describing import describe
from noria.stages.monitoring.drift import effects_of
from noria.stages.monitoring.effects import chance_limit, effect, fitting

NORMAL = {
    "calm": (0, 1), "shifted": (0.1, 1), "far": (1.0, 1), "wider": (0, 1.5), "narrower": (0, 0.6), "beyond": (6, 1), "far beyond": (20, 1),
}  # fmt: skip


def described(values) -> FeatureReference:
    return describe(pl.Series("x", values), Chunks.one(len(values)), kind=Kind.FLOAT, bins=10, importance=1.0)


def measured(reference, current):
    feature = described(reference)
    return effects_of(feature, np.asarray(feature.counts, dtype=float), count(feature, pl.Series("x", current)))


@pytest.mark.parametrize("statistic", STATISTICS)
@pytest.mark.parametrize("rows", [300, 2_000])
def test_without_drift_an_effect_stays_below_what_chance_is_said_to_give(statistic, rows):
    rng = np.random.default_rng(3)
    shares = np.array([0.001, *[0.1] * 9, 0.069, 0.001, 0.029])
    where = {"centres": np.array([-3.5, *np.linspace(-1.7, 1.7, 10), 3.5]), "spread": 1.0}
    reference, chunks = rng.multinomial(20_000, shares, size=2_000), rng.multinomial(rows, shares, size=2_000)
    limit = chance_limit(statistic, reference[0], rows, **where)
    beyond = (effect(statistic, reference, chunks, **where) > limit).mean()
    assert (0.0 if statistic == "ks" else 0.002) <= beyond < 0.03


@pytest.mark.parametrize("case", NORMAL)
def test_the_wasserstein_distance_of_binned_rows_is_near_that_of_the_rows(case):
    rng = np.random.default_rng(4)
    reference, current = rng.normal(size=40_000), rng.normal(*NORMAL[case], 10_000)
    exact = stats.wasserstein_distance(reference, current) / reference.std()
    found = measured(reference, current)["wasserstein"]
    assert found == pytest.approx(exact, rel=0.22, abs=0.03) or (case == "far beyond" and 10 < found < exact)


@pytest.mark.parametrize("case", NORMAL)
def test_the_ks_distance_of_binned_rows_is_at_most_that_of_the_rows_and_near_it(case):
    rng = np.random.default_rng(5)
    reference, current = rng.normal(size=40_000), rng.normal(*NORMAL[case], 10_000)
    exact = stats.ks_2samp(reference, current, method="asymp").statistic
    found = measured(reference, current)["ks"]
    assert exact - 0.02 <= found <= exact + 1e-9


def test_heavy_values_are_where_they_are():
    rng = np.random.default_rng(6)
    reference, current = rng.integers(0, 2, 5_000), (rng.random(5_000) < 0.8).astype(int)
    exact = stats.wasserstein_distance(reference, current) / reference.std()
    assert measured(reference, current)["wasserstein"] == pytest.approx(exact, abs=1e-9)


def test_text_has_no_order_so_another_statistic_stands_in():
    assert [fitting(name, text=True) for name in STATISTICS] == ["psi", "js", "hellinger", "js", "js"]
    assert fitting("ks", text=False) == "ks"


def test_a_statistic_that_is_none_is_refused_with_the_names_of_those_there_are():
    with pytest.raises(ValueError, match="psi, js, hellinger"):
        effect("kl", [1, 2], [2, 1])


def test_references_of_older_versions_are_still_compared_by_what_they_hold():
    values = np.random.default_rng(7).normal(size=2_000)
    edges = edges_of(values, 10)
    counts = np.bincount(np.searchsorted(edges, values, side="right"), minlength=len(edges) + 2)
    old = FeatureReference(
        name="x", edges=edges, categories=(), counts=tuple(counts.tolist()), threshold=0.1, chunk_mean=0, chunk_sd=0, chunks=0
    )
    found = effects_of(old, counts.astype(float), count(old, pl.Series("x", values)))
    assert set(found) == {"psi", "js", "hellinger", "ks"} and found["ks"] == 0.0
    assert Extent(low=0, high=1, spread=1, centres=()) != old.extent
