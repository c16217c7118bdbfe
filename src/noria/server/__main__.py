"""The entrance of the control plane: `python -m noria.server HOME`."""

from __future__ import annotations

import logging
import signal
import sys
import threading
from random import Random

import uvicorn

from noria.app.certificates import certificate, server_context
from noria.app.processes import running
from noria.app.services import ControlServices
from noria.app.settings import Settings, read
from noria.app.wiring import build
from noria.ledger.models.webhooks import Webhooks
from noria.loop.hooks import Hooks
from noria.server.application import control_plane
from noria.server.door import Door
from noria.server.flushing import Flusher
from noria.server.guard import LOOPBACK_HOSTS
from noria.server.machinery import Machinery
from noria.server.mlflow.endpoints import Tracking
from noria.server.recording import Keeper


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
    hooks = Hooks(Webhooks(world.store), wall=world.wall, random=Random(), allowed=settings.told_hosts)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # uvicorn raises it again when it is done: what follows must still run
    with running(settings.folder, "server" if len(arguments) == 1 else arguments[1]):
        threading.Thread(target=machinery.run, args=(services,), name="machinery", daemon=True).start()
        threading.Thread(target=flusher.run, name="flusher", daemon=True).start()
        threading.Thread(target=hooks.run, name="hooks", daemon=True).start()
        tracking = Tracking(
            store=world.store,
            ledger=world.ledger,
            blobs=world.blobs,
            wall=world.wall,
            direct_downloads=settings.direct_downloads,
            house=services.house,
            hooks=hooks,
        )
        alone = settings.on_loopback
        hosts = LOOPBACK_HOSTS if alone else None
        door = open_door(services, settings)
        keeper = Keeper([services.access.audit.flush, door.keep_uses])
        keeping = threading.Thread(target=keeper.run, name="keeper", daemon=True)
        keeping.start()
        app = control_plane(services, tracking, door=door, hosts=hosts)
        try:
            uvicorn.run(
                app,
                host=settings.host,
                port=settings.port,
                log_level="warning",
                access_log=False,
                server_header=False,
                proxy_headers=bool(settings.proxies),
                forwarded_allow_ips=settings.proxies or None,
                ssl_certfile=shown.chain if shown else None,
                ssl_keyfile=shown.key if shown else None,
            )
        finally:
            flusher.stop()
            hooks.stop()
            machinery.stop()
            keeper.stop()
            keeping.join(timeout=10)


def open_door(services: ControlServices, settings: Settings) -> Door:
    """The door of a home: beyond this machine everybody is asked who they are."""
    secure = "https" in (settings.scheme, settings.page_url.partition(":")[0])
    return Door(
        services.access,
        token=services.token,
        asks=not settings.on_loopback,
        hint=services.token_hint,
        cookie=f"{'__Host-' if secure else ''}noria-session-{settings.port}",
        origin=settings.page_url.rstrip("/"),
    )


if __name__ == "__main__":
    main(sys.argv[1:])
