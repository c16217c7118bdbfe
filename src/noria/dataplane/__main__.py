"""The entrance of the data plane: `python -m noria.dataplane HOME`, and of its challengers: `… HOME SOCKET VERSION`."""

from __future__ import annotations

import sys
from pathlib import Path

from noria.app.hosting import read_hosting
from noria.app.prediction import data_plane_journal, lookups, scorers, stored_blobs
from noria.app.processes import running
from noria.app.settings import Settings, read, token
from noria.app.wiring import open_clock
from noria.core.traffic import ServedVersion
from noria.dataplane.cache import CachedBlobs
from noria.dataplane.challenger import run_challenger
from noria.dataplane.hiring import Limits
from noria.dataplane.limits import RequestLimits
from noria.dataplane.main import Parts, run
from noria.ports import wire
from noria.stages.serving.isolated import Isolation


def main(arguments: list[str]) -> None:
    """Serve, or be a challenger when a socket and a version are named."""
    settings = read(arguments[0])
    home, cache = settings.folder, settings.folder / "dataplane"
    blobs = CachedBlobs(stored_blobs(settings), cache / "blobs")
    load_scorer, make_lookup = scorers(blobs), lookups(home, blobs, cache)
    if len(arguments) == 3:
        version = wire.load(Path(arguments[2]).read_bytes(), ServedVersion)
        run_challenger(Path(arguments[1]), version, load_scorer, make_lookup)
        return
    hosting = read_hosting()
    with running(home, "dataplane"):
        run(
            Parts(
                plan_file=home / "plan" / "plan.json",
                cache_folder=cache,
                load_scorer=load_scorer,
                make_lookup=make_lookup,
                journal=data_plane_journal(settings),
                clock=open_clock(settings),
                challenger_command=(sys.executable, "-m", "noria.dataplane", str(home)),
                token=token(settings),
                open=settings.on_loopback and not hosting.platform,
                deployment=settings.deployment,
                request_limits=request_limits(settings),
                hosting=hosting,
                grpc_port=settings.grpc_port,
                isolation=Isolation(processes=settings.model_processes, timeout_ms=settings.model_timeout_ms),
                limits=Limits(growth_bytes=settings.model_growth_mb << 20),
            ),
            "0.0.0.0" if hosting.platform else settings.host,
            hosting.port or settings.serve_port,
        )


def request_limits(settings: Settings) -> RequestLimits:
    """What the settings let a process take."""
    return RequestLimits(
        body_bytes=settings.max_body_bytes,
        header_bytes=settings.max_header_bytes,
        rows=settings.max_rows,
        seconds=settings.max_seconds,
        in_flight=settings.max_in_flight,
        in_flight_per_deployment=settings.max_in_flight_per_deployment,
        connections=settings.max_connections,
    )


if __name__ == "__main__":
    main(sys.argv[1:])
