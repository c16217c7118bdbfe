"""The thread beside a run: says what the run was made by, then reads the machine now and then, until the run ends."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping

from noria.client import captured, gpus
from noria.client.machine import Machine

log = logging.getLogger("noria.client")


class Companion:
    """One thread for one run; whatever goes wrong in it stays in it.

    Args:
        tag: Takes tags.
        keep: Takes files.
        measure: Takes readings of the machine and their step.
        origin: What the run was started by; None = nothing is captured.
        every_s: Seconds between readings; 0 = none are taken.
    """

    def __init__(
        self,
        *,
        tag: Callable[[Mapping[str, str]], None],
        keep: captured.Keep,
        measure: Callable[[Mapping[str, float], int], None],
        origin: captured.Origin | None,
        every_s: float,
    ) -> None:
        self._tag, self._keep, self._measure = tag, keep, measure
        self._origin, self._every_s = origin, every_s
        self._over = threading.Event()
        self.captured = threading.Event()
        self._thread = threading.Thread(target=self._work, name="noria-companion", daemon=True)
        self._thread.start()

    def end(self, *, patience_s: float = 0.5) -> None:
        """Take no more readings; what is being captured has a moment to be finished."""
        if self._origin is not None:
            self.captured.wait(patience_s)
        self._over.set()

    def _work(self) -> None:
        try:
            if self._origin is not None:
                self._tag(captured.capture(self._origin, self._keep))
            self.captured.set()
            if self._every_s > 0:
                self._watch(Machine(gpus=gpus.found()))
        except Exception:
            log.debug("nothing is known of the run's surroundings", exc_info=True)
        finally:
            self.captured.set()

    def _watch(self, machine: Machine) -> None:
        step = 0
        while not self._over.wait(self._every_s):
            self._measure(machine.read(), step)
            step += 1
