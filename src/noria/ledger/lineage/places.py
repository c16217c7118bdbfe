"""Where a dataset is read from, as OpenLineage names places, and whether a table of another system is that place."""

from __future__ import annotations

from fnmatch import fnmatchcase
from pathlib import PurePosixPath
from urllib.parse import urlsplit


def place_of(source: str) -> tuple[str, str]:
    """Namespace and name of a dataset's source.

    >>> place_of("/data/flights/*.parquet")
    ('file', '/data/flights/*.parquet')
    >>> place_of("s3://lake/flights/2013.parquet")
    ('s3://lake', 'flights/2013.parquet')
    """
    parts = urlsplit(source)
    if not parts.scheme or parts.scheme == "file":
        return "file", parts.path or source
    return f"{parts.scheme}://{parts.netloc}", parts.path.lstrip("/")


def is_place(namespace: str, name: str, source: str) -> bool:
    """Whether a table is what a dataset is read from: the same place, a file that its pattern takes, or its folder.

    >>> is_place("file", "/data/flights/2013.parquet", "/data/flights/*.parquet")
    True
    >>> is_place("file", "/data/flights", "/data/flights/*.parquet")
    True
    >>> is_place("file", "/data/weather.parquet", "/data/flights/*.parquet")
    False
    """
    own_namespace, own = place_of(source)
    if _plain(namespace) != _plain(own_namespace):
        return False
    given, wanted = name.rstrip("/"), own.rstrip("/")
    return (
        given == wanted
        or fnmatchcase(given, wanted)
        or PurePosixPath(wanted).parent == PurePosixPath(given)
        or given.startswith(f"{wanted}/")
    )


def _plain(namespace: str) -> str:
    """`file`, `file:` and `file://host` are all this machine's files; S3 has two schemes."""
    low = namespace.rstrip("/")
    return "file" if low.split(":")[0] == "file" else low.replace("s3a://", "s3://").replace("s3n://", "s3://")
