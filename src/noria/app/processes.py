"""A home's own processes: where each says that it runs, and how another finds or ends it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from noria.core.errors import NotAllowed

NAMES = ("supervisor", "server", "dataplane")
ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
"""Servers do many small sums: a team of threads for each costs more than it gives."""


def pid_file(home: Path, name: str) -> Path:
    """Where a process of the home says that it runs."""
    return home / "run" / f"{name}.pid"


@contextlib.contextmanager
def running(home: Path, name: str) -> Iterator[None]:
    """Say that this process is the home's `name` until the end of the block.

    Raises:
        NotAllowed: another one is already.
    """
    other = pid_of(home, name)
    if other is not None and other != os.getpid():
        raise NotAllowed(f"the {name} of {home} runs already (pid {other})", fix="`noria stop` ends it")
    file = pid_file(home, name)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"{os.getpid()} {_born(os.getpid())}")
    try:
        yield
    finally:
        if pid_of(home, name) == os.getpid():
            file.unlink(missing_ok=True)


def pid_of(home: Path, name: str) -> int | None:
    """The pid of the home's living process of that name."""
    try:
        pid, _, born = pid_file(home, name).read_text().partition(" ")
    except FileNotFoundError:
        return None
    return int(pid) if pid.isdigit() and born and _born(int(pid)) == born else None


def start(home: Path, module: str) -> subprocess.Popen[bytes]:
    """Start `python -m module HOME`; what it says goes to `home/run/<module>.log`."""
    folder = home / "run"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"{module.rpartition('.')[2]}.log").open("ab") as log:
        command = [sys.executable, "-m", module, str(home)]
        return subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, env={**ONE_THREAD, **os.environ})


def end(home: Path, name: str, *, grace_s: float = 15.0) -> bool:
    """End the home's process of that name; returns whether there was one. Killed when it does not go within `grace_s`."""
    pid = pid_of(home, name)
    if pid is None:
        return False
    for sign, patience in ((signal.SIGTERM, grace_s), (signal.SIGKILL, 5.0)):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, sign)
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            if pid_of(home, name) != pid:
                return True
            time.sleep(0.05)
    return True


def _born(pid: int) -> str:
    """When the process began, in clock ticks since boot: a pid that was given away again is not mistaken."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return _born_elsewhere(pid)
    return "" if fields[0] == "Z" else fields[19]


def _born_elsewhere(pid: int) -> str:
    """Where there is no /proc: the start time that `ps` tells."""
    if Path("/proc/self/stat").exists():
        return ""
    told = subprocess.run(["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return told.stdout.strip().replace(" ", "_")
