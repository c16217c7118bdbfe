"""What the machine does while a run goes on: processor, memory, disk, network and GPUs, under the names that MLflow gives them.

Read from /proc and the cgroup where there are any, from `psutil` where it is installed and they are not.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path

from noria.client.gpus import Gpus

MEGABYTE = 1e6
Reading = dict[str, float]


class Machine:
    """Takes readings; rates and shares are of the time since the one before."""

    def __init__(self, *, proc: Path = Path("/proc"), gpus: Gpus | None = None) -> None:
        self._proc = proc
        self._gpus = gpus
        self._busy = _processor_times(proc)
        self._network = _network_bytes(proc)
        self._process_s = sum(os.times()[:4])
        self._at = time.monotonic()

    def read(self) -> Reading:
        """All that can be read here; what cannot is left out."""
        found: Reading = {}
        for part in (self._processor, self._memory, self._disk, self._traffic, self._process, self._accelerators):
            try:
                found |= part()
            except (OSError, ValueError, IndexError, KeyError):
                continue
        return {f"system/{name}": value for name, value in found.items()}

    def _processor(self) -> Reading:
        before, self._busy = self._busy, _processor_times(self._proc)
        if before is None or self._busy is None or self._busy[1] <= before[1]:
            return {}
        return {"cpu_utilization_percentage": 100 * (self._busy[0] - before[0]) / (self._busy[1] - before[1])}

    def _memory(self) -> Reading:
        used, whole = _memory_bytes(self._proc)
        return {"system_memory_usage_megabytes": used / MEGABYTE, "system_memory_usage_percentage": 100 * used / whole}

    def _disk(self) -> Reading:
        disk = shutil.disk_usage(".")
        told = {"disk_usage_megabytes": disk.used, "disk_available_megabytes": disk.free}
        return {name: size / MEGABYTE for name, size in told.items()} | {"disk_usage_percentage": 100 * disk.used / disk.total}

    def _traffic(self) -> Reading:
        """Megabytes since the run began, as MLflow counts them."""
        now = _network_bytes(self._proc)
        if now is None or self._network is None:
            return {}
        received, sent = (max(0, one - first) / MEGABYTE for one, first in zip(now, self._network, strict=True))
        return {"network_receive_megabytes": received, "network_transmit_megabytes": sent}

    def _process(self) -> Reading:
        """The process itself, its children that have ended included: 100 % is one core."""
        used_s, now = sum(os.times()[:4]), time.monotonic()
        share = 100 * (used_s - self._process_s) / max(now - self._at, 1e-9)
        self._process_s, self._at = used_s, now
        return {"process_cpu_percentage": share} | _resident(self._proc)

    def _accelerators(self) -> Reading:
        return self._gpus.read() if self._gpus is not None else {}


def _processor_times(proc: Path) -> tuple[float, float] | None:
    """Busy and whole time of all cores."""
    try:
        with (proc / "stat").open() as told:
            times = [float(one) for one in told.readline().split()[1:9]]
        return sum(times) - times[3] - times[4], sum(times)
    except (OSError, ValueError, IndexError):
        return _from_psutil(lambda psutil: (lambda t: (sum(t) - t.idle, sum(t)))(psutil.cpu_times()))


def _memory_bytes(proc: Path) -> tuple[float, float]:
    """Used and whole memory: the container's where one is limited."""
    try:
        told = dict(line.split(":", 1) for line in (proc / "meminfo").read_text().splitlines())
        whole, free = (float(told[name].split()[0]) * 1024 for name in ("MemTotal", "MemAvailable"))
    except OSError:
        found = _from_psutil(lambda psutil: (lambda m: (m.total - m.available, m.total))(psutil.virtual_memory()))
        if found is None:
            raise
        return found
    limit = _number_in(Path("/sys/fs/cgroup/memory.max"))
    if limit is not None and limit < whole:
        return _number_in(Path("/sys/fs/cgroup/memory.current")) or 0.0, limit
    return whole - free, whole


def _network_bytes(proc: Path) -> tuple[float, float] | None:
    """Received and sent bytes of all devices but the loopback."""
    try:
        lines = (proc / "net" / "dev").read_text().splitlines()[2:]
    except OSError:
        return _from_psutil(lambda psutil: (lambda n: (n.bytes_recv, n.bytes_sent))(psutil.net_io_counters()))
    counts = [line.split(":", 1)[1].split() for line in lines if ":" in line and line.split(":", 1)[0].strip() != "lo"]
    return sum(float(one[0]) for one in counts), sum(float(one[8]) for one in counts)


def _resident(proc: Path) -> Reading:
    pages = int((proc / "self" / "statm").read_text().split()[1])
    return {"process_memory_megabytes": pages * os.sysconf("SC_PAGE_SIZE") / MEGABYTE}


def _number_in(file: Path) -> float | None:
    try:
        return float(file.read_text())
    except (OSError, ValueError):
        return None


def _from_psutil(ask: Callable[..., tuple[float, float]]) -> tuple[float, float] | None:
    """Ask psutil if the script has it anyway, or it is there to be loaded."""
    if "psutil" not in sys.modules:
        try:
            import psutil  # noqa: F401
        except ImportError:
            return None
    return ask(sys.modules["psutil"])
