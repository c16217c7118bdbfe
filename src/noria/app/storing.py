"""Which blob store a process opens: a folder of the home, or a bucket."""

from __future__ import annotations

from noria.adapters.files import Files
from noria.app.settings import Settings
from noria.core.errors import SettingsInvalid
from noria.core.sizes import size_bytes
from noria.ports.blobs import BlobStore


def open_blobs(settings: Settings) -> BlobStore:
    """The store that the settings name; nothing is asked of it yet.

    Raises:
        SettingsInvalid: the extra is not installed.
    """
    if settings.blobs == "files":
        return Files(settings.folder / "blobs")
    try:
        from noria.adapters.s3 import S3
    except ImportError as error:
        raise SettingsInvalid("blobs are on S3, but its client is missing", fix='pip install "noria[s3]"') from error
    return S3(
        settings.blobs,
        endpoint=settings.blobs_endpoint,
        region=settings.blobs_region,
        cache=settings.folder / "blobs-cache",
        cache_bytes=size_bytes(settings.blobs_cache),
    )
