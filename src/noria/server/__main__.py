"""The entrance of the control plane: `python -m noria.server HOME`."""

from __future__ import annotations

import logging
import signal
import sys
import threading

import uvicorn

from noria.app.certificates import certificate, server_context
from noria.app.processes import running
from noria.app.services import ControlServices
from noria.app.settings import read
from noria.app.wiring import build
from noria.server.application import control_plane
from noria.server.flushing import Flusher
from noria.server.guard import LOOPBACK_HOSTS, callers
from noria.server.machinery import Machinery
from noria.server.mlflow.endpoints import Tracking


def main(arguments: list[str]) -> None:
    """Serve the API, the page and the protocols, and turn the wheel in threads beside, until SIGTERM or SIGINT."""
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    settings = read(arguments[0])
    shown = certificate(settings)
    if shown is not None:
        server_context(shown)
    world = build(settings)
    assert world.store is not None
    machinery, flusher = Machinery(settings, world), Flusher(world.store)
    services = ControlServices(settings, world, machinery)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # uvicorn raises it again when it is done: what follows must still run
    with running(settings.folder, "server" if len(arguments) == 1 else arguments[1]):
        threading.Thread(target=machinery.run, args=(services,), name="machinery", daemon=True).start()
        threading.Thread(target=flusher.run, name="flusher", daemon=True).start()
        tracking = Tracking(
            store=world.store,
            ledger=world.ledger,
            blobs=world.blobs,
            wall=world.wall,
            direct_downloads=settings.direct_downloads,
            house=services.house,
        )
        alone = settings.on_loopback
        hosts = LOOPBACK_HOSTS if alone else None
        app = control_plane(services, tracking, callers=callers(services, everybody=alone), hosts=hosts)
        try:
            uvicorn.run(
                app,
                host=settings.host,
                port=settings.port,
                log_level="warning",
                access_log=False,
                server_header=False,
                ssl_certfile=shown.chain if shown else None,
                ssl_keyfile=shown.key if shown else None,
            )
        finally:
            flusher.stop()
            machinery.stop()


if __name__ == "__main__":
    main(sys.argv[1:])
