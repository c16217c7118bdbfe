"""Drift of vectors: a mix of topics shifts, and nothing does."""

from datetime import UTC, datetime

import numpy as np
import pytest
from scipy.spatial.distance import cosine

from noria.core.watching import Level
from noria.stages.monitoring import embeddings
from noria.stages.monitoring.embeddings import build, centroid_shift, clusters_of, cosine_distance, measure
from noria.stages.monitoring.vectors import packed, unpacked

AT = datetime(2024, 3, 1, tzinfo=UTC)
TOPICS = np.random.default_rng(0).normal(size=(10, 64)) * 0.3


def vectors(seed, n, share=0.05):
    """Topic 0 has the share; the others share the rest."""
    random = np.random.default_rng(seed)
    topics = random.choice(10, n, p=[share, *[(1 - share) / 9] * 9])
    found = TOPICS[topics] + random.normal(size=(n, 64)) * 0.15
    return found / np.linalg.norm(found, axis=1, keepdims=True), [f"a text about topic {topic}" for topic in topics]


def times(n, per=300):
    return np.datetime64("2024-01-01", "ms") + (np.arange(n) * (86_400_000 // per)).astype("timedelta64[ms]")


@pytest.fixture(scope="module")
def known():
    found, texts = vectors(1, 6_000)
    return build(found, times=times(6_000), texts=texts)


def told(known, seed, n=300, share=0.05):
    found, texts = vectors(seed, n, share)
    return {one.subject: one for one in measure(known, found, loop="l", at=AT, texts=texts)}


def test_the_same_mix_gives_no_alarm(known):
    """False alarms per chunk of 300: measured none of 200, of each reading."""
    found = [told(known, 100 + seed) for seed in range(15)]
    for subject in ("centroid", "mmd", "domain", "clusters"):
        assert sum(one[subject].level is Level.BREACH for one in found) <= 1, subject
    assert np.mean([one["domain"].value for one in found]) == pytest.approx(0.5, abs=0.03)


def test_a_topic_that_grows_from_a_twentieth_to_a_fifth_is_seen_and_shown(known):
    """Power per chunk of 1,000: measured 52 of 52 for centroid, mmd and clusters, 12 for domain (whose AUC cannot exceed 0.58 here)."""
    found = [told(known, 200 + seed, 1_000, share=0.2) for seed in range(5)]
    for subject in ("centroid", "mmd", "clusters"):
        assert sum(one[subject].level is Level.BREACH for one in found) >= 4, subject
    assert "grew from" in found[0]["clusters"].note and "'a text about topic 0'" in found[0]["clusters"].note


def test_the_centroid_moves_by_nothing_on_average_and_the_cosine_is_scipys(known):
    shifts = [centroid_shift(known, vectors(300 + seed, 200)[0]) for seed in range(50)]
    assert abs(np.mean(shifts)) < 3 * np.std(shifts) / np.sqrt(50) + 2 / 4_000
    left, right = vectors(1, 2)[0]
    assert cosine_distance(left, right) == pytest.approx(cosine(left, right))
    assert cosine_distance(left, np.zeros(64)) == 0.0


def test_clusters_are_the_nearest_ones(known):
    found = vectors(5, 50)[0]
    nearest = np.linalg.norm(found[:, None] - known.centres[None], axis=2).argmin(axis=1)
    assert (clusters_of(known, found) == nearest).all()
    assert known.counts.sum() == 4_000 and len(known.counts) == 20


def test_a_reference_survives_being_packed_as_plain_arrays(known):
    again = unpacked(packed(known))
    assert again.limits == known.limits and again.examples == known.examples
    before, after = told(known, 9), told(again, 9)
    assert all(after[name].value == pytest.approx(before[name].value, abs=1e-3) for name in before)
    assert len(packed(known)) < 1_000_000


def test_few_vectors_no_chunks_and_few_directions_are_no_crash(known):
    assert all(one.level is Level.NOT_ENOUGH for one in told(known, 3, 40).values())
    alone = build(vectors(2, 500)[0])
    assert alone.limits == {} and told(alone, 4)["centroid"].level is Level.OK
    flat = build(np.ones((300, 4)), times=times(300, 20))
    assert {one.level for one in measure(flat, np.ones((300, 4)), loop="l", at=AT)} == {Level.OK}
    assert measure(known, np.zeros((0, 64)), loop="l", at=AT)[0].monitor == embeddings.MONITOR
