"""A plan of many routes as an index over small files, so that changing one route writes and reads little.

Up to `INLINE` routes are in the plan's own file. Beyond that the file is an index: routes lie in shards by
a hash of their name, each shard a file named by its own digest. A shard never changes, so the index is the
only file that is replaced, and whoever reads it sees one plan as a whole. A signature that many versions
share is in a shard once, and in memory once.
"""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from hashlib import blake2b
from pathlib import Path

from noria.core.errors import DataInvalid
from noria.core.ids import digest_of
from noria.core.schema import Signature, Task
from noria.core.traffic import Plan, Route, ServedVersion
from noria.ports import wire
from noria.stages.serving.whole_files import write_whole

INLINE = 64
"""Routes that stay in the plan's own file."""

PER_SHARD = 64
"""Routes of a shard, about: 16, 256 or 4,096 shards, whichever comes near."""

WIDEST = 3
"""Hex digits that shards are told apart by, at most."""

READINGS = 5
"""How often a plan is read, at most, whose shards are swept away meanwhile."""

_NONE = Signature(inputs=(), features=(), task=Task.REGRESSION)


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """What the plan's own file holds.

    Attributes:
        routes: All of them, where they are few.
        shards: Beginning of the hash of a name to the digest of the shard with these names.
        width: Hex digits of those beginnings; 0 where the routes are here.
        count: Routes in all.
    """

    revision: int
    routes: Mapping[str, Route] = field(default_factory=dict)
    shards: Mapping[str, str] = field(default_factory=dict)
    width: int = 0
    count: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Shard:
    """Some routes, their versions without signatures, and the signatures.

    Attributes:
        signed: Route to the field of each of its versions to the digest of the version's signature.
        signatures: Digest to signature.
    """

    routes: Mapping[str, Route]
    signed: Mapping[str, Mapping[str, str]]
    signatures: Mapping[str, Signature]


def write(plan: Plan, file: Path) -> None:
    """Replace the plan in `file` as a whole."""
    if len(plan.routes) <= INLINE:
        _point(Index(revision=plan.revision, routes=plan.routes, count=len(plan.routes)), file)
        return
    width = next(width for width in range(1, WIDEST + 1) if len(plan.routes) <= 16**width * PER_SHARD or width == WIDEST)
    parts: dict[str, dict[str, Route]] = defaultdict(dict)
    for name, route in plan.routes.items():
        parts[_place(name, width)][name] = route
    shards = {place: _keep(_packed(routes), file) for place, routes in parts.items()}
    _point(Index(revision=plan.revision, shards=shards, width=width, count=len(plan.routes)), file)


def amend(file: Path, changes: Mapping[str, Route | None]) -> int:
    """Replace, add and take away (None) some routes; only their shards are read and written. The new revision.

    For one process at a time: whoever amends holds the plan's lock.
    """
    index = read_index(file) or Index(revision=0)
    if not index.width:
        routes = {name: route for name, route in {**index.routes, **changes}.items() if route is not None}
        write(Plan(revision=index.revision + 1, routes=routes), file)
        return index.revision + 1
    shards, count = dict(index.shards), index.count
    touched: dict[str, dict[str, Route | None]] = defaultdict(dict)
    for name, route in changes.items():
        touched[_place(name, index.width)][name] = route
    for place, some in touched.items():
        before = unpacked(_load(shards[place], file), {}) if place in shards else {}
        after = {name: route for name, route in {**before, **some}.items() if route is not None}
        count += len(after) - len(before)
        shards[place] = _keep(_packed(after), file)
    revision = index.revision + 1
    if INLINE // 2 < count <= 2 * PER_SHARD * 16**index.width or (index.width == WIDEST and count > INLINE):
        _point(replace(index, revision=revision, shards=shards, count=count), file)
    else:
        known: dict[str, Signature] = {}
        routes = {name: route for digest in shards.values() for name, route in unpacked(_load(digest, file), known).items()}
        write(Plan(revision=revision, routes=routes), file)
    return revision


def read_index(file: Path) -> Index | None:
    """What the plan's own file holds; None when no plan was published yet.

    Raises:
        DataInvalid: it holds something else.
    """
    try:
        return wire.load(file.read_bytes(), Index)
    except FileNotFoundError:
        return None


def routes_of(file: Path, index: Index, names: set[str]) -> dict[str, Route]:
    """The routes of some names, of those that have one."""
    if not index.width:
        return {name: index.routes[name] for name in names if name in index.routes}
    found: dict[str, Route] = {}
    for place in {_place(name, index.width) for name in names} & set(index.shards):
        held = unpacked(_load(index.shards[place], file), {})
        found |= {name: route for name, route in held.items() if name in names}
    return found


class PlanReader:
    """Reads the plan in a file again and again: shards that stayed are not read, and their routes are the same objects.

    For one thread at a time.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._content = b""
        self._plan: Plan | None = None
        self._shards: dict[str, dict[str, Route]] = {}
        self._signatures: dict[str, Signature] = {}

    def read(self) -> Plan | None:
        """The plan, or None when none was published yet.

        Raises:
            DataInvalid: the file holds something else.
            FileNotFoundError: a shard is not there, however often one looks.
        """
        for _ in range(READINGS - 1):
            with contextlib.suppress(_Swept):
                return self._read()
        return self._read()

    def keep(self, to: Path) -> None:
        """Copy the plan that was read last to another file, with those of its shards that are not there yet.

        Raises:
            FileNotFoundError: a shard is not in its place any more.
        """
        index = wire.load(self._content, Index)
        for digest in index.shards.values():
            if not _file_of(digest, to).exists():
                write_whole(_file_of(digest, to), _file_of(digest, self._file).read_bytes())
        write_whole(to, self._content)
        _sweep(index, to)

    def _read(self) -> Plan | None:
        try:
            content = self._file.read_bytes()
        except FileNotFoundError:
            return None
        if content == self._content:
            return self._plan
        index = wire.load(content, Index)
        shards = {}
        for digest in index.shards.values():
            known = self._shards.get(digest)
            shards[digest] = known if known is not None else unpacked(_load(digest, self._file), self._signatures)
        routes: dict[str, Route] = dict(index.routes)
        for some in shards.values():
            routes |= some
        self._shards, self._content = shards, content
        self._plan = Plan(revision=index.revision, routes=routes)
        return self._plan


class _Swept(FileNotFoundError):
    """A shard was swept away between reading the index and reading the shard."""


def _place(name: str, width: int) -> str:
    return blake2b(name.encode("utf-8", "surrogatepass"), digest_size=4).hexdigest()[:width]


def _packed(routes: Mapping[str, Route]) -> Shard:
    signatures: dict[Signature, str] = {}
    signed: dict[str, dict[str, str]] = {}
    bare: dict[str, Route] = {}
    for name, route in routes.items():
        versions = {one.name: getattr(route, one.name) for one in fields(Route) if isinstance(getattr(route, one.name), ServedVersion)}
        for version in versions.values():
            if version.signature not in signatures:
                signatures[version.signature] = digest_of(wire.dump(version.signature))
        signed[name] = {place: signatures[version.signature] for place, version in versions.items()}
        bare[name] = replace(route, **{place: replace(version, signature=_NONE) for place, version in versions.items()})
    return Shard(routes=bare, signed=signed, signatures={digest: signature for signature, digest in signatures.items()})


def unpacked(shard: Shard, known: dict[str, Signature]) -> dict[str, Route]:
    """The routes of a shard, whole; signatures that are `known` are used again, others become known."""
    for digest, signature in shard.signatures.items():
        known.setdefault(digest, signature)
    whole = {}
    for name, route in shard.routes.items():
        signed = {place: replace(getattr(route, place), signature=known[digest]) for place, digest in shard.signed[name].items()}
        whole[name] = replace(route, **signed)
    return whole


def _file_of(digest: str, file: Path) -> Path:
    return file.parent / "routes" / f"{digest.removeprefix('sha256:')}.json"


def _keep(shard: Shard, file: Path) -> str:
    content = wire.dump(shard)
    digest = digest_of(content)
    if not _file_of(digest, file).exists():
        write_whole(_file_of(digest, file), content)
    return digest


def _load(digest: str, file: Path) -> Shard:
    try:
        content = _file_of(digest, file).read_bytes()
    except FileNotFoundError as error:
        raise _Swept(*error.args) from error
    if digest_of(content) != digest:
        raise DataInvalid(
            f"the plan's shard {digest} does not hold what its name says", fix="the control plane writes it again: restart it"
        )
    return wire.load(content, Shard)


def _point(index: Index, file: Path) -> None:
    write_whole(file, wire.dump(index))
    _sweep(index, file)


def _sweep(index: Index, file: Path) -> None:
    """Remove shards that the plan does not name any more; a reader who wanted one begins again."""
    named = {_file_of(digest, file).name for digest in index.shards.values()}
    for shard in _file_of("", file).parent.glob("[0-9a-f]*.json"):
        if shard.name not in named:
            shard.unlink(missing_ok=True)
