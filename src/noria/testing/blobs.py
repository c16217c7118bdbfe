"""What every blob store promises, as a test class to inherit."""

from __future__ import annotations

from abc import abstractmethod
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from noria.core.errors import BlobMissing
from noria.core.ids import digest_of
from noria.ports.blobs import Blobs


class BlobsContract:
    """Inherit as `class TestMine(BlobsContract)` and say how a store is opened."""

    @abstractmethod
    def open(self, folder: Path) -> Blobs:
        """A store that keeps what it keeps under `folder`; opened twice, it is the same store."""

    @pytest.fixture
    def blobs(self, tmp_path: Path) -> Blobs:
        """A fresh, empty store."""
        return self.open(tmp_path / "blobs")

    def test_bytes_come_back_under_their_digest(self, blobs: Blobs) -> None:
        digest = blobs.put(b"water")
        assert digest == digest_of(b"water")
        assert blobs.read(digest) == b"water"
        assert blobs.path(digest).read_bytes() == b"water"

    def test_empty_content_is_content(self, blobs: Blobs) -> None:
        assert blobs.read(blobs.put(b"")) == b""

    def test_a_file_is_kept_by_its_bytes_and_left_where_it_was(self, blobs: Blobs, tmp_path: Path) -> None:
        file = tmp_path / "file"
        file.write_bytes(b"wheel" * 500_000)
        assert blobs.read(blobs.put(file)) == file.read_bytes()

    def test_putting_twice_is_one_put(self, blobs: Blobs) -> None:
        assert blobs.put(b"water") == blobs.put(b"water")
        assert list(blobs.digests()) == [digest_of(b"water")]

    def test_many_writers_of_the_same_and_of_other_content_agree(self, blobs: Blobs, tmp_path: Path) -> None:
        other = self.open(tmp_path / "blobs")
        contents = [b"content %d" % (n % 20) for n in range(200)]
        with ThreadPoolExecutor(8) as threads:
            digests = list(threads.map(lambda pair: (blobs, other)[pair[0] % 2].put(pair[1]), enumerate(contents)))
        assert digests == [digest_of(content) for content in contents]
        assert set(blobs.digests()) == set(digests)
        assert all(blobs.read(digest) == content for digest, content in zip(digests, contents, strict=True))

    def test_what_is_there_can_be_asked_and_listed(self, blobs: Blobs) -> None:
        held = {blobs.put(b"one"), blobs.put(b"two")}
        assert all(blobs.has(digest) for digest in held)
        assert not blobs.has(digest_of(b"three"))
        assert set(blobs.digests()) == held

    def test_what_was_kept_is_there_when_opened_again(self, blobs: Blobs, tmp_path: Path) -> None:
        digest = blobs.put(b"water")
        assert self.open(tmp_path / "blobs").read(digest) == b"water"

    @pytest.mark.parametrize("digest", [digest_of(b"never put"), "sha256:short", "../../etc/passwd", ""])
    def test_a_digest_that_is_not_there_is_a_missing_blob(self, blobs: Blobs, digest: str) -> None:
        assert not blobs.has(digest)
        for ask in (blobs.read, blobs.path):
            with pytest.raises(BlobMissing):
                ask(digest)
