"""Requests per second and CPU per request of the data plane, against a constant answer on the same server in the same run.

    python bench/serving_smoke.py [--seconds 4] [--concurrency 32] [--canary 0.2]

The model is a small LightGBM when it can be trained here, else a logistic stub. CPU is the server's
own (user and system); requests per second also depend on the load generator, which shares the cores.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import uvloop

from noria.adapters.journal_files import FileJournalWriter
from noria.core.schema import Field, Kind, Signature, Task
from noria.core.traffic import Plan, Route, ServedVersion
from noria.dataplane.main import Parts, run
from noria.dataplane.model_main import run_model
from noria.ports import wire
from noria.stages.serving.plans import publish

CARRIERS = ("AA", "B6", "DL", "EV", "MQ", "UA", "US", "WN")
SIGNATURE = Signature(
    inputs=(
        Field(name="tail", kind=Kind.TEXT),
        Field(name="carrier", kind=Kind.TEXT),
        Field(name="origin", kind=Kind.TEXT),
        Field(name="dest", kind=Kind.TEXT),
        Field(name="scheduled_at", kind=Kind.TIME),
        Field(name="distance", kind=Kind.FLOAT),
        Field(name="seats", kind=Kind.INT),
        Field(name="cargo", kind=Kind.BOOL),
    ),
    features=(
        Field(name="carrier", kind=Kind.TEXT, categories=CARRIERS),
        Field(name="origin", kind=Kind.TEXT, categories=("EWR", "JFK", "LGA")),
        Field(name="distance", kind=Kind.FLOAT),
        Field(name="seats", kind=Kind.INT),
        Field(name="cargo", kind=Kind.BOOL),
        Field(name="wind", kind=Kind.FLOAT),
        Field(name="visibility", kind=Kind.FLOAT),
        Field(name="hour", kind=Kind.FLOAT),
    ),
    task=Task.BINARY,
    classes=("on-time", "late"),
    key="tail",
)


class Trees:
    def __init__(self) -> None:
        from lightgbm import LGBMClassifier

        rng = np.random.default_rng(7)
        matrix = rng.normal(size=(4_000, len(SIGNATURE.features)))
        label = matrix[:, 2] + rng.normal(size=4_000) > 0
        model = LGBMClassifier(n_estimators=100, num_leaves=31, verbose=-1, n_jobs=1).fit(matrix, label)
        self._booster = model.booster_

    def score(self, matrix: np.ndarray) -> np.ndarray:
        return self._booster.predict(matrix, num_threads=1)


class Logistic:
    def score(self, matrix: np.ndarray) -> np.ndarray:
        return 1 / (1 + np.exp(-0.001 * np.nan_to_num(matrix).sum(axis=1)))


class Weather:
    def served(self, rows, now_ms):
        n = len(rows)
        return {"wind": [7.5] * n, "visibility": [10.0] * n, "hour": [float(at[11:13]) for at in rows.column("scheduled_at")]}


class WallClock:
    def now(self) -> datetime:
        return datetime.now(UTC)


async def constant(scope, receive, send) -> None:
    await receive()
    body = b'{"id":"req_01m838y4h8a47wq7nq","version":1,"prediction":0.5768852611320463,"role":"champion","label":"late"}'
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def serve(what: str, home: Path, port: int) -> None:
    if what == "constant":
        import uvicorn

        config = uvicorn.Config(
            constant, host="127.0.0.1", port=port, http="httptools", ws="none", lifespan="off", log_level="warning", access_log=False
        )
        uvloop.run(uvicorn.Server(config).serve())
        return
    model = os.environ.get("BENCH_MODEL", "trees")
    scorer = Trees if model == "trees" else Logistic
    run(
        Parts(
            plan_file=home / "plan.json",
            cache_folder=home / "dataplane",
            load_scorer=lambda artifact: scorer(),
            make_lookup=lambda version: Weather(),
            journal=FileJournalWriter(home / "journal", "plane"),
            clock=WallClock(),
            model_command=[sys.executable, __file__, "challenger"],
        ),
        "127.0.0.1",
        port,
    )


def bodies(n: int = 256) -> list[bytes]:
    rng = random.Random(3)
    rows = []
    for _ in range(n):
        inputs = {
            "tail": f"N{rng.randrange(4_000)}",
            "carrier": rng.choice(CARRIERS),
            "origin": rng.choice(("EWR", "JFK", "LGA")),
            "dest": rng.choice(("IAH", "MIA", "ATL")),
            "scheduled_at": f"2013-04-{rng.randrange(1, 28):02d}T{rng.randrange(24):02d}:15:00Z",
            "distance": rng.randrange(90, 4_900),
            "seats": rng.randrange(40, 300),
            "cargo": rng.random() < 0.5,
        }
        body = json.dumps({"inputs": inputs}).encode()
        rows.append(
            b"POST /predict/late HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body) + body
        )
    return rows


class Caller(asyncio.Protocol):
    """One connection in a closed loop: the next request leaves when the answer is whole."""

    def __init__(
        self, requests: list[bytes], until_s: float, latencies: list[float], statuses: dict[bytes, int], ended: asyncio.Future
    ) -> None:
        self._requests, self._until_s, self._latencies, self._statuses, self._ended = requests, until_s, latencies, statuses, ended
        self._held, self._sent_s = b"", 0.0

    def connection_made(self, transport) -> None:
        self._transport = transport
        self._send()

    def _send(self) -> None:
        self._sent_s = time.perf_counter()
        if self._sent_s > self._until_s:
            self._transport.close()
            return
        self._transport.write(random.choice(self._requests))

    def data_received(self, data: bytes) -> None:
        self._held += data
        head, found, body = self._held.partition(b"\r\n\r\n")
        if not found:
            return
        at = head.lower().index(b"content-length:") + 15
        if len(body) >= int(head[at : head.find(b"\r\n", at) if head.find(b"\r\n", at) > 0 else None]):
            self._statuses[head[9:12]] = self._statuses.get(head[9:12], 0) + 1
            self._latencies.append(time.perf_counter() - self._sent_s)
            self._held = b""
            self._send()

    def connection_lost(self, exc) -> None:
        if not self._ended.done():
            self._ended.set_result(None)


async def load(port: int, concurrency: int, seconds: float) -> tuple[list[float], dict[bytes, int]]:
    loop = asyncio.get_running_loop()
    latencies: list[float] = []
    statuses: dict[bytes, int] = {}
    requests, until_s = bodies(), time.perf_counter() + seconds
    endings = [loop.create_future() for _ in range(concurrency)]
    for ended in endings:
        await loop.create_connection(lambda ended=ended: Caller(requests, until_s, latencies, statuses, ended), "127.0.0.1", port)
    await asyncio.gather(*endings)
    return latencies, statuses


def cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure(what: str, home: Path, concurrency: int, seconds: float) -> tuple[float, float]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen([sys.executable, __file__, "serve", what, str(home), str(port)])
    try:
        wait_until_ready(port, "/health/ready")
        uvloop.run(load(port, concurrency, 0.7))
        before_s, began = cpu_s(server.pid), time.perf_counter()
        latencies, statuses = uvloop.run(load(port, concurrency, seconds))
        took, cpu = time.perf_counter() - began, cpu_s(server.pid) - before_s
        rss = Path(f"/proc/{server.pid}/status").read_text().split("VmRSS:")[1].split()[0]
        latencies.sort()
        n = len(latencies)
        print(
            f"{what:9} c={concurrency}: {n / took:8,.0f} requests/s  {1e6 * cpu / n:6.1f} us CPU/request  "
            f"p50 {1e3 * latencies[n // 2]:.2f} ms  p99 {1e3 * latencies[int(n * 0.99)]:.2f} ms  {int(rss) // 1024} MB  {statuses}"
        )
        return n / took, 1e6 * cpu / n
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(20)


def wait_until_ready(port: int, path: str) -> None:
    for _ in range(600):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}") as answer:
                if answer.status == 200:
                    return
        except OSError:
            time.sleep(0.05)
    raise SystemExit("the server did not get ready")


def main() -> None:
    if sys.argv[1:2] == ["serve"]:
        serve(sys.argv[2], Path(sys.argv[3]), int(sys.argv[4]))
        return
    if sys.argv[1:2] == ["challenger"]:
        version = wire.load(Path(sys.argv[3]).read_bytes(), ServedVersion)
        scorer = Trees if os.environ.get("BENCH_MODEL", "trees") == "trees" else Logistic
        run_model(Path(sys.argv[2]), version, lambda artifact: scorer(), lambda served: Weather())
        return
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--seconds", type=float, default=4.0)
    options.add_argument("--concurrency", type=int, default=32)
    options.add_argument("--canary", type=float, default=0.0)
    options.add_argument("--isolated", action="store_true", help="the champion answers from a process of its own")
    asked = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        version = ServedVersion(number=1, artifact="a", code="", signature=SIGNATURE, isolated=asked.isolated)
        challenger = ServedVersion(number=2, artifact="b", code="", signature=SIGNATURE) if asked.canary else None
        route = Route(deployment="late", champion=version, challenger=challenger, challenger_share=asked.canary, salt="s")
        publish(Plan(revision=1, routes={"late": route}), home / "plan.json")
        bare, bare_us = measure("constant", home, asked.concurrency, asked.seconds)
        ours, ours_us = measure("noria", home, asked.concurrency, asked.seconds)
        print(f"ratio: {ours / bare:.2f} of the constant answer's requests/s; {ours_us - bare_us:.1f} us CPU/request above it")


if __name__ == "__main__":
    main()
