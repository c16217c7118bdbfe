"""The entrance of the control plane: `python -m noria.server HOME`.

The processes beside the first come in here too, as `… HOME beside LISTENING LINE`: two descriptors.
"""

from __future__ import annotations

import logging
import signal
import socket
import sys
import threading
from contextlib import suppress
from random import Random

from starlette.types import ASGIApp

from noria.app.certificates import certificate, server_context
from noria.app.processes import running
from noria.app.services import ControlServices
from noria.app.settings import Settings, read
from noria.app.wiring import build
from noria.ledger.models.webhooks import Webhooks
from noria.loop.hooks import Hooks
from noria.loop.world import World
from noria.server.called import LOOPBACK_HOSTS
from noria.server.crew import Crew
from noria.server.door import Door
from noria.server.flushing import Flusher
from noria.server.line import FarWheel
from noria.server.listening import LEAVE_S, Answering, PortTaken, listening
from noria.server.machinery import Machinery
from noria.server.mlflow.endpoints import Tracking
from noria.server.plane import control_plane
from noria.server.recording import Keeper

BESIDE = "beside"


def main(arguments: list[str]) -> None:
    """Serve the API, the page and the protocols, in this process and those beside it, until SIGTERM or SIGINT."""
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    settings = read(arguments[0])
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # uvicorn raises it again when it is done: what follows must still run
    if arguments[1:2] == [BESIDE]:
        _serve_beside(settings, listening=int(arguments[2]), line=int(arguments[3]))
        return
    try:
        with running(settings.folder, "server" if len(arguments) == 1 else arguments[1]):
            _serve(settings)
    except PortTaken as error:
        sys.exit(f"{error.message}\n{error.fix}")


def _serve(settings: Settings) -> None:
    """Answer, turn the wheel in threads beside, and keep the other processes."""
    shown = certificate(settings)
    if shown is not None:
        server_context(shown)
    world = build(settings)
    assert world.store is not None
    machinery, flusher, hooks = Machinery(settings, world), Flusher(world.store), _hooks(settings, world)
    services = ControlServices(settings, world, machinery)
    app, keeper = _application(settings, world, services, hooks)
    others = settings.server_processes - 1
    with listening(settings.host, settings.port, patience_s=LEAVE_S if others else 0.0) as at:
        crew = Crew((sys.executable, "-m", "noria.server", str(settings.folder), BESIDE), others, listening=at, wheel=machinery)
        for name, run in (("flusher", flusher.run), ("hooks", hooks.run)):
            threading.Thread(target=run, name=name, daemon=True).start()
        threading.Thread(target=machinery.run, args=(services,), name="machinery", daemon=True).start()
        try:
            with keeper, suppress(KeyboardInterrupt):
                Answering(app, settings, shown, begun=crew.begin, ending=crew.end).run([at])
        finally:
            flusher.stop()
            hooks.stop()
            crew.end()
            machinery.stop()
            crew.wait()


def _serve_beside(settings: Settings, *, listening: int, line: int) -> None:
    """Answer from the first process's socket until it is gone; wheel, deliveries and flushing are its own."""
    world = build(settings)
    services = ControlServices(settings, world, FarWheel(socket.socket(fileno=line)))
    app, keeper = _application(settings, world, services, _hooks(settings, world))
    with keeper, socket.socket(fileno=listening) as at:
        Answering(app, settings, certificate(settings)).run([at])


def _application(settings: Settings, world: World, services: ControlServices, hooks: Hooks) -> tuple[ASGIApp, Keeper]:
    """What answers, and what keeps the record of calls beside it."""
    assert world.store is not None
    tracking = Tracking(
        store=world.store,
        ledger=world.ledger,
        blobs=world.blobs,
        wall=world.wall,
        direct_downloads=settings.direct_downloads,
        house=services.house,
        hooks=hooks,
    )
    door = open_door(services, settings)
    app = control_plane(services, tracking, door=door, hosts=LOOPBACK_HOSTS if settings.on_loopback else None)
    return app, Keeper([services.access.audit.flush, door.keep_uses])


def _hooks(settings: Settings, world: World) -> Hooks:
    assert world.store is not None
    return Hooks(Webhooks(world.store), wall=world.wall, random=Random(), allowed=settings.told_hosts)


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
