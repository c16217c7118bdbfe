"""Models that MLflow's clients logged here, fetched for a deployment: `models:/churn@champion`, `runs:/ID/model`, `models:/m-ID`."""

from __future__ import annotations

import posixpath
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from noria import __version__
from noria.core.errors import NotFound, RequestInvalid
from noria.core.moments import to_ms
from noria.core.rights import DEFAULT_PROJECT
from noria.ledger.artifacts import index as artifacts
from noria.ledger.artifacts.paths import kept_here
from noria.ledger.models import reading
from noria.ledger.models.origins import KnownOrigins
from noria.ledger.models.sources import MODELS, RUNS, is_logged
from noria.ledger.models.values import Keeper, Who
from noria.ledger.models.versions import Versions
from noria.loop.mirrored import Mirror
from noria.loop.world import World

LOGGED = re.compile(rf"({MODELS}|{RUNS}):/.+")
_DESCRIPTION = "MLmodel"


@dataclass(frozen=True, slots=True, kw_only=True)
class Logged:
    """A model that was logged here.

    Attributes:
        location: The address of its files.
        origin: What it is called from now on: the version by its number, and the run that it came from.
        model, number: The registered version, where one was named.
        own: Whether that is a version of a loop or a deployment, which needs no fetching.
    """

    location: str
    origin: str
    model: str = ""
    number: int = 0
    own: bool = False


def find(world: World, uri: str) -> Logged:
    """What an address of MLflow's names.

    Raises:
        NotFound: there is no such model, version, alias or run.
    """
    assert world.store is not None
    Mirror(world, lambda *_, **__: None, noria=__version__).refresh()
    versions = Versions(world.store, world.ledger)
    origins = KnownOrigins(world.store, versions, DEFAULT_PROJECT)
    scheme, _, rest = uri.partition(":")
    named = rest.strip("/")
    if scheme == RUNS:
        return _of_run(world, origins, named)
    if is_logged(uri):
        root = origins.model(named)
        if root is None:
            raise NotFound(f"there is no logged model {named[:100]!r} here", fix="`mlflow.search_logged_models()` lists them")
        return Logged(location=root.location, origin=_said(f"models:/{named}", root.run))
    found = versions.named(DEFAULT_PROJECT, named)
    keeper = reading.model(world.store.read, DEFAULT_PROJECT, found.name).keeper
    return Logged(
        location=found.location,
        origin=_said(f"models:/{found.name}/{found.number}", found.run),
        model=found.name,
        number=found.number,
        own=keeper is not Keeper.CLIENTS,
    )


@contextmanager
def fetched(world: World, found: Logged) -> Iterator[Path]:
    """Its files in a folder, for a while; each is checked against its digest.

    Raises:
        NotFound: there are none.
        RequestInvalid: they are kept elsewhere.
    """
    assert world.store is not None
    place = kept_here(found.location)
    if place is None:
        raise RequestInvalid(
            f"the files of {found.origin} are kept elsewhere, at {found.location[:200]}",
            fix=f"`mlflow artifacts download -u {found.location[:200]} -d FOLDER`, then deploy the folder",
        )
    files = artifacts.tree(world.store, DEFAULT_PROJECT, place)
    if not any(file.path == f"{place}/{_DESCRIPTION}" for file in files):
        raise NotFound(f"there is no MLflow model at {found.location[:200]}", fix="log it with `mlflow.….log_model`, and name its folder")
    with tempfile.TemporaryDirectory(dir=world.scratch, prefix="logged-") as folder:
        for file in files:
            into = Path(folder) / "model" / Path(file.path).relative_to(place)
            into.parent.mkdir(parents=True, exist_ok=True)
            into.write_bytes(world.blobs.read(file.digest))
        yield Path(folder) / "model"


def note(world: World, found: Logged, deployed: str, *, by: str) -> None:
    """Say on the registered version where it answers now."""
    assert world.store is not None
    if found.model and not found.own:
        who = Who(by=by, at_ms=to_ms(world.wall.now()))
        Versions(world.store, world.ledger).tag(who, found.model, found.number, "noria.deployed_as", deployed)


def _of_run(world: World, origins: KnownOrigins, named: str) -> Logged:
    """A folder of a run, or the model of that name that the run logged beside it, as MLflow does since its version 3."""
    assert world.store is not None
    run, _, path = named.partition("/")
    root = origins.run(run)
    if root is None:
        raise NotFound(f"there is no run {run[:100]!r} here")
    location = posixpath.join(root.location, path)
    place = kept_here(location)
    if place is None or not any(entry.name == _DESCRIPTION for entry in artifacts.listed(world.store, DEFAULT_PROJECT, place)):
        logged = world.store.read(
            "SELECT artifacts FROM noria_logged_models WHERE run = ? AND name = ? AND deleted_ms IS NULL ORDER BY created_ms DESC, row DESC LIMIT 1",
            (run, path),
        )
        location = logged[0][0] if logged else location
    return Logged(location=location, origin=f"runs:/{named}")


def _said(name: str, run: str) -> str:
    return f"{name} of run {run}" if run else name
