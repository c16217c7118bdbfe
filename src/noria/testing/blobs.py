"""What every blob store promises, as a test class to inherit."""

from __future__ import annotations

import time
from abc import abstractmethod
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from noria.core.errors import BlobMissing, RequestInvalid
from noria.core.ids import digest_of
from noria.ports.blobs import CHUNK_BYTES, BlobStore
from noria.ports.incoming import Incoming, take

_LATER = timedelta(hours=1)
"""More than any store rounds its times by, and less than nobody waits for."""


class BlobsContract:
    """Inherit as `class TestMine(BlobsContract)` and say how a store is opened."""

    @abstractmethod
    def open(self, folder: Path) -> BlobStore:
        """A store that keeps what it keeps under `folder`; opened twice, it is the same store."""

    @pytest.fixture
    def blobs(self, tmp_path: Path) -> BlobStore:
        """A fresh, empty store."""
        return self.open(tmp_path / "blobs")

    def test_bytes_come_back_under_their_digest(self, blobs: BlobStore) -> None:
        digest = blobs.put(b"water")
        assert digest == digest_of(b"water")
        assert blobs.read(digest) == b"water"
        assert blobs.path(digest).read_bytes() == b"water"

    def test_empty_content_is_content(self, blobs: BlobStore) -> None:
        assert blobs.read(blobs.put(b"")) == b""

    def test_a_file_is_kept_by_its_bytes_and_left_where_it_was(self, blobs: BlobStore, tmp_path: Path) -> None:
        file = tmp_path / "file"
        file.write_bytes(b"wheel" * 500_000)
        assert blobs.read(blobs.put(file)) == file.read_bytes()

    def test_putting_twice_is_one_put(self, blobs: BlobStore) -> None:
        assert blobs.put(b"water") == blobs.put(b"water")
        assert list(blobs.digests()) == [digest_of(b"water")]

    def test_many_writers_of_the_same_and_of_other_content_agree(self, blobs: BlobStore, tmp_path: Path) -> None:
        other = self.open(tmp_path / "blobs")
        contents = [b"content %d" % (n % 20) for n in range(200)]
        with ThreadPoolExecutor(8) as threads:
            digests = list(threads.map(lambda pair: (blobs, other)[pair[0] % 2].put(pair[1]), enumerate(contents)))
        assert digests == [digest_of(content) for content in contents]
        assert set(blobs.digests()) == set(digests)
        assert all(blobs.read(digest) == content for digest, content in zip(digests, contents, strict=True))

    def test_what_is_there_can_be_asked_and_listed(self, blobs: BlobStore) -> None:
        held = {blobs.put(b"one"), blobs.put(b"two")}
        assert all(blobs.has(digest) for digest in held)
        assert not blobs.has(digest_of(b"three"))
        assert set(blobs.digests()) == held

    def test_what_was_kept_is_there_when_opened_again(self, blobs: BlobStore, tmp_path: Path) -> None:
        digest = blobs.put(b"water")
        assert self.open(tmp_path / "blobs").read(digest) == b"water"

    @pytest.mark.parametrize("digest", [digest_of(b"never put"), "sha256:short", "../../etc/passwd", ""])
    def test_a_digest_that_is_not_there_is_a_missing_blob(self, blobs: BlobStore, digest: str) -> None:
        assert not blobs.has(digest)
        for ask in (blobs.read, blobs.path):
            with pytest.raises(BlobMissing):
                ask(digest)

    def test_content_in_pieces_is_kept_under_its_digest(self, blobs: BlobStore) -> None:
        pieces = [b"wa", b"", b"ter" * 700_000]
        digest, size = take(blobs, pieces)
        assert (digest, size) == (digest_of(b"".join(pieces)), 2_100_002)
        assert blobs.read(digest) == b"".join(pieces)
        assert take(blobs, [b"".join(pieces)]) == (digest, size)
        assert list(blobs.room.iterdir()) == []

    def test_content_in_pieces_that_is_broken_off_or_not_what_was_said_leaves_nothing(self, blobs: BlobStore) -> None:
        with pytest.raises(RequestInvalid, match="came with the digest"):
            take(blobs, [b"water"], expect=digest_of(b"wine"))
        with pytest.raises(InterruptedError), Incoming(blobs) as incoming:
            incoming.write(b"wa")
            raise InterruptedError
        assert list(blobs.digests()) == []
        assert list(blobs.room.iterdir()) == []

    def test_any_range_is_read_in_pieces(self, blobs: BlobStore) -> None:
        content = bytes(range(256)) * 36_000
        digest = blobs.put(content)
        for start, stop in ((0, None), (3, 10), (CHUNK_BYTES - 1, CHUNK_BYTES + 1), (9_215_990, None), (5, 5), (0, 99_000_000)):
            pieces = list(blobs.pieces(digest, start=start, stop=stop))
            assert b"".join(pieces) == content[start:stop]
            assert all(0 < len(piece) <= CHUNK_BYTES for piece in pieces)
        assert list(blobs.pieces(blobs.put(b""))) == []
        with pytest.raises(BlobMissing):
            blobs.pieces(digest_of(b"never put"))

    def test_size_and_age_are_known_without_reading(self, blobs: BlobStore) -> None:
        before = datetime.now(UTC)
        one, two = blobs.put(b"one"), blobs.put(b"three")
        held = {each.digest: each for each in blobs.held()}
        assert {digest: each.size_bytes for digest, each in held.items()} == {one: 3, two: 5}
        assert all(abs(each.put_at - before) < timedelta(minutes=5) for each in held.values())
        assert blobs.about(one) == held[one]
        assert blobs.about(digest_of(b"never put")) is None and blobs.about("no digest") is None

    def test_what_is_old_is_deleted_and_what_is_younger_stays(self, blobs: BlobStore) -> None:
        digest = blobs.put(b"water")
        assert not blobs.delete(digest, before=datetime.now(UTC) - _LATER)
        assert blobs.read(digest) == b"water"
        assert blobs.delete(digest, before=datetime.now(UTC) + _LATER)
        assert not blobs.has(digest) and list(blobs.digests()) == [] and blobs.about(digest) is None
        with pytest.raises(BlobMissing):
            blobs.read(digest)
        assert blobs.delete(digest, before=datetime.now(UTC) + _LATER)
        assert not blobs.renew(digest)
        assert blobs.put(b"water") == digest and blobs.read(digest) == b"water"

    def test_a_put_and_a_renewal_make_it_young(self, blobs: BlobStore) -> None:
        digest = blobs.put(b"water")
        first = blobs.about(digest)
        assert first is not None
        for again in (lambda: blobs.renew(digest), lambda: blobs.put(b"water"), lambda: take(blobs, [b"water"])):
            _wait_until_after(first.put_at)
            assert again()
            now = blobs.about(digest)
            assert now is not None and now.put_at > first.put_at
            first = now
        assert not blobs.delete(digest, before=first.put_at)

    def test_who_puts_while_it_is_deleted_has_it(self, blobs: BlobStore, tmp_path: Path) -> None:
        contents = [b"content %d" % n for n in range(12)]
        digests = [blobs.put(content) for content in contents]
        cutoff = max(held.put_at for held in blobs.held()) + timedelta(microseconds=1)
        _wait_until_after(cutoff)
        other = self.open(tmp_path / "blobs")
        with ThreadPoolExecutor(8) as threads:
            deleting = [threads.submit(other.delete, digest, before=cutoff) for digest in digests for _ in range(2)]
            putting = [threads.submit(blobs.put, content) for content in contents for _ in range(2)]
            assert all(done.result() in (True, False) for done in deleting)
            assert [done.result() for done in putting] == [digest for digest in digests for _ in range(2)]
        assert all(blobs.read(digest) == content for digest, content in zip(digests, contents, strict=True))

    def test_an_address_of_the_stores_own_is_text(self, blobs: BlobStore) -> None:
        assert isinstance(blobs.link(blobs.put(b"water"), timedelta(minutes=5)), str)


def _wait_until_after(moment: datetime) -> None:
    """Let the clock go on, for stores that tell times in whole seconds."""
    while datetime.now(UTC) <= moment:
        time.sleep(0.01)
