"""Tracking through MLflow's own client: python bench/tracking.py [--peer] [--points N] [--workers N]

Ours, a stub that answers an empty object to everything (the client's own limit) and, with `--peer`, MLflow's server
(one worker, SQLite, in an environment of its own under `~/.cache/noria-bench`), in the same run. Points one by one and
in batches of 1,000; single points by plain HTTP over 8 connections (needs `wrk`); a keep-alive request; a history of a
million points whole and thinned; start and memory. With `--workers 2`, ours as two processes too.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from servers import load
from servers.contenders import environment

PEERS = Path.home() / ".cache" / "noria-bench"
HISTORY = 1_000_000


@dataclass(frozen=True)
class Server:
    """One that is up."""

    process: subprocess.Popen[bytes]
    url: str
    ready_s: float


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--peer", action="store_true", help="measure MLflow's own server too")
    options.add_argument("--points", type=int, default=3_000)
    options.add_argument("--workers", type=int, default=1, help="measure ours as so many processes too")
    asked = options.parse_args()
    several = [f"noria of {asked.workers} processes"] if asked.workers > 1 else []
    single: dict[str, float] = {}
    batches: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for what in ("stub", "noria", *several, *(["mlflow"] if asked.peer else [])):
            try:
                with up(what, folder) as server:
                    print(f"\n{what}: ready after {server.ready_s:.2f} s, {at_rest(server, what):.0f} MB at rest", flush=True)
                    points = asked.points if what != "mlflow" else min(asked.points, 300)
                    single[what], batches[what] = by_client(server, what, points)
                    if what != "stub":
                        by_hand(server, folder)
                    if what == "noria":
                        histories(server)
                        print(f"  {load.memory_mb(server.process.pid):.0f} MB after that")
                if what != "stub":
                    with up(what, folder) as server:
                        told = f"ready after {server.ready_s:.2f} s, {at_rest(server, what):.0f} MB at rest"
                        print(f"{what}, on the store that is there: {told}")
            except (RuntimeError, OSError, subprocess.CalledProcessError) as error:
                print(f"{what}: left out: {str(error)[:300]}")
    for said, found, goal in (("one by one", single, 0.85), ("batches of 1,000", batches, 0.80)):
        if "noria" in found and "stub" in found:
            print(f"\n{said}: {found['noria'] / found['stub']:.2f} of the client's own limit (goal {goal:.2f})")
        if "noria" in found and "mlflow" in found:
            print(f"{said}: {found['noria'] / found['mlflow']:.1f} times MLflow's server")


@contextmanager
def up(what: str, folder: Path) -> Iterator[Server]:
    """Start one and end it again."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    quiet = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MLFLOW_DISABLE_TELEMETRY": "true"}
    more, cwd = {}, folder / what
    cwd.mkdir(exist_ok=True)
    if what == "stub":
        command = [sys.executable, str(Path(__file__).parent / "servers" / "stub.py"), str(port)]
    elif what.startswith("noria"):
        command = [sys.executable, "-m", "noria.server", str(cwd / "home")]
        more = {"NORIA_HOME": str(cwd / "home"), "NORIA_PORT": str(port), "NORIA_SERVER_WORKERS": str(processes(what))}
        (cwd / "home").mkdir(exist_ok=True)
    else:
        bin = environment(PEERS / "mlflow", ["mlflow==3.17.2"])
        command = [str(bin / "mlflow"), "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
        command += ["--backend-store-uri", f"sqlite:///{cwd}/mlflow.db", "--artifacts-destination", str(cwd / "files")]
    with (folder / f"{what}.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ, **quiet, **more}, cwd=cwd)
    try:
        yield Server(process, url, load.wait_until(f"{url}/health", process))
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def processes(what: str) -> int:
    """Of how many processes ours is."""
    return int(what.split()[2]) if " of " in what else 1


def at_rest(server: Server, what: str) -> float:
    """Memory of all its processes, once they are there."""
    if processes(what) > 1:
        time.sleep(5)
    return load.memory_mb(server.process.pid)


def by_client(server: Server, what: str, points: int) -> tuple[float, float]:
    """Points a second of the unmodified client: one by one, and in batches."""
    script = f"""
import time
from mlflow import MlflowClient
from mlflow.entities import Metric
client = MlflowClient({server.url!r})
run = {"'stub'" if what == "stub" else "client.create_run('0').info.run_id"}
client.log_metric(run, "warm", 0.0)
rounds = []
for _ in range(3):
    began = time.perf_counter()
    for n in range({points}): client.log_metric(run, "loss", n / 3, step=n)
    rounds.append({points} / (time.perf_counter() - began))
batches = []
for size in range(3):
    began = time.perf_counter()
    for start in range({max(2, points // 100)}):
        client.log_batch(run, metrics=[Metric("batch", n / 7, 1700000000000 + start * 1000 + n, start * 1000 + n) for n in range(1000)])
    batches.append({max(2, points // 100)} * 1000 / (time.perf_counter() - began))
print(sorted(rounds)[1], sorted(batches)[1])
"""
    quiet = {"MLFLOW_TRACKING_URI": server.url, "MLFLOW_DISABLE_TELEMETRY": "true"}
    before = load._cpu_s(server.process.pid)
    said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, env={**os.environ, **quiet}).stdout
    spent = load._cpu_s(server.process.pid) - before
    one, many = map(float, said.split()[-2:])
    print(f"  MLflow's client: {one:,.0f} points/s one by one, {many:,.0f} in batches of 1,000; the server's CPU {spent:.2f} s", flush=True)
    return one, many


def by_hand(server: Server, folder: Path) -> None:
    """Plain HTTP: one request at a time on a kept connection, and single points over 8 connections."""
    connection = http.client.HTTPConnection(server.url.removeprefix("http://"))
    took = []
    for _ in range(300):
        began = time.perf_counter()
        connection.request("GET", "/health")
        connection.getresponse().read()
        took.append(1e3 * (time.perf_counter() - began))
    run = post(connection, "runs/create", {"experiment_id": "0", "start_time": 1})["run"]["info"]["run_id"]
    print(f"  a kept connection: GET /health p50 {statistics.median(took):.2f} ms, p99 {sorted(took)[-3]:.2f} ms", flush=True)
    if shutil.which("wrk") is None:
        print("  single points over 8 connections: left out, wrk is missing (apt-get install wrk)")
        return
    bodies = [
        json.dumps({"run_id": run, "key": f"k{n % 10}", "value": n / 3, "timestamp": 1_700_000_000_000 + n, "step": n}).encode()
        for n in range(50_000)
    ]
    found = load.run(server.process, f"{server.url}/api/2.0/mlflow/runs/log-metric", bodies, connections=8, seconds=4, folder=folder)
    told = f"{found.rps:,.0f} points/s, {found.cpu_us:.0f} us CPU each, p50 {found.p50_ms:.2f} ms, p99 {found.p99_ms:.2f} ms"
    print(f"  plain HTTP, 8 connections: {told}, {found.errors} errors (goal 5,000/s: {found.rps / 5_000:.2f})", flush=True)


def histories(server: Server) -> None:
    """A million points of one metric: logged, fetched page by page, and thinned for a plot."""
    connection = http.client.HTTPConnection(server.url.removeprefix("http://"))
    run = post(connection, "runs/create", {"experiment_id": "0", "start_time": 1})["run"]["info"]["run_id"]
    began = time.perf_counter()
    for start in range(0, HISTORY, 1_000):
        points = [{"key": "long", "value": n / 3, "timestamp": 1_700_000_000_000 + n, "step": n} for n in range(start, start + 1_000)]
        post(connection, "runs/log-batch", {"run_id": run, "metrics": points})
    print(f"  {HISTORY:,} points by plain batches: {HISTORY / (time.perf_counter() - began):,.0f} points/s", flush=True)
    path, fetched, token = f"/api/2.0/mlflow/metrics/get-history?run_id={run}&metric_key=long&max_results=25000", 0, ""
    began = time.perf_counter()
    while True:
        connection.request("GET", path + (f"&page_token={token}" if token else ""))
        said = json.loads(connection.getresponse().read())
        fetched, token = fetched + len(said["metrics"]), said.get("next_page_token", "")
        if not token:
            break
    whole_s = time.perf_counter() - began
    began = time.perf_counter()
    connection.request("GET", f"/api/2.0/mlflow/metrics/get-history-bulk-interval?run_ids={run}&metric_key=long&max_results=2000")
    thinned = json.loads(connection.getresponse().read())["metrics"]
    thin_s = time.perf_counter() - began
    print(f"  history: {fetched:,} points fetched in {whole_s:.2f} s, thinned to {len(thinned):,} in {thin_s:.2f} s (goal 1 s)", flush=True)


def post(connection: http.client.HTTPConnection, path: str, body: object) -> dict:
    connection.request("POST", f"/api/2.0/mlflow/{path}", json.dumps(body), {"content-type": "application/json"})
    answer = connection.getresponse()
    said = json.loads(answer.read())
    if answer.status != 200:
        raise RuntimeError(str(said)[:300])
    return said


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


if __name__ == "__main__":
    main()
