"""Jobs as processes of this machine, each in a session of its own: they outlive whoever launched them."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from noria.core.errors import JobFailed
from noria.ports.launcher import JobState

TAIL_BYTES = 4_000
"""How much of the end of a job's output `poll` shows."""

_STOPPED = 128 + signal.SIGTERM
_LOCK_TRIES, _LOCK_PAUSE_S = 20, 0.005
_LOOK_S = 0.02

_SCRIPT = """
echo $$ > "./$0.group.new" && mv "./$0.group.new" "./$0.group" || exit 1
( "$@"; echo $? > "./$0.exit.new"; mv "./$0.exit.new" "./$0.exit" ) &
"""
"""$0 is the job's name; the job runs in the background under a shell that notes its exit code, so that nobody has to wait for it."""


class Processes:
    """`Launcher` on one machine, for POSIX.

    A job is alive while somebody holds the lock on its `.lock` file: the launcher takes it, the job's
    processes inherit it, and the kernel lets it go with the last of them. So two launchers cannot both
    start a job, and no other process that was given a dead job's number is ever mistaken for it.
    """

    def launch(self, job: str, command: Sequence[str], *, folder: Path, env: Mapping[str, str] | None = None) -> None:
        """Start `command` in `folder` unless the job is there already; its output goes to `folder/output.log`.

        A job that is lost is started again; one that has ended or was stopped is not.

        Raises:
            JobFailed: the machine has no more processes or memory to give, or no shell.
        """
        folder.mkdir(parents=True, exist_ok=True)
        with _lock(folder / f"{job}.lock") as held, (folder / "output.log").open("ab") as output:
            if held is None or (folder / f"{job}.exit").exists():
                return
            try:
                subprocess.run(
                    ["sh", "-c", _SCRIPT, job, *command],
                    cwd=folder,
                    env={**os.environ, **(env or {})},
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    pass_fds=(held,),
                    start_new_session=True,
                    check=True,
                )
            except (OSError, subprocess.CalledProcessError) as error:
                raise JobFailed(f"job {job} did not start: {error}", fix="look at the machine's memory, disk and process limits") from error

    def poll(self, job: str, *, folder: Path) -> JobState:
        """Where the job is; "lost" also for one that was never started."""
        started = (folder / f"{job}.group").exists()
        state = "running" if started and _alive(folder, job) else "lost"
        code = _number(folder / f"{job}.exit")  # read after looking for life: a job that just ended has left it
        if code is not None:
            state = "succeeded" if code == 0 else "failed"
        return JobState(state=state, exit_code=code, tail=_tail(folder / "output.log"))

    def stop(self, job: str, *, folder: Path, grace_s: float = 5.0) -> None:
        """End it and all its children: SIGTERM, and SIGKILL to what is left after `grace_s`; no error if it has ended."""
        group = _number(folder / f"{job}.group")
        if group is None:
            return
        for order in (signal.SIGTERM, signal.SIGKILL):
            if _alive(folder, job):
                _signal(group, order)
                _wait_for_end(folder, job, grace_s)
        if _number(folder / f"{job}.exit") is None:
            note = folder / f"{job}.exit.stopped"
            note.write_text(f"{_STOPPED}\n")
            note.replace(folder / f"{job}.exit")


@contextmanager
def _lock(file: Path) -> Iterator[int | None]:
    """A descriptor that holds the file's lock, or None while somebody else does.

    `_alive` holds the lock for an instant when it looks: trying again tells it from a job.
    """
    handle = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        for _ in range(_LOCK_TRIES):
            if _locked(handle, fcntl.LOCK_EX):
                yield handle
                return
            time.sleep(_LOCK_PAUSE_S)
        yield None
    finally:
        os.close(handle)


def _locked(handle: int, kind: int) -> bool:
    try:
        fcntl.flock(handle, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _alive(folder: Path, job: str) -> bool:
    try:
        handle = os.open(folder / f"{job}.lock", os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        return not _locked(handle, fcntl.LOCK_SH)
    finally:
        os.close(handle)


def _signal(group: int, order: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.killpg(group, order)


def _wait_for_end(folder: Path, job: str, patience_s: float) -> None:
    deadline = time.monotonic() + patience_s
    while _alive(folder, job) and time.monotonic() < deadline:
        time.sleep(_LOOK_S)


def _number(file: Path) -> int | None:
    try:
        return int(file.read_text())
    except (FileNotFoundError, ValueError):
        return None


def _tail(file: Path) -> str:
    try:
        with file.open("rb") as output:
            output.seek(max(0, output.seek(0, os.SEEK_END) - TAIL_BYTES))
            return output.read().decode(errors="replace")
    except FileNotFoundError:
        return ""
