"""Texts, vectors and images held against a reference without a deployment."""

import numpy as np

import noria as nr
from noria.core.watching import Level


def breached(readings):
    return {one.subject for one in readings if one.level is Level.BREACH}


def texts(seed, n, *more):
    random = np.random.default_rng(seed)
    words = ["room", "bed", "staff", "pool", "view", "clean", "loud", *more]
    return [" ".join(random.choice(words, 12)) for _ in range(n)]


def test_texts_are_held_against_each_other():
    assert breached(nr.check_texts(texts(1, 800), texts(2, 400))) == set()
    told = nr.check_texts(texts(1, 800), texts(2, 400, "refund", "bedbugs"), name="review")
    assert {"review/domain", "review/unknown_share"} <= breached(told)


def test_vectors_are_held_against_each_other_with_examples():
    random = np.random.default_rng(1)
    before, same, now = (random.normal(shift, 1, size=(600, 8)) for shift in (0, 0, 0.7))
    times = np.datetime64("2024-01-01") + (np.arange(600) // 50).astype("timedelta64[D]")
    assert breached(nr.check_embeddings(before, same, times=times)) == set()
    told = nr.check_embeddings(before, now, current_texts=[f"text {n}" for n in range(600)])
    assert breached(told) == {"embeddings/centroid", "embeddings/mmd", "embeddings/domain", "embeddings/clusters"}
    assert "'text " in told[3].note


def test_images_are_held_against_each_other():
    random = np.random.default_rng(1)
    before, same, dark = (list(random.normal(light, 30, (300, 8, 8)).clip(0, 255).astype(np.uint8)) for light in (130, 130, 90))
    assert breached(nr.check_images(before, same)) == set()
    assert "photo/brightness" in breached(nr.check_images(before, dark, name="photo"))
