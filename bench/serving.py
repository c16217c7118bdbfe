"""How fast the data plane answers, against its own parts and against other servers, in one run on the same cores.

    python bench/serving.py [--seconds 4] [--rounds 1] [--models trees,pipeline] [--rows 1,100] [--connections 1,16,64] [--only noria,MLServer]

Two models (LightGBM of 200 trees over 30 numbers; imputer, scaler, one-hot and logistic regression),
asked by `wrk` with rotating rows, every server with one worker and one thread per model call. Each
server is first asked eight times and its answers compared with Noria's. Peers get environments of
their own under `~/.cache/noria-bench`; one that cannot be installed is left out and named. CPU is
that of all the server's processes; requests per second also depend on `wrk`, which shares the cores.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
from servers import load, models
from servers.contenders import Contender, own, peers

PEERS = Path.home() / ".cache" / "noria-bench"
Results = dict[tuple[str, str, int, int], load.Measured]


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--seconds", type=float, default=4.0)
    options.add_argument("--rounds", type=int, default=1)
    for name, default in (("models", "trees,pipeline"), ("rows", "1,100"), ("connections", "1,16,64"), ("only", "")):
        options.add_argument(f"--{name}", default=default)
    asked = options.parse_args()
    if shutil.which("wrk") is None:
        raise SystemExit("this benchmark needs wrk: apt-get install wrk, or brew install wrk")
    contenders = [*own(), *(peers(PEERS) if not asked.only or set(asked.only.split(",")) - {one.name for one in own()} else [])]
    if asked.only:
        contenders = [one for one in contenders if one.name in asked.only.split(",")]
    results: Results = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        models.make(folder)
        for model in asked.models.split(","):
            right: list[float] = []
            for contender in contenders * asked.rounds:
                if model in contender.models:
                    right = measure(contender, model, folder, asked, right, results)
            report(model, results)


def measure(contender: Contender, model: str, folder: Path, asked: argparse.Namespace, right: list[float], results: Results) -> list[float]:
    """Start it, see that it answers right, and load it; returns the right answers."""
    port = free_port()
    command, environment = contender.command(port, model, folder)
    quiet = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "BENTOML_DO_NOT_TRACK": "True"}
    with (folder / "server.log").open("wb") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ, **quiet, **environment}, cwd=Path(__file__).parent)
    try:
        url = f"http://127.0.0.1:{port}"
        cold_s = load.wait_until(url + contender.ready, server) if contender.ready else listening(port, server)
        rows = models.rows(folder, model)
        if contender.answers is not None:
            answered = [value for row in rows[:8] for value in contender.answers(ask(url + contender.path(model), contender.body([row])))]
            right = right or answered
            worst = float(np.max(np.abs(np.array(answered) - right)))
            if worst > 1e-4:
                print(f"{contender.name}: its answers differ by {worst:.2g} from the first server's")
        print(f"\n{contender.name}, {model}: ready after {cold_s:.2f} s, {load.memory_mb(server.pid):.0f} MB at rest", flush=True)
        for count in map(int, asked.rows.split(",")):
            bodies = [contender.body([rows[(at + n) % len(rows)] for n in range(count)]) for at in range(256 if count == 1 else 32)]
            for connections in map(int, asked.connections.split(",")):
                found = load.run(server, url + contender.path(model), bodies, connections=connections, seconds=asked.seconds, folder=folder)
                key = (contender.name, model, count, connections)
                results[key] = min(results.get(key, found), found, key=lambda one: one.cpu_us)
                print(
                    f"  {count:3} rows, {connections:2} connections: {found.rps:9,.0f} requests/s  {found.cpu_us:9,.1f} us CPU each  "
                    f"p50 {found.p50_ms:7.2f} ms  p99 {found.p99_ms:7.2f} ms  {found.memory_mb:4.0f} MB"
                    + f"  {found.errors} errors"
                    * bool(found.errors),
                    flush=True,
                )
    except (RuntimeError, OSError, KeyError, subprocess.CalledProcessError) as error:
        print(f"{contender.name}, {model}: left out: {error}\n{(folder / 'server.log').read_text(errors='replace')[-600:]}")
    finally:
        server.send_signal(signal.SIGTERM)
        try:
            server.wait(15)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()
    return right


def report(model: str, results: Results) -> None:
    """Ratios: Noria's requests per second to each other server's, and CPU beside it."""
    print(f"\n{model}: Noria with everything on, as a multiple of each server's requests per second (CPU per request beside it)")
    for count, connections in dict.fromkeys((key[2], key[3]) for key in results if key[1] == model):
        ours = results.get(("noria", model, count, connections))
        if ours is None:
            continue
        others = [(key[0], found) for key, found in results.items() if key[1:] == (model, count, connections) and key[0] != "noria"]
        told = "  ".join(f"{name} {ours.rps / found.rps:.2f} x ({found.cpu_us:,.0f} us)" for name, found in others)
        print(f"  {count:3} rows, {connections:2} connections ({ours.cpu_us:,.1f} us): {told}")


def ask(url: str, body: bytes) -> object:
    request = urllib.request.Request(url, data=body, headers={"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=20) as answer:
        return json.loads(answer.read())


def listening(port: int, server: subprocess.Popen[bytes]) -> float:
    """Seconds until it listens."""
    import time

    began = time.perf_counter()
    while time.perf_counter() - began < 30:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return time.perf_counter() - began
        except OSError:
            time.sleep(0.01)
    raise RuntimeError(f"the server does not listen: {server.poll()}")


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


if __name__ == "__main__":
    main()
