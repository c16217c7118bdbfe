"""What is S3's own: the local copies, a store that does not answer, and notes of collectors."""

from __future__ import annotations

import os
import time
import urllib.request
from datetime import UTC, datetime, timedelta

import pytest

pytest.importorskip("obstore", reason="obstore is missing: pip install 'noria[s3]'")

import obstore

from noria.adapters.s3 import S3
from noria.adapters.s3.cache import IN_USE_S, Cache
from noria.core.errors import BlobMissing, SettingsInvalid, Unavailable
from noria.core.ids import digest_of


@pytest.fixture
def store(s3, tmp_path):
    return S3(s3.bucket(tmp_path), cache=tmp_path / "cache", cache_bytes=1 << 20, endpoint=s3.endpoint)


def test_an_address_without_a_bucket_is_refused(tmp_path):
    with pytest.raises(SettingsInvalid, match="blobs is 's3:///x'"):
        S3("s3:///x", cache=tmp_path, cache_bytes=1)


def test_a_store_that_does_not_answer_and_a_bucket_that_is_not_there_are_told_apart_from_a_missing_blob(s3, tmp_path, monkeypatch):
    nowhere = S3("s3://no-such-bucket/x", cache=tmp_path, cache_bytes=1, endpoint=s3.endpoint)
    with pytest.raises(Unavailable, match="NoSuchBucket"):
        nowhere.put(b"water")
    monkeypatch.setattr("noria.adapters.s3._RETRY", {"max_retries": 0, "retry_timeout": timedelta(seconds=1)})
    silent = S3("s3://bucket/x", cache=tmp_path, cache_bytes=1, endpoint="http://127.0.0.1:9")
    for ask in (lambda: silent.put(b"water"), lambda: silent.read(digest_of(b"water")), lambda: list(silent.digests())):
        with pytest.raises(Unavailable, match="does not answer"):
            ask()


def test_damaged_bytes_are_never_handed_out(store):
    digest = store.put(b"water")
    obstore.put(store._store, f"sha256/{digest[7:]}/0", b"wine!")
    for ask in (store.read, store.path):
        with pytest.raises(BlobMissing, match="does not hold what its name says"):
            ask(digest)
    assert list(store.room.iterdir()) == []


def test_a_signed_address_gives_the_content_to_anybody(store):
    with urllib.request.urlopen(store.link(store.put(b"water"), timedelta(minutes=1))) as answer:
        assert answer.read() == b"water"
    assert store.link(digest_of(b"never put"), timedelta(minutes=1)) == ""


def test_local_copies_are_bounded_and_what_was_asked_for_longest_ago_goes_first(tmp_path):
    cache = Cache(tmp_path, limit_bytes=1_000)
    contents = {digest_of(bytes([n]) * 300)[7:]: bytes([n]) * 300 for n in range(5)}
    long_ago = time.time() - 2 * IN_USE_S
    for age, (name, content) in enumerate(contents.items()):
        os.utime(cache.fill(name, [content]), (long_ago + age, long_ago + age))
    first, second, third, fourth, fifth = contents
    assert [name for name in contents if cache.find(name)] == [third, fourth, fifth]
    assert cache.find(first) is cache.find(second) is None
    for name in (first, second):
        cache.fill(name, [contents[name]])
    assert all(cache.find(name) for name in contents), "copies in use stay, over the limit too"


def test_who_puts_what_a_collector_is_about_to_delete_keeps_it_under_another_name(store):
    digest = store.put(b"water")
    name = digest[7:]
    obstore.put(store._store, f"doomed/{name}/another-collector", b"")
    assert store.put(b"water") == digest
    obstore.delete(store._store, f"sha256/{name}/0")  # which is all that that collector knows of
    assert store.read(digest) == b"water" and store.has(digest) and list(store.digests()) == [digest]
    obstore.put(store._store, f"sha256/{name}/0", b"water")
    assert store.renew(digest)
    assert len(store._generations(name)) >= 2
    assert store.delete(digest, before=datetime.now(UTC) + timedelta(hours=1))
    assert not store.has(digest) and store._generations(name) == []


def test_a_note_of_a_collector_that_died_ages_away(store, monkeypatch):
    digest = store.put(b"water")
    obstore.put(store._store, f"doomed/{digest[7:]}/dead", b"")
    monkeypatch.setattr("noria.adapters.s3._STALE_DOOM", timedelta(seconds=-5))
    store.put(b"water")
    assert len(store._generations(digest[7:])) == 1
    assert store.delete(digest, before=datetime.now(UTC) + timedelta(hours=1))
    assert store._listed("doomed") == []
