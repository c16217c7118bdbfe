"""A model's own process: it loads one version and answers what the data plane asks over a socket."""

from __future__ import annotations

import contextlib
import ctypes
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from noria.core.rows import Rows
from noria.core.traffic import ServedVersion
from noria.dataplane.framing import Unpacker
from noria.dataplane.messages import Question, Reply, Told, asked, packed
from noria.dataplane.model_streams import Streams
from noria.stages.serving.computed import reason
from noria.stages.serving.family import Loaders, loader
from noria.stages.serving.faults import Faulty
from noria.stages.serving.model import Lookup, Scorer

_READ_BYTES = 1 << 20
_PR_SET_PDEATHSIG = 1
"""Linux: `prctl(2)`."""


def run_model(
    socket_path: Path,
    served: ServedVersion,
    load_scorer: Callable[[str], Scorer],
    make_lookup: Callable[[ServedVersion], Lookup | None],
    families: Loaders | None = None,
) -> None:
    """Load the version, call the data plane that listens on `socket_path`, and answer until it hangs up.

    Raises whatever loading raises, and `ConnectionError` when nobody listens any more: the data
    plane reads the end of this process's output and reports it.
    """
    end_with_parent()
    loaded = loader(load_scorer, make_lookup, families)(served)
    version = Faulty(loaded)
    with socket.socket(socket.AF_UNIX) as line:
        line.connect(str(socket_path))
        unpacker, streams = Unpacker(), Streams(loaded, _Sender(line).send)
        while heard := line.recv(_READ_BYTES):
            for body in unpacker.feed(heard):
                match asked(body):
                    case Question() as question:
                        streams.send(_answer(version, question))
                    case about:
                        streams.hear(about)


class _Sender:
    """The process's end of the socket, for all its threads."""

    def __init__(self, line: socket.socket) -> None:
        self._line = line
        self._one = threading.Lock()

    def send(self, said: Told) -> None:
        data = packed(said)
        with self._one:
            self._line.sendall(data)


def end_with_parent() -> None:
    """On Linux, be killed when the data plane is, even in a call that never returns, and be the first to go when memory runs out."""
    if sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("500")


def _answer(version: Faulty, question: Question) -> Reply:
    if time.monotonic() > question.deadline_s:
        return Reply(question.number, error="was asked too late to answer")
    try:
        answers, served = version.answer(Rows(question.names, question.rows), question.now_ms, question.timeout_ms)
    except Exception as error:  # noqa: BLE001 - user code and models raise anything; the data plane records it
        return Reply(question.number, error=reason(error))
    return Reply(question.number, list(answers), served)
