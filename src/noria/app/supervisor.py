"""Keeps a home's two servers alive: starts them, starts them again when they die, ends them together."""

from __future__ import annotations

import errno
import logging
import signal
import socket
import subprocess
import sys
import threading
import time
from importlib.util import find_spec

import httpx

from noria.app.processes import end, pid_of, running, start
from noria.app.settings import Settings, read
from noria.core.errors import SettingsInvalid, Unavailable

MODULES = {"server": "noria.server", "dataplane": "noria.dataplane"}
logger = logging.getLogger("noria.supervisor")


class Supervisor:
    """The servers of one home as this process's children."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        self._started_at: dict[str, float] = {}
        self._over = threading.Event()
        self._watcher = threading.Thread(target=self._watch, name="supervisor", daemon=True)

    def __enter__(self) -> Supervisor:
        free_ports(self._settings)
        for name in MODULES:
            self._start(name)
        self._watcher.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._watcher.join()
        for name in ("dataplane", "server"):
            end(self._settings.folder, name)
        for child in self._children.values():
            if child.poll() is None:
                child.terminate()
            child.wait(timeout=20)

    def wait_until_up(self, *, patience_s: float = 60.0) -> None:
        """Return when the control plane answers and the data plane listens.

        Raises:
            Unavailable: one did not come up; its log is named.
        """
        deadline = time.monotonic() + patience_s
        for name, url in addresses(self._settings).items():
            while not alive(url):
                if time.monotonic() > deadline:
                    log = self._settings.folder / "run" / f"{name}.log"
                    tail = log.read_text(errors="replace")[-1_500:] if log.exists() else ""
                    raise Unavailable(f"the {name} did not come up within {patience_s:.0f} s\n{tail}", fix=f"read {log}")
                time.sleep(0.05)

    def _watch(self) -> None:
        while not self._over.wait(0.2):
            for name, child in list(self._children.items()):
                if child.poll() is not None and time.monotonic() - self._started_at[name] > 1.0:
                    logger.warning("%s ended with %s and is started again", name, child.returncode)
                    self._start(name)

    def _start(self, name: str) -> None:
        if pid_of(self._settings.folder, name) is not None:
            end(self._settings.folder, name)
        self._children[name] = start(self._settings.folder, MODULES[name])
        self._started_at[name] = time.monotonic()


def free_ports(settings: Settings) -> None:
    """Make sure that what answers on the home's ports will be the home's own servers.

    Raises:
        Unavailable: another program listens on one, or nobody may.
    """
    for name, port in (("server", settings.port), ("dataplane", settings.serve_port), ("dataplane", settings.grpc_port)):
        if not port or pid_of(settings.folder, name) is not None:
            continue
        family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
        try:
            socket.create_server((settings.host, port), family=family).close()
        except OSError as error:
            taken = error.errno == errno.EADDRINUSE
            why = "another program listens there, perhaps another Noria" if taken else error.strerror
            raise Unavailable(
                f"the {name} cannot listen on {settings.host}:{port}: {why}",
                fix="choose other ports: --port, --serve-port and --grpc-port" + (", or end the other one" if taken else ""),
            ) from error


def grpc_there(port: int) -> None:
    """Make sure that a port for gRPC can be opened at all.

    Raises:
        SettingsInvalid: it is set, but the extra is not installed.
    """
    if port and not all(map(find_spec, ("grpc", "google", "google.protobuf"))):
        raise SettingsInvalid(f"gRPC shall be served on port {port}, but its libraries are missing", fix='pip install "noria[grpc]"')


def addresses(settings: Settings) -> dict[str, str]:
    """Where each server of the home listens."""
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return {"server": f"{settings.scheme}://{host}:{settings.port}", "dataplane": f"{settings.scheme}://{host}:{settings.serve_port}"}


def alive(url: str) -> bool:
    """Whether a server answers at the address; nothing is told to it, so any certificate will do."""
    try:
        return httpx.get(f"{url}/health/live", timeout=2.0, verify=False).status_code < 500
    except httpx.HTTPError:
        return False


def main(home: str) -> None:
    """Supervise until SIGTERM or SIGINT: `python -m noria.app.supervisor HOME`."""
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(name)s %(message)s")
    settings, over = read(home), threading.Event()
    for ending in (signal.SIGTERM, signal.SIGINT):
        signal.signal(ending, lambda *_: over.set())
    with running(settings.folder, "supervisor"), Supervisor(settings):
        over.wait()


if __name__ == "__main__":
    main(sys.argv[1])
