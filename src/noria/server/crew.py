"""The processes beside the first of a control plane: started when it lets callers in, again when one dies, ended with it."""

from __future__ import annotations

import logging
import os
import socket
import subprocess
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

from noria.app.processes import ONE_THREAD
from noria.app.services import Turning
from noria.server.line import NearWheel

LOOK_S = 0.1
GRACE_S = 12.0
"""They have this long for what is under way; then they are killed."""

RESTART_S = (0.0, 0.2, 1.0, 5.0)
"""Pauses before one that died is started again: at once the first time, then ever longer."""

STEADY_S = 30.0
"""One that lived this long starts the pauses anew."""

log = logging.getLogger("noria.server")


@dataclass(slots=True)
class _Member:
    """One process's life."""

    process: subprocess.Popen[bytes]
    line: NearWheel
    began_s: float


class Crew:
    """Keeps a number of processes that accept from the first's socket.

    Args:
        command: Starts one; it gets the descriptors of the listening socket and of its end of the line.
        wheel: Theirs too, by the line.
    """

    def __init__(self, command: Sequence[str], count: int, *, listening: socket.socket, wheel: Turning) -> None:
        self._command = command
        self._count = count
        self._listening = listening
        self._wheel = wheel
        self._members: dict[int, _Member] = {}
        self._over = threading.Event()
        self._watching = threading.Thread(target=self._watch, name="crew", daemon=True)

    def begin(self) -> None:
        """Start them, from a thread of its own."""
        if self._count:
            self._watching.start()

    def end(self) -> None:
        """Ask all to end; from a signal handler too: it waits for nobody."""
        self._over.set()
        for member in list(self._members.values()):
            member.line.cut()

    def wait(self) -> None:
        """Return when all have ended; those that take too long are killed."""
        self.end()
        if self._watching.is_alive():
            self._watching.join()
        self.end()  # one may have been started meanwhile
        give_up = time.monotonic() + GRACE_S
        for member in self._members.values():
            try:
                member.process.wait(max(0.0, give_up - time.monotonic()))
            except subprocess.TimeoutExpired:
                member.process.kill()
                member.process.wait()

    def _watch(self) -> None:
        failures = dict.fromkeys(range(self._count), 0)
        due_s = dict.fromkeys(range(self._count), 0.0)
        while not self._over.wait(LOOK_S if self._members else 0.0):
            for place in range(self._count):
                member = self._members.get(place)
                if member is not None and member.process.poll() is not None:
                    del self._members[place]
                    failures[place] = 1 if time.monotonic() - member.began_s > STEADY_S else failures[place] + 1
                    due_s[place] = time.monotonic() + RESTART_S[min(failures[place], len(RESTART_S)) - 1]
                    log.warning("process %d beside this one ended with %d and is started again", place, member.process.returncode)
                if place not in self._members and time.monotonic() >= due_s[place]:
                    self._members[place] = self._start()

    def _start(self) -> _Member:
        ours, theirs = socket.socketpair()
        with theirs:
            handed = (self._listening.fileno(), theirs.fileno())
            process = subprocess.Popen(
                [*self._command, *map(str, handed)],
                pass_fds=handed,
                stdin=subprocess.DEVNULL,
                env={**ONE_THREAD, **os.environ},
                process_group=0,  # Ctrl-C at the terminal is the first's to hear: it ends them
            )
        return _Member(process, NearWheel(ours, self._wheel), time.monotonic())
