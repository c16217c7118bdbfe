"""The wheel and what runs beside it, each in a thread, loaded once a home has something to turn.

What judges and watches models takes three seconds and two hundred megabytes to load; a server that tracks runs, or
has just been started, answers without it.
"""

from __future__ import annotations

import threading
import time
from datetime import datetime, timedelta
from random import Random
from typing import TYPE_CHECKING

from noria import __version__
from noria.app.settings import Settings
from noria.app.wiring import open_lineage, open_telemetry, process_name
from noria.core.telemetry import Span
from noria.server.services import Services

if TYPE_CHECKING:
    from noria.loop.heralding import Herald
    from noria.loop.wheel import Wheel
    from noria.loop.world import World
    from noria.server.telegraph import Telegraph

LOOK_EVERY_S = 0.5
TURNED = ("loop", "deployment", "notice")
"""Kinds of documents that ask for the wheel."""

END_S = 10


class Machinery:
    """Thread-safe; `run` in a thread of its own."""

    def __init__(self, settings: Settings, world: World) -> None:
        self._settings = settings
        self._world = world
        self._wheel: Wheel | None = None
        self._changed = threading.Condition()
        self._stopped = False
        self._ends: list[threading.Thread] = []

    def run(self, services: Services) -> None:
        """Wait until there is something to turn, then turn it until `stop`."""
        while not self._stopped and not any(self._world.records.find(kind, limit=1) for kind in TURNED):
            with self._changed:
                self._changed.wait(LOOK_EVERY_S)
        if not self._stopped:
            self._turn(services)

    def nudge(self) -> None:
        """Look at once for what there is to do."""
        with self._changed:
            self._changed.notify_all()
        if self._wheel is not None:
            self._wheel.nudge()

    def settle(self, at: datetime, timeout_s: float) -> bool:
        """See `Wheel.settle`; it waits for the wheel to be there too."""
        give_up = time.monotonic() + timeout_s
        with self._changed:
            while self._wheel is None and time.monotonic() < give_up:
                self._changed.wait(give_up - time.monotonic())
        return self._wheel is not None and self._wheel.settle(at, max(0.0, give_up - time.monotonic()))

    def stop(self) -> None:
        """End what turns; a pass under way has some seconds to finish."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        give_up = time.monotonic() + END_S
        while self._ends and time.monotonic() < give_up:
            self._ends.pop().join(max(0.0, give_up - time.monotonic()))

    def _turn(self, services: Services) -> None:
        from noria.app.plane import plane_numbers
        from noria.loop.attending import Attendant
        from noria.loop.duty import Duty
        from noria.loop.outbox import Outbox, Teller
        from noria.loop.wheel import Wheel

        world, settings = self._world, self._settings
        duty = Duty(world.records, wall=world.wall, owner=process_name(), span=timedelta(seconds=settings.lease_s))
        wheel = Wheel(world, duty=duty)
        teller = Teller(Outbox(world.documents, world.ledger, world.channels, wall=world.wall, random=Random()))
        attendant = Attendant(world, lambda: plane_numbers(settings), duty)
        telegraph = _telegraph(settings, world, services)
        herald = _herald(settings, world)
        beside = [("telegraph", telegraph), ("herald", herald)]
        parts = [("telling", teller), ("attendant", attendant), *((name, part) for name, part in beside if part)]
        for name, part in parts:
            threading.Thread(target=part.run, name=name, daemon=True).start()  # type: ignore[attr-defined]
        turning = threading.Thread(target=wheel.run, name="wheel", daemon=True)
        turning.start()
        with self._changed:
            self._wheel = wheel
            self._ends.append(turning)
            self._changed.notify_all()
            while not self._stopped:
                self._changed.wait()
        for _, part in [("wheel", wheel), *parts]:
            part.stop()  # type: ignore[attr-defined]


def _herald(settings: Settings, world: World) -> Herald | None:
    sink = open_lineage(settings)
    if sink is None:
        return None
    from noria.loop.heralding import Herald

    herald = Herald(world, sink, noria=__version__)
    herald.begin()
    return herald


def _telegraph(settings: Settings, world: World, services: Services) -> Telegraph | None:
    telemetry = open_telemetry(settings)
    if telemetry is None:
        return None
    from noria.server.metrics import families
    from noria.server.reads import Reads
    from noria.server.telegraph import Telegraph, sampled

    reads, share = Reads(world.records, world.ledger), settings.otlp_requests

    def requests(loop: str, since: datetime, until: datetime) -> list[Span]:
        from noria.loop.request_spans import spans_of_requests

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
