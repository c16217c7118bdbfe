"""The blob stores keep the promises of `noria.ports.blobs`."""

from pathlib import Path

import pytest

from noria.adapters.files import Files
from noria.core.errors import BlobMissing
from noria.testing.blobs import BlobsContract


class TestFiles(BlobsContract):
    def open(self, folder: Path) -> Files:
        return Files(folder)

    def test_damaged_bytes_are_never_handed_out(self, tmp_path):
        blobs = Files(tmp_path)
        digest = blobs.put(b"water")
        place = blobs.path(digest)
        place.chmod(0o644)
        place.write_bytes(b"wine!")
        with pytest.raises(BlobMissing, match="does not hold what its name says"):
            blobs.read(digest)

    def test_a_torn_file_is_mended_by_the_next_put(self, tmp_path):
        blobs = Files(tmp_path)
        digest = blobs.put(b"water")
        blobs.path(digest).chmod(0o644)
        blobs.path(digest).write_bytes(b"wa")
        blobs.put(b"water")
        assert blobs.read(digest) == b"water"

    def test_files_fan_out_over_two_levels_and_leave_nothing_behind(self, tmp_path):
        blobs = Files(tmp_path)
        name = blobs.put(b"water").removeprefix("sha256:")
        assert [str(f.relative_to(tmp_path)) for f in tmp_path.rglob("*") if f.is_file()] == [f"{name[:2]}/{name[2:4]}/{name}"]


class TestS3(BlobsContract):
    @pytest.fixture(autouse=True)
    def _endpoint(self, s3):
        self.s3 = s3

    def open(self, folder: Path):
        from noria.adapters.s3 import S3

        return S3(self.s3.bucket(folder), cache=folder / "cache", cache_bytes=10_000, endpoint=self.s3.endpoint)
