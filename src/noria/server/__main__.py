"""The entrance of the control plane: `python -m noria.server HOME`."""

from __future__ import annotations

import logging
import signal
import sys
import threading
from datetime import timedelta
from random import Random

import uvicorn

from noria.app.processes import running
from noria.app.services import ControlServices
from noria.app.settings import read
from noria.app.wiring import build, process_name
from noria.loop.duty import Duty
from noria.loop.outbox import Outbox, Teller
from noria.loop.wheel import Wheel
from noria.server.application import create_app


def main(arguments: list[str]) -> None:
    """Turn the wheel in one thread and serve the API and the page, until SIGTERM or SIGINT."""
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    settings = read(arguments[0])
    world = build(settings)
    duty = Duty(world.records, wall=world.wall, owner=process_name(), span=timedelta(seconds=settings.lease_s))
    wheel = Wheel(world, duty=duty)
    turning = threading.Thread(target=wheel.run, name="wheel", daemon=True)
    teller = Teller(Outbox(world.documents, world.ledger, world.channels, wall=world.wall, random=Random()))
    telling = threading.Thread(target=teller.run, name="telling", daemon=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # uvicorn raises it again when it is done: what follows must still run
    with running(settings.folder, "server" if len(arguments) == 1 else arguments[1]):
        turning.start()
        telling.start()
        services = ControlServices(settings, world, wheel)
        app = create_app(services) if settings.on_loopback else create_app(services, hosts=None)
        try:
            uvicorn.run(app, host=settings.host, port=settings.port, log_level="warning", access_log=False, server_header=False)
        finally:
            wheel.stop()
            teller.stop()
            turning.join(timeout=10)


if __name__ == "__main__":
    main(sys.argv[1:])
