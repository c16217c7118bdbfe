"""Blobs in a bucket of S3, or of a store that speaks as it does."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from hashlib import file_digest
from pathlib import Path
from secrets import token_hex
from typing import Any
from urllib.parse import urlsplit

import obstore
from obstore.exceptions import BaseError
from obstore.store import S3Store

from noria.adapters.s3.cache import Cache
from noria.core.errors import BlobMissing, SettingsInvalid, Unavailable
from noria.core.ids import digest_of
from noria.ports.blobs import CHUNK_BYTES, Held

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_PART_BYTES = 8 << 20
_MOST_PARTS = 9_000
_AT_ONCE = 4
_SMALL_BYTES = 4 << 20
"""What is read whole is also kept locally up to this size."""

_RETRY: Any = {"max_retries": 5, "retry_timeout": timedelta(seconds=60)}

_TICK = timedelta(seconds=1)
"""The store tells times in whole seconds: a put may be this much younger than it says."""

_STALE_DOOM = timedelta(days=1)
"""A note of a collector that is older was left by one that died."""


class S3:
    """`BlobStore` under a prefix of a bucket; any number of processes and machines may share it.

    A blob is `sha256/HEX/0`. Bytes cannot be touched there, so a renewal is an empty object `renewed/HEX`. There is no lock
    either: whoever deletes first leaves a note `doomed/HEX/…`, then looks at the age again; whoever renews looks for such
    notes after renewing, and when there is one keeps the content under another name, `sha256/HEX/RANDOM`, which that
    collector does not know. So one of the two always sees the other (S3 reads what was written, since 2020).

    Args:
        url: `s3://BUCKET/PREFIX`.
        endpoint: Base URL of the store; AWS's own when "".
        region: Of the bucket; `AWS_REGION` or us-east-1 when "".
        cache: Folder for local copies.
        cache_bytes: What they may take, but for those in use.

    Credentials are read as AWS's tools read them: `AWS_ACCESS_KEY_ID` and its kin, a container's or an instance's role.

    Raises:
        SettingsInvalid: the address has no bucket.
    """

    def __init__(self, url: str, *, cache: Path, cache_bytes: int, endpoint: str = "", region: str = "") -> None:
        self.url = url
        self._store = _open(url, endpoint, region)
        self._cache = Cache(cache, limit_bytes=cache_bytes)

    @property
    def room(self) -> Path:
        """Beside the local copies, so that what is adopted is one."""
        return self._cache.room

    def put(self, content: bytes | Path) -> str:
        """Keep bytes, or the bytes of a file, and return their digest. Durable on return."""
        if isinstance(content, Path):
            with content.open("rb") as file:
                digest = f"sha256:{file_digest(file, 'sha256').hexdigest()}"
        else:
            digest = digest_of(content)
        self._keep(digest, content)
        return digest

    def adopt(self, file: Path, digest: str) -> None:
        """Keep a file of `room`; it stays as the local copy."""
        self._keep(digest, file)
        self._cache.take(_name(digest), file)

    def path(self, digest: str) -> Path:
        """A local copy, fetched and verified when there is none."""
        name = _name(digest)
        return self._cache.find(name) or self._cache.fill(name, self.pieces(digest))

    def read(self, digest: str) -> bytes:
        """The content, verified against its digest."""
        name = _name(digest)
        copy = self._cache.find(name)
        content = copy.read_bytes() if copy is not None else b"".join(self.pieces(digest))
        if digest_of(content) != digest:
            self._cache.forget(name)
            raise BlobMissing(f"blob {digest} in {self.url} does not hold what its name says", fix="restore it from a copy")
        if copy is None and len(content) <= _SMALL_BYTES:
            self._cache.fill(name, [content])
        return content

    def has(self, digest: str) -> bool:
        """Whether it is there."""
        return _DIGEST.fullmatch(digest) is not None and bool(self._generations(_name(digest)))

    def digests(self) -> Iterator[str]:
        """All digests, in no order."""
        seen: set[str] = set()
        for meta in self._listed("sha256"):
            digest = f"sha256:{meta['path'].split('/')[1]}"
            if digest not in seen:
                seen.add(digest)
                yield digest

    def pieces(self, digest: str, *, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        """Bytes `start` to `stop`, asked of the store in parts, from the local copy where there is one."""
        found = self._generations(_name(digest))
        if not found:
            raise BlobMissing(f"blob {digest} is not in {self.url}")
        size = int(found[0]["size"])
        return self._read(found[0]["path"], start, size if stop is None else min(stop, size))

    def link(self, digest: str, lasts: timedelta) -> str:
        """A signed address of the store's own."""
        found = self._generations(_name(digest))
        return str(obstore.sign(self._store, "GET", found[0]["path"], lasts)) if found else ""

    def about(self, digest: str) -> Held | None:
        """What is known of a blob."""
        if _DIGEST.fullmatch(digest) is None:
            return None
        found = self._generations(_name(digest))
        return self._held(digest, [*found, *self._listed("renewed", _name(digest))]) if found else None

    def held(self) -> Iterator[Held]:
        """All blobs, in no order."""
        renewed = {meta["path"].split("/")[1]: meta for meta in self._listed("renewed")}
        together: dict[str, list[Any]] = {}
        for meta in self._listed("sha256"):
            together.setdefault(meta["path"].split("/")[1], []).append(meta)
        for name, found in together.items():
            yield self._held(f"sha256:{name}", [*found, *([renewed[name]] if name in renewed else [])])

    def renew(self, digest: str) -> bool:
        """Make it as young as if it were put now; where a collector is at it, under another name."""
        if _DIGEST.fullmatch(digest) is None or not self._generations(_name(digest)):
            return False
        if self._renewed(_name(digest)):
            return True
        try:
            self._upload(f"sha256/{_name(digest)}/{token_hex(4)}", self.path(digest))
        except BlobMissing:
            return False
        return True

    def delete(self, digest: str, *, before: datetime) -> bool:
        """Delete a blob that was neither put nor renewed since `before`."""
        name = _name(digest)
        found = self._generations(name)
        if found and self._age(digest, found) >= before:
            return False
        note = f"doomed/{name}/{token_hex(8)}"
        self._upload(note, b"")
        try:
            if found and self._age(digest, self._generations(name) or found) >= before:
                return False
            with self._asked():
                obstore.delete(self._store, [*(meta["path"] for meta in found), f"renewed/{name}/0"])
        finally:
            with self._asked():
                obstore.delete(self._store, [note, *self._stale_notes(name)])
        self._cache.forget(name)
        return True

    def _keep(self, digest: str, content: bytes | Path) -> None:
        name = _name(digest)
        if self._generations(name) and self._renewed(name):
            return
        fresh = not self._generations(name)
        self._upload(f"sha256/{name}/{'0' if fresh else token_hex(4)}", content)
        if fresh and self._doomed(name):
            self._upload(f"sha256/{name}/{token_hex(4)}", content)

    def _renewed(self, name: str) -> bool:
        """Renew; whether the content is sure to stay: no collector is at it, and none has just been."""
        self._upload(f"renewed/{name}/0", b"")
        return not self._doomed(name) and bool(self._generations(name))

    def _doomed(self, name: str) -> bool:
        since = datetime.now(UTC) - _STALE_DOOM
        return any(meta["last_modified"] > since for meta in self._listed("doomed", name))

    def _stale_notes(self, name: str) -> list[str]:
        since = datetime.now(UTC) - _STALE_DOOM
        return [str(meta["path"]) for meta in self._listed("doomed", name) if meta["last_modified"] <= since]

    def _age(self, digest: str, found: list[Any]) -> datetime:
        return self._held(digest, [*found, *self._listed("renewed", _name(digest))]).put_at

    def _held(self, digest: str, found: list[Any]) -> Held:
        """Of objects whose first is the content."""
        return Held(digest=digest, size_bytes=int(found[0]["size"]), put_at=max(meta["last_modified"] for meta in found) + _TICK)

    def _generations(self, name: str) -> list[Any]:
        return sorted(self._listed("sha256", name), key=lambda meta: str(meta["path"]))

    def _listed(self, *place: str) -> list[Any]:
        with self._asked():
            return [meta for metas in obstore.list(self._store, prefix="/".join(place)) for meta in metas]

    def _read(self, key: str, start: int, stop: int) -> Iterator[bytes]:
        for at in range(start, stop, _PART_BYTES):
            with self._asked():
                part = memoryview(obstore.get_range(self._store, key, start=at, end=min(at + _PART_BYTES, stop)))
            for within in range(0, len(part), CHUNK_BYTES):
                yield bytes(part[within : within + CHUNK_BYTES])

    def _upload(self, key: str, content: bytes | Path) -> None:
        size = content.stat().st_size if isinstance(content, Path) else len(content)
        part = max(_PART_BYTES, size // _MOST_PARTS + 1)
        with self._asked():
            obstore.put(self._store, key, content, use_multipart=size > part, chunk_size=part, max_concurrency=_AT_ONCE)

    @contextmanager
    def _asked(self) -> Iterator[None]:
        """Say what the store says in errors of ours."""
        try:
            yield
        except (BaseError, OSError) as error:
            if isinstance(error, FileNotFoundError) and "NoSuchBucket" not in str(error):
                raise BlobMissing(f"{self.url} does not have it: {_short(error)}") from error
            raise Unavailable(
                f"the blob store {self.url} does not answer: {_short(error)}",
                fix="check blobs, blobs_endpoint, blobs_region and credentials",
            ) from error


def _open(url: str, endpoint: str, region: str) -> S3Store:
    parts = urlsplit(url)
    if parts.scheme != "s3" or not parts.netloc:
        raise SettingsInvalid(f"blobs is {url!r}", fix="write 'files' or s3://BUCKET/PREFIX")
    config: Any = {name: value for name, value in (("endpoint", endpoint), ("region", region)) if value}
    return S3Store(
        parts.netloc,
        prefix=parts.path.strip("/") or None,
        client_options={"allow_http": True, "connect_timeout": "5s", "timeout": "120s"},
        retry_config=_RETRY,
        **config,
    )


def _name(digest: str) -> str:
    if _DIGEST.fullmatch(digest) is None:
        raise BlobMissing(f"{digest[:100]!r} is not a digest")
    return digest.removeprefix("sha256:")


def _short(error: Exception) -> str:
    """What the store said, by its own code (`NoSuchBucket`, `AccessDenied` …) where it gave one."""
    code = re.search(r"<Code>(\w+)</Code>", str(error))
    return code[1] if code else str(error).partition("\n")[0][:300]
