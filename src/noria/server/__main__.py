"""The entrance of the control plane: `python -m noria.server HOME`."""

from __future__ import annotations

import logging
import signal
import sys
import threading
from datetime import datetime, timedelta
from random import Random

import uvicorn

from noria.app.certificates import certificate, server_context
from noria.app.plane import plane_numbers
from noria.app.processes import running
from noria.app.services import ControlServices
from noria.app.settings import Settings, read
from noria.app.wiring import build, open_telemetry, process_name
from noria.core.telemetry import Span
from noria.loop.attending import Attendant
from noria.loop.duty import Duty
from noria.loop.outbox import Outbox, Teller
from noria.loop.request_spans import spans_of_requests
from noria.loop.wheel import Wheel
from noria.loop.world import World
from noria.server.application import control_plane
from noria.server.flushing import Flusher
from noria.server.guard import LOOPBACK_HOSTS, callers
from noria.server.metrics import families
from noria.server.mlflow.endpoints import Tracking
from noria.server.reads import Reads
from noria.server.telegraph import Telegraph, sampled


def main(arguments: list[str]) -> None:
    """Turn the wheel in one thread and serve the API and the page, until SIGTERM or SIGINT."""
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    settings = read(arguments[0])
    shown = certificate(settings)
    if shown is not None:
        server_context(shown)
    world = build(settings)
    duty = Duty(world.records, wall=world.wall, owner=process_name(), span=timedelta(seconds=settings.lease_s))
    wheel = Wheel(world, duty=duty)
    turning = threading.Thread(target=wheel.run, name="wheel", daemon=True)
    teller = Teller(Outbox(world.documents, world.ledger, world.channels, wall=world.wall, random=Random()))
    telling = threading.Thread(target=teller.run, name="telling", daemon=True)
    services = ControlServices(settings, world, wheel)
    telegraph = _telegraph(settings, world, services)
    attendant = Attendant(world, lambda: plane_numbers(settings), duty)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # uvicorn raises it again when it is done: what follows must still run
    with running(settings.folder, "server" if len(arguments) == 1 else arguments[1]):
        turning.start()
        telling.start()
        threading.Thread(target=attendant.run, name="attendant", daemon=True).start()
        if telegraph is not None:
            threading.Thread(target=telegraph.run, name="telegraph", daemon=True).start()
        assert world.store is not None
        tracking = Tracking(
            store=world.store, ledger=world.ledger, blobs=world.blobs, wall=world.wall, direct_downloads=settings.direct_downloads
        )
        flusher = Flusher(world.store)
        threading.Thread(target=flusher.run, name="flusher", daemon=True).start()
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
            wheel.stop()
            teller.stop()
            attendant.stop()
            flusher.stop()
            if telegraph is not None:
                telegraph.stop()
            turning.join(timeout=10)


def _telegraph(settings: Settings, world: World, services: ControlServices) -> Telegraph | None:
    telemetry = open_telemetry(settings)
    if telemetry is None:
        return None
    reads, share = Reads(world.records, world.ledger), settings.otlp_requests

    def requests(loop: str, since: datetime, until: datetime) -> list[Span]:
        return spans_of_requests(world, loop, since, until, wanted=lambda id: sampled(id, share))

    return Telegraph(
        telemetry,
        world.records,
        reads,
        families=lambda: families(services, reads),
        requests=requests if share > 0 else None,
        wall=world.wall.now,
        now=world.clock.now,
    )


if __name__ == "__main__":
    main(sys.argv[1:])
