"""The data plane reads its own copies when the blob store is gone."""

from __future__ import annotations

import os

import pytest

from noria.core.errors import ArtifactRejected, BlobMissing, NotAllowed
from noria.core.ids import digest_of
from noria.dataplane.cache import CachedBlobs


class Store:
    def __init__(self, *contents: bytes) -> None:
        self.contents = {digest_of(content): content for content in contents}
        self.reads = 0
        self.gone = False

    def read(self, digest: str) -> bytes:
        self.reads += 1
        if self.gone:
            raise OSError("the disk is not mounted")
        if digest not in self.contents:
            raise BlobMissing(digest)
        return self.contents[digest]

    def has(self, digest: str) -> bool:
        return digest in self.contents


MODEL = b"model"


def test_a_blob_is_fetched_once_and_read_when_the_store_is_gone(tmp_path) -> None:
    store = Store(MODEL)
    assert CachedBlobs(store, tmp_path).read(digest_of(MODEL)) == MODEL
    store.gone = True
    cached = CachedBlobs(store, tmp_path)
    assert cached.read(digest_of(MODEL)) == MODEL
    assert cached.path(digest_of(MODEL)).read_bytes() == MODEL
    assert list(cached.digests()) == [digest_of(MODEL)]
    assert store.reads == 1


def test_a_spoilt_copy_is_fetched_again(tmp_path) -> None:
    store = Store(MODEL)
    file = CachedBlobs(store, tmp_path).path(digest_of(MODEL))
    file.write_bytes(b"spoilt")
    assert CachedBlobs(store, tmp_path).read(digest_of(MODEL)) == MODEL


def test_what_neither_has_is_missing(tmp_path) -> None:
    store = Store()
    with pytest.raises(BlobMissing):
        CachedBlobs(store, tmp_path).read(digest_of(MODEL))
    store.gone = True
    with pytest.raises(BlobMissing, match="not mounted"):
        CachedBlobs(store, tmp_path).read(digest_of(MODEL))
    assert not CachedBlobs(store, tmp_path).has(digest_of(MODEL))


def test_what_was_used_longest_ago_makes_room(tmp_path) -> None:
    contents = [bytes([n]) * 100 for n in range(4)]
    cached = CachedBlobs(Store(*contents), tmp_path, limit_bytes=300)
    for age, content in enumerate(contents[:3]):
        os.utime(cached.path(digest_of(content)), (1_000 + age, 1_000 + age))
    os.utime(cached.path(digest_of(contents[0])), (2_000, 2_000))
    cached.read(digest_of(contents[3]))
    assert set(cached.digests()) == {digest_of(contents[n]) for n in (0, 2, 3)}


def test_it_only_reads(tmp_path) -> None:
    with pytest.raises(NotAllowed):
        CachedBlobs(Store(), tmp_path).put(b"x")


def test_what_is_not_what_its_digest_says_is_refused_and_not_kept(tmp_path) -> None:
    store = Store(MODEL)
    store.contents[digest_of(MODEL)] = b"another model"
    with pytest.raises(ArtifactRejected, match="not what its digest says"):
        CachedBlobs(store, tmp_path).read(digest_of(MODEL))
    store.contents[digest_of(MODEL)] = MODEL
    assert CachedBlobs(store, tmp_path).read(digest_of(MODEL)) == MODEL
