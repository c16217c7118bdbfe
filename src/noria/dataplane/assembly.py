"""How a home's data plane is put together from its settings."""

from __future__ import annotations

import sys
from pathlib import Path

from noria.app.certificates import certificate
from noria.app.clocks import open_clock
from noria.app.hosting import read_hosting
from noria.app.prediction import data_plane_journal, explainers, families, lookups, scorers, stored_blobs, weights
from noria.app.settings import Settings, token
from noria.core.moments import duration
from noria.core.sizes import size_bytes
from noria.core.traffic import ServedVersion
from noria.dataplane.cache import CachedBlobs
from noria.dataplane.hiring import Limits
from noria.dataplane.limits import RequestLimits
from noria.dataplane.main import Parts, run
from noria.dataplane.model_main import run_model
from noria.ports import wire
from noria.stages.serving.family import Loaders
from noria.stages.serving.isolated import Isolation
from noria.stages.serving.lazily import Loading


def serve_home(settings: Settings, *, parent: int | None = None, place: int = 0, listening: int | None = None) -> None:
    """Serve a home's plan until this process is asked to end.

    Args:
        parent, place: Of a worker: the descriptor of its end of the channel, and which one of them it is.
        listening: The descriptor of the socket that it accepts from together with the others; None where it opens its own.
    """
    home, cache, hosting = settings.folder, settings.folder / "dataplane", read_hosting()
    blobs = _blobs(settings)
    run(
        Parts(
            plan_file=home / "plan" / "plan.json",
            cache_folder=cache,
            load_scorer=scorers(blobs),
            make_lookup=lookups(home, blobs, cache),
            load_explains=explainers(blobs),
            journal=data_plane_journal(settings),
            clock=open_clock(settings),
            model_command=(sys.executable, "-m", "noria.dataplane", str(home)),
            token=token(settings),
            open=settings.on_loopback and not hosting.platform,
            deployment=settings.deployment,
            request_limits=request_limits(settings),
            hosting=hosting,
            grpc_port=settings.grpc_port,
            isolation=Isolation(processes=settings.model_processes, timeout_ms=settings.model_timeout_ms),
            loading=models_loading(settings),
            families=family_loaders(settings),
            limits=Limits(growth_bytes=settings.model_growth_mb << 20),
            certificate=certificate(settings),
            parent=parent,
            place=place,
            listening=listening,
        ),
        *hosting.address(settings.host, settings.serve_port),
    )


def be_model(settings: Settings, socket: Path, version_file: Path) -> None:
    """Be the process of one version, for the data plane that listens on `socket`."""
    blobs = _blobs(settings)
    version = wire.load(version_file.read_bytes(), ServedVersion)
    made = lookups(settings.folder, blobs, settings.folder / "dataplane")
    run_model(socket, version, scorers(blobs, python=True), made, family_loaders(settings))


def _blobs(settings: Settings) -> CachedBlobs:
    return CachedBlobs(stored_blobs(settings), settings.folder / "dataplane" / "blobs")


def family_loaders(settings: Settings) -> Loaders:
    """What families of models are loaded with."""
    blobs = _blobs(settings)
    return Loaders(family=families(blobs), scorer=scorers(blobs), loading=models_loading(settings))


def models_loading(settings: Settings) -> Loading:
    """When a process loads models: workers share the memory that the settings allow."""
    allowed = size_bytes(settings.model_memory) if settings.model_memory else 0
    idle_s = duration(settings.model_idle).total_seconds() if settings.model_idle else 0.0
    return Loading(
        limit_bytes=allowed // settings.worker_bounds[1],
        idle_s=idle_s,
        within_s=min(settings.max_seconds, 10.0),
        weigh=weights(_blobs(settings)),
    )


def request_limits(settings: Settings) -> RequestLimits:
    """What the settings let a process take."""
    return RequestLimits(
        body_bytes=settings.max_body_bytes,
        background_bytes=settings.max_background_bytes,
        header_bytes=settings.max_header_bytes,
        rows=settings.max_rows,
        seconds=settings.max_seconds,
        in_flight=settings.max_in_flight,
        in_flight_per_deployment=settings.max_in_flight_per_deployment,
        connections=settings.max_connections,
    )
