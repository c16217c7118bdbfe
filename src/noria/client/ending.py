"""How a run ends when nobody ends it: at the process's exit, on SIGTERM, after an error that nobody caught."""

from __future__ import annotations

import atexit
import logging
import os
import signal
import sys
import threading
import weakref
from types import FrameType
from typing import Protocol

from noria.client.entries import FAILED, FINISHED, KILLED


class Endable(Protocol):
    """A run that may be open when the process ends.

    Attributes:
        depth: How deep inside other runs it is; inner ones end first.
    """

    depth: int

    def end(self, status: str, *, error: BaseException | None = None) -> None: ...  # noqa: D102


GRACE_S = 3.0
"""On SIGTERM Python code has this long to react; then, as when compiled code holds the main thread, the process is ended."""

log = logging.getLogger("noria.client")
_runs: weakref.WeakSet[Endable] = weakref.WeakSet()
_watched = False
_terminated = threading.Event()
_reacted = threading.Event()


class Terminated(SystemExit):
    """SIGTERM, as it comes up through the script: blocks are left, `finally` runs, the exit status is 143."""


def watch(run: Endable) -> None:
    """End the run at the process's exit if it has not ended before."""
    global _watched
    _runs.add(run)
    if not _watched:
        _watched = True
        atexit.register(_at_exit)
        os.register_at_fork(after_in_child=_in_child)
        _listen()


def status_of(error: BaseException | None) -> str:
    """How a run ended that was left by this error, or by none."""
    if error is None or (isinstance(error, SystemExit) and not isinstance(error, Terminated) and not error.code):
        return FINISHED
    return KILLED if isinstance(error, (KeyboardInterrupt, Terminated)) else FAILED


def _at_exit() -> None:
    _reacted.set()
    error = getattr(sys, "last_exc", None) or getattr(sys, "last_value", None)
    for run in sorted(_runs, key=lambda one: one.depth, reverse=True):
        if _terminated.is_set():
            run.end(KILLED)
        else:
            run.end(status_of(error), error=error)


def _listen() -> None:
    """Listen for SIGTERM where nobody else does, in the main thread alone: another thread may not."""
    if threading.current_thread() is not threading.main_thread() or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        return
    reading, writing = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK) if hasattr(os, "pipe2") else os.pipe()
    os.set_blocking(writing, False)
    os.set_blocking(reading, True)
    before = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    if before >= 0:
        signal.set_wakeup_fd(before)
    else:
        threading.Thread(target=_await, args=(reading,), name="noria-signals", daemon=True).start()
    signal.signal(signal.SIGTERM, _terminate)


def _in_child() -> None:
    """A forked child has runs of its own, and ends by SIGTERM as any process: the pipe is its parent's."""
    _runs.clear()
    if signal.getsignal(signal.SIGTERM) is _terminate:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _terminate(signum: int, frame: FrameType | None) -> None:
    """Leave by an exit that comes up through the script; whoever swallows it is ended by the next one."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    _reacted.set()
    _terminated.set()
    raise Terminated(128 + signum)


def _await(reading: int) -> None:
    """The interpreter writes each signal's number here at once, even while compiled code holds the main thread."""
    while told := os.read(reading, 64):
        if signal.SIGTERM in told and not _reacted.wait(GRACE_S):
            _terminated.set()
            for run in list(_runs):
                run.end(KILLED)
            os._exit(128 + signal.SIGTERM)
