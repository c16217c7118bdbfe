"""Runs user code in a process of its own: features, tuning, training and evaluation of one turn.

The process leaves one JSON file per step in the turn's folder, whole or not at all, and does only
the steps whose file is not there yet. So a workshop that is killed is simply started again, and a
control plane that is killed finds the results when it comes back.
"""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from noria.core.data import DatasetVersion
from noria.core.errors import JobFailed, NoriaError
from noria.core.registry import ModelVersion
from noria.core.turning import Turn
from noria.loop.world import World
from noria.ports import wire

T = TypeVar("T")
ATTEMPTS = 3
"""A workshop that is killed this often ends its turn."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What a workshop is told: everything that its results depend on.

    Attributes:
        file: The user's loop file, whose folder relative dataset paths start from.
        code: Digest of the snapshot that is run in its place.
        now: Event time of the turn.
        probe: Only tell whether a turn would be worth it (see `loop.probing`).
    """

    turn: str
    loop: str
    file: str
    code: str
    now: datetime
    datasets: Mapping[str, DatasetVersion]
    champion: ModelVersion | None = None
    probe: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why a workshop stopped."""

    step: str
    message: str
    traceback: str
    code: str = "job-failed"


class Bench:
    """A turn's folder as both sides see it: results, progress and failures as files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def result(self, step: str, kind: type[T]) -> T | None:
        """The step's result if it is there."""
        try:
            return wire.load((self.folder / f"{step}.json").read_bytes(), kind)
        except FileNotFoundError:
            return None

    def keep(self, step: str, value: object) -> None:
        """Leave a result, whole or not at all."""
        self.folder.mkdir(parents=True, exist_ok=True)
        unfinished = self.folder / f"{step}.{os.getpid()}.new"
        with unfinished.open("wb") as out:
            out.write(wire.dump(value))
            out.flush()
            os.fsync(out.fileno())
        unfinished.replace(self.folder / f"{step}.json")

    def do(self, step: str, kind: type[T], action: Callable[[], T]) -> T:
        """The step's result: the one that is there, or the one that `action` gives now.

        Raises:
            JobFailed: the action failed; the reason is left for the control plane.
        """
        done = self.result(step, kind)
        if done is not None:
            return done
        self.say(step, "")
        try:
            value = action()
        except BaseException as error:
            self.keep("failure", _failure(step, error))
            raise
        self.keep(step, value)
        return value

    def say(self, step: str, note: str) -> None:
        """Tell how far the step is."""
        with (self.folder / "progress.txt").open("a", encoding="utf-8") as out:
            out.write(f"{step}\t{' '.join(note.split())}\n")

    def heard(self, step: str) -> str:
        """What was last said of the step."""
        try:
            said = (self.folder / "progress.txt").read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return ""
        return next((note for line in reversed(said) for name, _, note in [line.partition("\t")] if name == step), "")

    def latest(self) -> str:
        """What was last said, of whichever step: its name and the note."""
        try:
            said = (self.folder / "progress.txt").read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return ""
        return " ".join(said[-1].split("\t")).strip() if said else ""


class Workshop:
    """The control plane's side: starts the process, waits for results, starts it again when it was killed."""

    def __init__(self, world: World, turn: Turn, *, room: str = "") -> None:
        self._world = world
        self._name = f"{turn.id}-{room}" if room else turn.id
        self.bench = Bench(world.home / "jobs" / self._name)

    def open(self, order: Order) -> None:
        """Lay the order on the bench (again: no harm)."""
        self.bench.keep("order", order)

    def look(self, step: str, kind: type[T]) -> T | None:
        """The step's result, or None while it is being worked on.

        Raises:
            JobFailed: user code failed, or the process was killed too often.
        """
        result = self.bench.result(step, kind)
        if result is not None:
            return result
        attempt = max(1, self._attempts())
        job, folder = self._job(attempt)
        state = self._world.launcher.poll(job, folder=folder).state if folder.exists() else "unstarted"
        if state == "running":
            return None
        result = self.bench.result(step, kind)
        if result is not None:
            return result
        failure = self.bench.result("failure", Failure)
        if failure is not None:
            raise JobFailed(f"{failure.step} failed: {failure.message}", traceback=failure.traceback)
        if state != "unstarted":
            attempt += 1
        if attempt > ATTEMPTS:
            tail = self._world.launcher.poll(job, folder=folder).tail
            raise JobFailed(f"the process of {step} died {ATTEMPTS} times without a word", traceback=tail)
        self._start(attempt)
        return None

    def stop(self) -> None:
        """End the process, if it runs."""
        if self._attempts():
            job, folder = self._job(self._attempts())
            self._world.launcher.stop(job, folder=folder)

    def _attempts(self) -> int:
        return len(list(self.bench.folder.glob("attempt-*")))

    def _job(self, attempt: int) -> tuple[str, Path]:
        return f"{self._name}-{attempt}", self.bench.folder / f"attempt-{attempt}"

    def _start(self, attempt: int) -> None:
        job, folder = self._job(attempt)
        folder.mkdir(parents=True, exist_ok=True)
        command = [*self._world.job_command, str(self.bench.folder)]
        self._world.launcher.launch(job, command, folder=folder, env={"PYTHONHASHSEED": "0"})


def _failure(step: str, error: BaseException) -> Failure:
    if isinstance(error, NoriaError):
        told = getattr(error, "traceback", "") or ""
        return Failure(step=step, message=error.message, traceback=told or "".join(traceback.format_exception(error)), code=error.code)
    said = str(error).splitlines()[0] if str(error) else ""
    return Failure(step=step, message=f"{type(error).__name__}: {said}", traceback="".join(traceback.format_exception(error)))
