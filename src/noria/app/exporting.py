"""Takes one version out of a home as a folder that answers by itself: no control plane, no records, no network."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from noria import __version__
from noria.adapters.files import Files
from noria.adapters.lmdb import Lmdb
from noria.app.kubernetes import KEDA, MANIFEST, Cluster, manifests
from noria.app.prediction import families
from noria.app.settings import FILE, Settings
from noria.core.access import Doors
from noria.core.errors import NotAllowed, NotFound
from noria.core.graphs import members
from noria.core.state import LoopState
from noria.core.traffic import Plan, Route, ServedVersion
from noria.loop.keys import doors_of
from noria.loop.planning import CHAMPION, as_champion
from noria.loop.world import World
from noria.packaging import package
from noria.packaging.footprint import footprint_bytes
from noria.ports import wire
from noria.stages.registry import aliases, versions
from noria.stages.serving.plans import doors_file, publish, publish_doors

CARD = "export.json"

_UNNEEDED = frozenset({"skl2onnx", "onnxmltools"})
"""Libraries that wrote a package and that serving it does not load."""

_SYSTEM = {"lightgbm": "libgomp1", "xgboost": "libgomp1", "xgboost-cpu": "libgomp1", "scikit-learn": "libgomp1"}
"""Library to what a slim image of Debian lacks for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """What a folder holds.

    Attributes:
        online_rows: Values of feature views that were copied, as they were then; they do not become newer there.
        keys: How many keys open it; None where it asks for none.
        size_bytes: Of all files.
    """

    deployment: str
    version: int
    folder: str
    size_bytes: int
    online_rows: int
    keys: int | None
    libraries: Sequence[str]


def export(
    world: World,
    settings: Settings,
    wanted: str,
    folder: Path,
    *,
    by: str,
    cluster: Cluster | None = None,
    told: Callable[[str], None] = lambda said: None,
) -> Exported:
    """Write the folder; it is there as a whole, or not at all.

    Args:
        wanted: NAME, NAME@ALIAS or NAME@VERSION; the champion when only named.
        cluster: Write the objects of a Kubernetes cluster beside it.
        told: Hears what is being done.

    Raises:
        NotFound: there is no such deployment, alias or version, or a blob of it is missing.
        NotAllowed: the folder is there and not empty.
    """
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise NotAllowed(f"{folder} is there already", fix="name a new folder; an export overwrites nothing")
    name, _, which = wanted.partition("@")
    version = _version(world, name, which or CHAMPION)
    whole = {name: version, **_members(world, version)}
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as made:
        into = Path(made) / "export"
        told("copying the model")
        for one in whole.values():
            _put_blobs(world, one, into)
        told("copying features")
        rows = sum(_online(world, one, into) for one in whole.values())
        routes = {one: Route(deployment=one, champion=its) for one, its in whole.items()}
        publish(Plan(revision=1, routes=routes), into / "plan" / "plan.json")
        doors = {one: keys for one, keys in doors_of(world).deployments.items() if one in whole}
        admitted = doors.get(name)
        if doors:
            publish_doors(Doors(deployments=doors), doors_file(into / "plan" / "plan.json"))
        kept = replace(
            settings,
            home=".",
            records="sqlite",
            blobs="files",
            clock="system",
            deployment=name,
            page_url="",
            otlp="",
            tls_cert="",
            tls_key="",
        )
        (into / FILE).write_bytes(wire.dump(kept))
        libraries = tuple(sorted({library for one in whole.values() for library in _libraries(world, one)}))
        _put_texts(into, name, version, libraries)
        if cluster is not None:
            memory = sum(footprint_bytes(one.artifact, blobs=world.blobs) for one in whole.values())
            for file, content in manifests(name, cluster, memory_bytes=memory).items():
                (into / file).write_text(content)
        exported = Exported(
            deployment=name,
            version=version.number,
            folder=str(folder),
            size_bytes=sum(file.stat().st_size for file in into.rglob("*") if file.is_file()),
            online_rows=rows,
            keys=None if admitted is None else len(admitted),
            libraries=libraries,
        )
        (into / CARD).write_text(json.dumps(wire.plain(replace(exported, folder=".")), indent=2))
        if folder.exists():
            folder.rmdir()
        into.rename(folder)
    event = world.ledger.event(
        "version.exported", loop=name, subject=f"{name}@{version.number}", by=by, reasons=(f"to {folder}, {exported.size_bytes:,} bytes",)
    )
    world.ledger.write(event)
    return exported


def _version(world: World, name: str, which: str) -> ServedVersion:
    if which.removeprefix("v").isdecimal():
        number: int | None = int(which.removeprefix("v"))
    else:
        number = aliases.current(world.records, name, which)
    if number is None:
        known = [str(one.number) for one in versions.versions(world.records, name)]
        if not known:
            raise NotFound(f"there is no version of {name[:100]!r}", fix="`noria status` lists loops and deployments")
        raise NotFound(f"{name} has no {which!r}; its versions are {', '.join(known[-20:])}", fix=f"noria export {name}@{known[-1]} FOLDER")
    found = as_champion(world, versions.get(world.records, name, number))
    state = world.documents.get(LoopState, name)
    return replace(found, isolated=bool(state is not None and state.isolated))


def _members(world: World, version: ServedVersion) -> dict[str, ServedVersion]:
    """The champions that a graph asks, and those that they ask; none of a model's version."""
    found: dict[str, ServedVersion] = {}
    for member in members(version.graph.graph) if version.graph else ():
        found[member] = _version(world, member, CHAMPION)
        found |= _members(world, found[member])
    return found


def _put_blobs(world: World, version: ServedVersion, into: Path) -> None:
    store = Files(into / "blobs")
    family = families(world.blobs)(version.family).members.values() if version.family else ()
    artifacts = (version.artifact, *family)
    held = [digest for artifact in artifacts for digest in package.manifest(artifact, blobs=world.blobs).files.values()]
    for digest in dict.fromkeys(one for one in (*artifacts, *held, version.code, version.background, version.family) if one):
        if store.put(world.blobs.path(digest)) != digest:
            raise NotFound(f"blob {digest} does not hold what its name says", fix="`noria doctor` compares records and blobs")


def _online(world: World, version: ServedVersion, into: Path) -> int:
    """Copy what the version's feature views hold now; returns how many values."""
    if not version.code:
        return 0
    store = world.home / "online.lmdb"
    prefix = f"{version.loop}/{version.code.removeprefix('sha256:')[:12]}/"
    return Lmdb(store).copy(prefix, into / "online.lmdb") if store.exists() else 0


def _libraries(world: World, version: ServedVersion) -> tuple[str, ...]:
    written = package.manifest(version.artifact, blobs=world.blobs).libraries
    return tuple(f"{name}=={number}" for name, number in sorted(written.items()) if name not in _UNNEEDED)


def _put_texts(into: Path, name: str, version: ServedVersion, libraries: Sequence[str]) -> None:
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    system = sorted({_SYSTEM[one.partition("==")[0]] for one in libraries if one.partition("==")[0] in _SYSTEM})
    installed = f"RUN apt-get update && apt-get install -y --no-install-recommends {' '.join(system)} && rm -rf /var/lib/apt/lists/*\n"
    (into / "requirements.txt").write_text("\n".join((f"noria=={__version__}", *libraries)) + "\n")
    (into / "Dockerfile").write_text(
        _DOCKERFILE.format(name=name, number=version.number, python=python, system=installed if system else "")
    )
    (into / ".dockerignore").write_text(f"journal\nlog\nrun\ndataplane\ntoken\n{MANIFEST}\n{KEDA}\n")
    entry = into / "serve"
    entry.write_text(_ENTRY)
    entry.chmod(0o755)


_DOCKERFILE = """\
# {name} v{number}. Build with `docker build -t {name} .`; it runs on SageMaker and Vertex AI as it is.
# The code of feature views may import more than requirements.txt names: add it there.
FROM python:{python}-slim
{system}WORKDIR /opt/noria
COPY requirements.txt .
RUN pip install --no-cache-dir -r requirements.txt
COPY . .
RUN ln -s /opt/noria/serve /usr/local/bin/serve
EXPOSE 8080
CMD ["serve"]
"""

_ENTRY = """\
#!/bin/sh
# Answers under Vertex AI's contract where its variables are set, else under SageMaker's: /invocations and /ping on port 8080.
here=$(dirname "$(readlink -f "$0")")
if [ -z "$AIP_HTTP_PORT$AIP_PREDICT_ROUTE$AIP_HEALTH_ROUTE" ]; then
    export SAGEMAKER_BIND_TO_PORT="${SAGEMAKER_BIND_TO_PORT:-8080}"
fi
exec "${PYTHON:-python}" -m noria.dataplane "$here"
"""
