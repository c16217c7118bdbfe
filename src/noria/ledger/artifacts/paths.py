"""What a path of an artifact may be, and where it lies."""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

from noria.core.errors import RequestInvalid

SCHEME = "mlflow-artifacts"
"""Of addresses that this server keeps itself: `mlflow-artifacts:/EXPERIMENT/RUN/artifacts`."""

PATH_LIMIT = 1_000
"""Characters; a database's index takes no more."""


_DECODED = 3
"""How often a path is decoded in search of what it hides."""


def safe(path: str) -> str:
    """The path as it is kept: without a slash at its end; "" is the root.

    Raises:
        RequestInvalid: it leads elsewhere (`..`, a root, a drive, a URL; also when percent signs in it are decoded), or is too long.
    """
    spelt = path
    for _ in range(_DECODED):
        if _strange(spelt):
            raise RequestInvalid(f"Invalid path: {path[:200]!r}", fix="name a file below the artifacts' root, in at most 1,000 characters")
        spelt = unquote(spelt)
    return path.removesuffix("/")


def _strange(path: str) -> bool:
    parts = path.removesuffix("/").split("/") if path else []
    return (
        len(path) > PATH_LIMIT
        or any(part in ("", ".", "..") or "\\" in part for part in parts)
        or any(ord(character) < 32 for character in path)
        or (bool(parts) and ":" in parts[0])
    )


def file_path(path: str) -> tuple[str, str]:
    """A file's folder and name.

    Raises:
        RequestInvalid: as `safe`, or it is the root.
    """
    folder, _, name = safe(path).rpartition("/")
    if not name or path.endswith("/"):
        raise RequestInvalid(f"Invalid path: {path[:200]!r} names no file")
    return folder, name


def joined(folder: str, path: str) -> str:
    """A path below a folder; the folder itself where the path is ""."""
    return "/".join(part for part in (folder, safe(path)) if part)


def kept_here(uri: str) -> str | None:
    """The path that an address of artifacts names in this server's store; None where it is kept elsewhere.

    >>> kept_here("mlflow-artifacts:/0/a1b2/artifacts")
    '0/a1b2/artifacts'
    """
    parts = urlsplit(uri)
    return parts.path.strip("/") if parts.scheme == SCHEME else None
