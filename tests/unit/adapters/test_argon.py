"""Passwords by Argon2id."""

import pytest

from noria.adapters.argon import Argon

QUICK = {"memory_kib": 8, "passes": 1, "lanes": 1}


@pytest.fixture
def argon():
    return Argon(**QUICK)


def test_a_password_fits_what_was_kept_of_it_and_no_other_does(argon):
    kept = argon.kept("correct horse battery")
    assert argon.fits(kept, "correct horse battery") and not argon.fits(kept, "correct horse batterz")
    assert "correct" not in kept and kept != argon.kept("correct horse battery")


def test_a_name_without_a_password_costs_a_hash_and_is_refused(argon):
    assert not argon.fits("", "nobody has this password")
    assert not argon.fits("no hash at all", "x")


def test_the_same_password_typed_on_another_keyboard_fits(argon):
    assert argon.fits(argon.kept("schöne grüße"), "scho\u0308ne gru\u0308ße")


def test_a_hash_of_weaker_days_is_known_as_such(argon):
    assert Argon(**{**QUICK, "passes": 2}).outdated(argon.kept("x" * 12)) and not argon.outdated(argon.kept("x" * 12))


def test_what_is_kept_by_default_is_the_second_recommendation_of_rfc_9106():
    assert Argon().kept("once").startswith("$argon2id$v=19$m=65536,t=3,p=4$")
