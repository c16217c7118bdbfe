"""Which store a home has is said by its settings, and what is wrong with them is said at once."""

from __future__ import annotations

import sys

import pytest

from noria.app.settings import Settings
from noria.app.storing import open_blobs
from noria.core.errors import SettingsInvalid


def test_a_home_keeps_its_blobs_in_a_folder_until_it_is_told_otherwise(tmp_path):
    blobs = open_blobs(Settings(home=str(tmp_path)))
    assert blobs.path(blobs.put(b"water")).is_relative_to(tmp_path / "blobs")


def test_a_missing_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "noria.adapters.s3", None)
    with pytest.raises(SettingsInvalid) as refused:
        open_blobs(Settings(home=str(tmp_path), blobs="s3://bucket/prefix"))
    assert refused.value.fix == 'pip install "noria[s3]"'


def test_a_store_on_s3_is_asked_nothing_until_it_is_needed(tmp_path):
    pytest.importorskip("obstore", reason="obstore is missing: pip install 'noria[s3]'")
    settings = Settings(home=str(tmp_path), blobs="s3://bucket/prefix", blobs_endpoint="http://127.0.0.1:9")
    assert open_blobs(settings).room.is_relative_to(tmp_path / "blobs-cache")


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"blobs": "gs://bucket"}, "blobs is 'gs://bucket'"),
        ({"blobs": "s3://"}, "blobs is 's3://'"),
        ({"blobs_endpoint": "minio:9000"}, "blobs_endpoint is"),
        ({"blobs_cache": "much"}, "blobs_cache: 'much'"),
    ],
)
def test_what_is_wrong_is_said_by_its_name(tmp_path, wrong, named):
    with pytest.raises(SettingsInvalid, match=named):
        Settings(home=str(tmp_path), **wrong)
