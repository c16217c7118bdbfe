"""Load by `wrk`, which rotates over many bodies, and the clocks of a server's processes."""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_SCRIPT = """
local bodies = {{}}
for line in io.lines("{bodies}") do bodies[#bodies + 1] = line end
local n, headers = 0, {{["content-type"] = "application/json"}}
request = function()
  n = n % #bodies + 1
  return wrk.format("POST", "{path}", headers, bodies[n])
end
done = function(summary, latency, requests)
  io.write(string.format("RESULT %d %d %d %f %f\\n", summary.requests, summary.duration,
    summary.errors.status + summary.errors.connect + summary.errors.read + summary.errors.timeout,
    latency:percentile(50), latency:percentile(99)))
end
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One run: requests a second, CPU of all the server's processes per request, latencies."""

    rps: float
    cpu_us: float
    p50_ms: float
    p99_ms: float
    errors: int
    memory_mb: float


def run(server: subprocess.Popen[bytes], url: str, bodies: Sequence[bytes], *, connections: int, seconds: float, folder: Path) -> Measured:
    """Closed-loop load over `connections` for about `seconds`, after a warm-up."""
    base, _, path = url.removeprefix("http://").partition("/")
    lines, script = folder / "bodies.txt", folder / "load.lua"
    lines.write_bytes(b"\n".join(bodies))
    script.write_text(_SCRIPT.format(bodies=lines, path=f"/{path}"))
    _wrk(base, script, connections, 1)
    before = _cpu_s(server.pid)
    told = _wrk(base, script, connections, seconds)
    spent = _cpu_s(server.pid) - before
    requests, duration_us, errors, p50, p99 = re.search(r"RESULT (\d+) (\d+) (\d+) ([\d.]+) ([\d.]+)", told).groups()
    n = max(int(requests), 1)
    return Measured(
        rps=n / (int(duration_us) / 1e6),
        cpu_us=1e6 * spent / n,
        p50_ms=float(p50) / 1e3,
        p99_ms=float(p99) / 1e3,
        errors=int(errors),
        memory_mb=memory_mb(server.pid),
    )


def memory_mb(pid: int) -> float:
    """Proportional set size of a process and all its children."""
    total = 0
    for one in _family(pid):
        try:
            total += int(re.search(r"^Pss:\s+(\d+)", Path(f"/proc/{one}/smaps_rollup").read_text(), re.M).group(1))
        except OSError:
            continue
    return total / 1024


def _wrk(base: str, script: Path, connections: int, seconds: float) -> str:
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds:.0f}s", "--timeout", "20s", "-s", str(script), f"http://{base}"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def _cpu_s(pid: int) -> float:
    total = 0
    for one in _family(pid):
        try:
            fields = Path(f"/proc/{one}/stat").read_text().rsplit(") ", 1)[1].split()
            total += int(fields[11]) + int(fields[12])
        except OSError:
            continue
    return total / os.sysconf("SC_CLK_TCK")


def _family(pid: int) -> list[int]:
    found = [pid]
    for one in found:
        try:
            for task in Path(f"/proc/{one}/task").iterdir():
                found += [int(child) for child in (task / "children").read_text().split()]
        except OSError:
            continue
    return found


def wait_until(url: str, server: subprocess.Popen[bytes], *, patience_s: float = 90.0) -> float:
    """Seconds until a GET is answered with 200."""
    import urllib.error
    import urllib.request

    began = time.perf_counter()
    while time.perf_counter() - began < patience_s:
        if server.poll() is not None:
            raise RuntimeError(f"the server ended with {server.returncode}")
        try:
            with urllib.request.urlopen(url, timeout=2) as answer:
                if answer.status == 200:
                    return time.perf_counter() - began
        except OSError:
            time.sleep(0.01)
    raise RuntimeError("the server did not get ready")
