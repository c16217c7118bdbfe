"""A model's own process: it loads one version and answers what the data plane asks over a socket."""

from __future__ import annotations

import contextlib
import ctypes
import signal
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path

from noria.core.rows import Rows
from noria.core.traffic import ServedVersion
from noria.dataplane.messages import Question, Reply, Unpacker, packed, question
from noria.stages.serving.computed import reason
from noria.stages.serving.faults import Faulty
from noria.stages.serving.model import Lookup, Scorer, Served

_READ_BYTES = 1 << 20
_PR_SET_PDEATHSIG = 1
"""Linux: `prctl(2)`."""


def run_challenger(
    socket_path: Path,
    served: ServedVersion,
    load_scorer: Callable[[str], Scorer],
    make_lookup: Callable[[ServedVersion], Lookup | None],
) -> None:
    """Load the version, call the data plane that listens on `socket_path`, and answer until it hangs up.

    Raises whatever loading raises, and `ConnectionError` when nobody listens any more: the data
    plane reads the end of this process's output and reports it.
    """
    end_with_parent()
    version = Faulty(Served(served, scorer=load_scorer(served.artifact), lookup=make_lookup(served)))
    with socket.socket(socket.AF_UNIX) as line:
        line.connect(str(socket_path))
        unpacker = Unpacker()
        while heard := line.recv(_READ_BYTES):
            for body in unpacker.feed(heard):
                line.sendall(packed(_answer(version, question(body))))


def end_with_parent() -> None:
    """On Linux, be killed when the data plane is, even in a call that never returns, and be the first to go when memory runs out."""
    if sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("500")


def _answer(version: Faulty, asked: Question) -> Reply:
    if time.monotonic() > asked.deadline_s:
        return Reply(asked.number, error="was asked too late to answer")
    try:
        answers, served = version.answer(Rows(asked.names, asked.rows), asked.now_ms, asked.timeout_ms)
    except Exception as error:  # noqa: BLE001 - user code and models raise anything; the data plane records it
        return Reply(asked.number, error=reason(error))
    return Reply(asked.number, list(answers), served)
