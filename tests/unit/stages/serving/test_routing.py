"""Routing is sticky, uniform, and only ever grows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from noria.core.schema import Signature, Task
from noria.core.traffic import Route, ServedVersion
from noria.stages.serving.routing import bucket, kept, lane

VERSION = ServedVersion(number=1, artifact="", code="", signature=Signature(inputs=(), features=(), task=Task.BINARY))
ROUTE = Route(deployment="d", champion=VERSION, challenger=VERSION, salt="rollout_01j9abcdefghjkmn")
KEYS = [f"N{n}" for n in range(20_000)]


def test_buckets_are_uniform() -> None:
    assert stats.kstest([bucket("salt", key) for key in KEYS], "uniform").pvalue > 0.001


def test_buckets_of_two_salts_have_nothing_to_do_with_each_other() -> None:
    one, two = ([bucket(salt, key) for key in KEYS] for salt in ("a", "b"))
    assert abs(np.corrcoef(one, two)[0, 1]) < 0.03


@pytest.mark.parametrize("share", [0.01, 0.1, 0.5])
def test_the_challenger_gets_its_share(share) -> None:
    route = replace(ROUTE, challenger_share=share)
    got = sum(lane(route, key) for key in KEYS)
    assert stats.binomtest(got, len(KEYS), share).pvalue > 0.001


@settings(max_examples=50, deadline=None)
@given(key=st.text(max_size=40), salt=st.text(max_size=40), low=st.floats(0, 1), high=st.floats(0, 1))
def test_keys_only_join_as_the_share_grows(key, salt, low, high) -> None:
    low, high = sorted((low, high))
    inside = lane(replace(ROUTE, salt=salt, challenger_share=low), key)
    assert 0.0 <= bucket(salt, key) < 1.0
    assert not inside or lane(replace(ROUTE, salt=salt, challenger_share=high), key)


def test_a_share_of_one_takes_all_and_of_nothing_none() -> None:
    assert all(lane(replace(ROUTE, challenger_share=1.0), key) for key in KEYS[:500])
    assert not any(lane(replace(ROUTE, challenger_share=0.0), key) for key in KEYS[:500])
    assert not any(lane(replace(ROUTE, challenger=None, challenger_share=1.0), key) for key in KEYS[:500])


def test_the_bucket_of_a_key_is_the_same_in_every_version_of_noria() -> None:
    assert [bucket("rollout", key) for key in ("N1", "ключ", "")] == [0.6134728965336195, 0.2585027729384759, 0.8602222138652473]


def test_the_logs_sample_keeps_its_share() -> None:
    assert stats.binomtest(sum(kept(replace(ROUTE, sample=0.2), key) for key in KEYS), len(KEYS), 0.2).pvalue > 0.001
    assert kept(ROUTE, "any")
