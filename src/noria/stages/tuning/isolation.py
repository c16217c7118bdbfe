"""Runs one objective in a process of its own, so that a trial that crashes, hangs or eats memory is only a failed trial."""

from __future__ import annotations

import ctypes
import gc
import json
import math
import multiprocessing
import os
import signal
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Any

from noria.core.errors import JobFailed, bounded
from noria.core.training import Param

Objective = Callable[[dict[str, Param]], float]

_ORPHAN_CHECK_S = 1.0
_SOFTLY = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came of a trial: its value, or the text of its error."""

    value: float | None
    error: str
    seconds: float


def ask(objective: Objective, params: dict[str, Param]) -> Answer:
    """The answer of an objective called right here; an exception becomes the answer's error."""
    began = time.perf_counter()
    value, error = _called(objective, params)
    return Answer(value=value, error=error, seconds=time.perf_counter() - began)


class Isolated:
    """One call of an objective in a forked child, which sees the parent's data without copying it.

    A fork carries only the calling thread. The child must therefore stay away from what needs the
    parent's other threads, Polars above all; NumPy arrays are safe, and so is OpenMP after `rest_openmp`.
    """

    def __init__(self, objective: Objective, params: dict[str, Param], *, timeout_s: float, threads: int) -> None:
        self._began = time.perf_counter()
        self._timeout_s = timeout_s
        context = multiprocessing.get_context("fork")
        self._inlet, outlet = context.Pipe(duplex=False)
        self._process = context.Process(target=_child, args=(outlet, objective, params, threads, os.getpid()))
        with warnings.catch_warnings():
            # Python 3.12+ warns of any fork beside threads; what it warns of is what the class promises above.
            warnings.simplefilter("ignore", DeprecationWarning)
            self._process.start()
        outlet.close()

    @property
    def left_s(self) -> float:
        """Seconds until the trial is out of time, at least 0."""
        return max(0.0, self._began + self._timeout_s - time.perf_counter())

    def handles(self) -> list[Any]:
        """What `multiprocessing.connection.wait` can wait for: the answer, or the process's end."""
        return [self._inlet, self._process.sentinel]

    def answer(self) -> Answer | None:
        """The answer, once there is one: told by the child, or made from its death or lateness."""
        told = self._told()
        if told is None:
            if self._process.is_alive() and self.left_s > 0:
                return None
            told = self._told() or (None, self._ending())
        self.close()
        return Answer(value=told[0], error=told[1], seconds=time.perf_counter() - self._began)

    def close(self) -> None:
        """End the child, whatever it does, and let its handles go."""
        if self._process.is_alive():
            self._process.kill()
        self._process.join()
        self._process.close()
        self._inlet.close()

    def _told(self) -> tuple[float | None, str] | None:
        if not self._inlet.poll():
            return None
        try:
            value, error = json.loads(self._inlet.recv_bytes())
        except EOFError:
            return None
        return value, error

    def _ending(self) -> str:
        if self._process.is_alive():
            return f"timed out after {self._timeout_s:g} s"
        self._process.join()
        code = self._process.exitcode or 0
        if code < 0:
            return f"its process was killed by {signal.Signals(-code).name}"
        return f"its process ended with exit code {code} and no answer"


def rest_openmp() -> None:
    """Send this process's idle OpenMP threads home (`omp_pause_resource_all`, OpenMP 5.0), so that a fork can start its own.

    A child that inherits the record of a thread pool without its threads waits for them for ever.
    """
    from threadpoolctl import threadpool_info

    for library in threadpool_info():
        if library["user_api"] == "openmp":
            pause = getattr(ctypes.CDLL(library["filepath"]), "omp_pause_resource_all", None)
            if pause is not None:
                pause(_SOFTLY)


def first_of(running: Sequence[Isolated]) -> None:
    """Return when one of them may have an answer."""
    handles = [handle for one in running for handle in one.handles()]
    wait(handles, timeout=min(one.left_s for one in running))


def _child(outlet: Connection, objective: Objective, params: dict[str, Param], threads: int, parent: int) -> None:
    gc.freeze()  # what the parent made is never collected here: its destructors may want threads that are gone
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    _limit_threads(threads)
    _refuse_polars()
    outlet.send_bytes(json.dumps(_called(objective, params)).encode())
    outlet.close()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)  # without the interpreter's own ending, which would run what belongs to the parent


def _called(objective: Objective, params: dict[str, Param]) -> tuple[float | None, str]:
    try:
        value = float(objective(params))
    except JobFailed as error:
        return None, error.traceback or error.message
    except Exception:  # noqa: BLE001  (recorded as the trial's error)
        return None, bounded(traceback.format_exc())
    return (value, "") if math.isfinite(value) else (None, f"the objective is {value}, not a finite number")


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_ORPHAN_CHECK_S)
    os._exit(1)


def _limit_threads(threads: int) -> None:
    """Hold OpenMP, BLAS and joblib to so many threads, whether they are loaded yet or not."""
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "LOKY_MAX_CPU_COUNT"):
        os.environ[name] = str(threads)
    from threadpoolctl import threadpool_limits

    threadpool_limits(limits=threads)


def _refuse_polars() -> None:
    """Make Polars' queries fail at once: its threads stayed in the parent, so they would wait for ever."""

    def collect(*_: object, **__: object) -> None:
        raise RuntimeError(
            "Polars cannot run inside a tuning trial, which is a fork without its threads: "
            "take arrays from data.X and data.y, and make columns in a feature view or an on-demand transform"
        )

    lazy_frame = getattr(sys.modules.get("polars"), "LazyFrame", None)
    for name in ("collect", "_collect_eager"):  # an eager frame's queries end in the second one since Polars 2
        if hasattr(lazy_frame, name):
            setattr(lazy_frame, name, collect)
