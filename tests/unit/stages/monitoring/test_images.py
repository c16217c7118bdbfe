"""Images in plain numbers, and their drift."""

from datetime import UTC, datetime

import numpy as np
import pytest
from scipy.ndimage import laplace

from noria.core.watching import Level
from noria.ports import wire
from noria.stages.monitoring.images import build, descriptors, laplacian, measure

AT = datetime(2024, 3, 1, tzinfo=UTC)


def images(seed, n, *, light=120, blur=0, size=(12, 16)):
    random = np.random.default_rng(seed)
    found = random.normal(light, 30, size=(n, *size, 3)) + random.normal(0, 8, size=(n, 1, 1, 1))
    for _ in range(blur):
        found = (found + np.roll(found, 1, axis=1) + np.roll(found, 1, axis=2)) / 3
    return list(np.clip(found, 0, 255).astype(np.uint8))


def times(n, per=100):
    return np.datetime64("2024-01-01", "ms") + (np.arange(n) * (86_400_000 // per)).astype("timedelta64[ms]")


@pytest.fixture(scope="module")
def known():
    return build(images(1, 2_000), times(2_000))


def told(known, found):
    return {one.subject: one.level for one in measure(known, found, loop="l", at=AT, name="photo", min_rows=100)}


def test_descriptors_are_what_they_are_called():
    red = np.zeros((4, 8, 3), dtype=np.uint8)
    red[..., 0] = 255
    row = descriptors([red]).to_dicts()[0]
    assert row["brightness"] == pytest.approx(0.2126) and row["contrast"] == pytest.approx(0.0) and row["sharpness"] == pytest.approx(0.0)
    assert (row["red"], row["green"], row["red_sd"]) == (1.0, 0.0, 0.0)
    assert (row["width"], row["height"], row["aspect"]) == (8.0, 4.0, 2.0)


def test_the_laplacian_is_scipys():
    values = np.random.default_rng(1).random((7, 9))
    assert laplacian(values) == pytest.approx(laplace(values)[1:-1, 1:-1])


def test_grey_fractions_and_alpha_are_read_and_what_is_no_image_is_missing():
    grey = np.full((5, 5), 128, dtype=np.uint8)
    rows = descriptors(
        [grey, grey[:, :, None], np.full((5, 5, 4), 128 / 255), None, np.zeros((0, 3)), np.zeros((2, 2, 9)), "no image"]
    ).to_dicts()
    assert [row["brightness"] for row in rows[:3]] == [pytest.approx(128 / 255)] * 3
    assert all(row["brightness"] is None and row["width"] is None for row in rows[3:])


def test_the_same_kind_of_images_gives_no_alarm(known):
    """False alarms per reading: measured 5 of 1,300."""
    found = [level for seed in range(6) for level in told(known, images(100 + seed, 100)).values()]
    assert found.count(Level.BREACH) <= 2


def test_darker_blurred_larger_and_broken_images_are_seen(known):
    assert told(known, images(200, 100, light=80))["photo/brightness"] is Level.BREACH
    assert told(known, images(201, 100, blur=1))["photo/sharpness"] is Level.BREACH
    assert told(known, images(202, 100, size=(24, 24)))["photo/aspect"] is Level.BREACH
    assert told(known, [None if place % 4 == 0 else one for place, one in enumerate(images(203, 120))])["photo/missing"] is Level.BREACH


def test_a_reference_survives_being_stored(known):
    assert wire.load(wire.dump(known), type(known)) == known
