"""One row over gRPC against one row over HTTP, from the same process in the same run, and against a bare gRPC server.

    python bench/grpc_face.py [--seconds 4] [--concurrency 32]

The model is that of `serving_smoke.py`. CPU is the server's own (user and system) and the steadiest number;
requests per second depend on the load generator as well: over gRPC it is grpc.aio, which costs as much as the server,
so calls come one by one and are predicted one by one; HTTP with one caller is what that compares with.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import grpc
import uvloop
from grpc import aio

import serving_smoke as smoke
from noria.core.traffic import Plan, Route, ServedVersion
from noria.dataplane.grpc.messages import oip
from noria.stages.serving.plans import publish

INFER = "/inference.GRPCInferenceService/ModelInfer"


def serve(what: str, home: Path, port: int, grpc_port: int) -> None:
    if what == "bare":
        uvloop.run(bare(grpc_port))
        return
    run = smoke.run
    smoke.run = lambda parts, host, port: run(replace(parts, grpc_port=grpc_port), host, port)
    smoke.serve("noria", home, port)


async def bare(port: int) -> None:
    answer = oip["ModelInferResponse"](model_name="late", model_version="1")
    answer.outputs.add(name="prediction", datatype="FP64", shape=[1, 1])
    answer.raw_output_contents.append(bytes(8))
    said = answer.SerializeToString()

    async def constant(data: bytes, context) -> bytes:
        return said

    server = aio.server()
    methods = {"ModelInfer": grpc.unary_unary_rpc_method_handler(constant)}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("inference.GRPCInferenceService", methods),))
    server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    await server.wait_for_termination()


def requests(n: int = 256) -> list[bytes]:
    rng = random.Random(3)
    made = []
    for _ in range(n):
        request = oip["ModelInferRequest"](model_name="late")
        values = {
            "tail": ("BYTES", f"N{rng.randrange(4_000)}".encode()),
            "carrier": ("BYTES", rng.choice(smoke.CARRIERS).encode()),
            "origin": ("BYTES", rng.choice((b"EWR", b"JFK", b"LGA"))),
            "dest": ("BYTES", rng.choice((b"IAH", b"MIA", b"ATL"))),
            "scheduled_at": ("BYTES", f"2013-04-{rng.randrange(1, 28):02d}T{rng.randrange(24):02d}:15:00Z".encode()),
            "distance": ("FP64", float(rng.randrange(90, 4_900))),
            "seats": ("INT64", rng.randrange(40, 300)),
            "cargo": ("BOOL", rng.random() < 0.5),
        }
        lists = {"BYTES": "bytes_contents", "FP64": "fp64_contents", "INT64": "int64_contents", "BOOL": "bool_contents"}
        for name, (datatype, value) in values.items():
            one = request.inputs.add(name=name, datatype=datatype, shape=[1, 1])
            getattr(one.contents, lists[datatype]).append(value)
        made.append(request.SerializeToString())
    return made


async def load(port: int, concurrency: int, seconds: float) -> list[float]:
    latencies: list[float] = []
    sent, until_s = requests(), time.perf_counter() + seconds
    async with aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        infer = channel.unary_unary(INFER)

        async def caller() -> None:
            while (began_s := time.perf_counter()) < until_s:
                await infer(random.choice(sent), wait_for_ready=True)
                latencies.append(time.perf_counter() - began_s)

        await asyncio.gather(*(caller() for _ in range(concurrency)))
    return latencies


async def http_load(port: int, concurrency: int, seconds: float) -> list[float]:
    latencies, statuses = await smoke.load(port, concurrency, seconds)
    assert set(statuses) == {b"200"}, statuses
    return latencies


def measured(label: str, pid: int, generator, port: int, concurrency: int, seconds: float) -> tuple[float, float]:
    uvloop.run(generator(port, concurrency, 0.7))
    before_s, began = smoke.cpu_s(pid), time.perf_counter()
    latencies = sorted(uvloop.run(generator(port, concurrency, seconds)))
    took, cpu, n = time.perf_counter() - began, smoke.cpu_s(pid) - before_s, len(latencies)
    print(
        f"{label:10} c={concurrency}: {n / took:8,.0f} requests/s  {1e6 * cpu / n:6.1f} us CPU/request  "
        f"p50 {1e3 * latencies[n // 2]:.2f} ms  p99 {1e3 * latencies[int(n * 0.99)]:.2f} ms"
    )
    return n / took, 1e6 * cpu / n


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def started(what: str, home: Path) -> tuple[subprocess.Popen[bytes], int, int]:
    port, grpc_port = free_port(), free_port()
    return subprocess.Popen([sys.executable, __file__, "serve", what, str(home), str(port), str(grpc_port)]), port, grpc_port


def ended(server: subprocess.Popen[bytes]) -> None:
    server.send_signal(signal.SIGTERM)
    server.wait(30)


def main() -> None:
    if sys.argv[1:2] == ["serve"]:
        serve(sys.argv[2], Path(sys.argv[3]), int(sys.argv[4]), int(sys.argv[5]))
        return
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--seconds", type=float, default=4.0)
    options.add_argument("--concurrency", type=int, default=32)
    asked = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        version = ServedVersion(number=1, artifact="a", code="", signature=smoke.SIGNATURE)
        publish(Plan(revision=1, routes={"late": Route(deployment="late", champion=version, salt="s")}), home / "plan.json")
        server, _, port = started("bare", home)
        bare_rate, bare_us = measured("bare gRPC", server.pid, load, port, asked.concurrency, asked.seconds)
        ended(server)
        server, http_port, grpc_port = started("noria", home)
        smoke.wait_until_ready(http_port, "/health/ready")
        http_rate, http_us = measured("HTTP", server.pid, http_load, http_port, asked.concurrency, asked.seconds)
        alone_rate, alone_us = measured("HTTP", server.pid, http_load, http_port, 1, asked.seconds)
        rate, us = measured("gRPC", server.pid, load, grpc_port, asked.concurrency, asked.seconds)
        ended(server)
    print(
        f"ratio: gRPC {rate / http_rate:.2f} of HTTP's requests/s at {us / http_us:.1f} times its CPU "
        f"({us / alone_us:.1f} times that of HTTP with one caller, {alone_rate:,.0f} requests/s); "
        f"{rate / bare_rate:.2f} of a bare gRPC server's, {us - bare_us:.0f} us CPU/request above it"
    )


if __name__ == "__main__":
    main()
