"""How fast traces are taken through MLflow's own client, against an empty server, and how fast 100,000 are searched.

    python bench/traces.py            # all, about three minutes
    python bench/traces.py --traces 500 --stored 20000

The client traces one call with two spans within it, logging in its own thread, so that its limit is seen; the stub answers
every request with what the client needs and keeps nothing. Ratios are of traces per second, same client, same run.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx

SERVER = """
import sys, pathlib, socket
import uvicorn
folder = pathlib.Path(sys.argv[1])
if sys.argv[2] == "stub":
    ANSWERS = {
        "/version": (b"3.17.2", b"text/plain"),
        "/v1/traces": (b"", b"application/x-protobuf"),
        "/api/3.0/mlflow/traces": (b'{"trace":{"trace_info":{"trace_id":"tr-1","trace_location":{"type":"MLFLOW_EXPERIMENT","mlflow_experiment":{"experiment_id":"0"}},"request_time":"2026-01-01T00:00:00Z","state":"OK","tags":{"mlflow.trace.spansLocation":"TRACKING_STORE"}}}}', b"application/json"),
    }
    async def app(scope, receive, send):
        while (await receive()).get("more_body"):
            pass
        body, kind = ANSWERS.get(scope["path"], (b"{}", b"application/json"))
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", kind), (b"content-length", str(len(body)).encode())]})
        await send({"type": "http.response.body", "body": body})
else:
    from noria.adapters.files import Files
    from noria.adapters.sqlite import Sqlite
    from noria.adapters.system_clock import SystemClock
    from noria.core.rights import LOCAL
    from noria.ledger.book import Ledger
    from noria.server.mlflow.app import MlflowApp
    from noria.server.mlflow.endpoints import Tracking
    from noria.server.mlflow.table import ENDPOINTS
    store, wall = Sqlite(folder / "noria.db"), SystemClock()
    tracking = Tracking(store=store, ledger=Ledger(store, clock=wall, wall=wall), blobs=Files(folder / "blobs"), wall=wall)

    async def machine(headers, *, method, address):
        return LOCAL

    app = MlflowApp(tracking, ENDPOINTS, callers=machine, hosts=None)
listening = socket.create_server(("127.0.0.1", int(sys.argv[3])))
listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
uvicorn.Server(uvicorn.Config(app, lifespan="off", log_level="error", access_log=False)).run(sockets=[listening])
"""

CLIENT = """
import sys, time
import mlflow
mlflow.set_tracking_uri(sys.argv[1])
@mlflow.trace(span_type="RETRIEVER")
def look(q):
    return [q, q]
@mlflow.trace(span_type="LLM")
def ask(q):
    return {"answer": look(q)}
@mlflow.trace
def answer(q):
    return ask(q)
for n in range(20):
    answer(n)
begun = time.perf_counter()
for n in range(int(sys.argv[2])):
    answer(n)
print(int(sys.argv[2]) / (time.perf_counter() - begun))
"""

SEARCHES = {
    "newest first": {},
    "by state and duration": {"filter": "status = 'ERROR' AND execution_time > 500"},
    "a tag that one has": {"filter": "tags.number = '777'"},
    "a tag that a tenth have": {"filter": "tags.team = 't3'"},
    "a span's type that all have": {"filter": "span.type = 'LLM'"},
    "a span's name that a hundredth have": {"filter": "span.name = 'step-7'"},
    "feedback above a mark": {"filter": "feedback.score > 0.9"},
    "the longest": {"order_by": ["execution_time DESC"]},
    "text that one span has": {"filter": "trace.text LIKE '%needle-777 %'"},
}


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    asked.add_argument("--traces", type=int, default=400)
    asked.add_argument("--stored", type=int, default=100_000)
    given = asked.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        rates = {kind: rate(kind, Path(folder), 18_700 + n, given.traces) for n, kind in enumerate(("stub", "noria", "stub", "noria"))}
        print(
            f"through MLflow's client, three spans a trace: {rates['noria']:.0f} traces/s; empty server {rates['stub']:.0f}/s; ratio {rates['noria'] / rates['stub']:.2f}"
        )
        store(Path(folder) / "many", given.stored)
        process = serve("noria", Path(folder) / "many", 18_710)
        try:
            print(f"pages of 100 among {given.stored:,} traces, median of 5:")
            for name, search in SEARCHES.items():
                body = {"locations": [{"mlflow_experiment": {"experiment_id": "0"}}], "max_results": 100, **search}
                times, found = [], 0
                for _ in range(5):
                    begun = time.perf_counter()
                    said = httpx.post("http://127.0.0.1:18710/api/3.0/mlflow/traces/search", json=body, timeout=60)
                    times.append((time.perf_counter() - begun) * 1e3)
                    found = len(said.raise_for_status().json()["traces"])
                print(f"  {name:38} {statistics.median(times):7.1f} ms  ({found} found)")
        finally:
            process.terminate()
            process.wait()


def serve(kind: str, folder: Path, port: int) -> subprocess.Popen[bytes]:
    folder.mkdir(parents=True, exist_ok=True)
    process = subprocess.Popen([sys.executable, "-c", SERVER, str(folder), kind, str(port)])
    for _ in range(600):
        try:
            httpx.get(f"http://127.0.0.1:{port}/version")
            return process
        except httpx.TransportError:
            time.sleep(0.05)
    raise SystemExit("the server did not come up")


def rate(kind: str, folder: Path, port: int, traces: int) -> float:
    process = serve(kind, folder / f"{kind}-{port}", port)
    try:
        environment = {**os.environ, "MLFLOW_ENABLE_ASYNC_TRACE_LOGGING": "false"}
        said = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", CLIENT, f"http://127.0.0.1:{port}", str(traces)],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        return float(said.stdout.split()[-1])
    finally:
        process.terminate()
        process.wait()


def store(folder: Path, count: int) -> None:
    """Fill a store as the server would, a thousand traces in a commit."""
    from noria.adapters.sqlite import Sqlite
    from noria.core.rights import DEFAULT_PROJECT
    from noria.ledger.traces import assessments
    from noria.ledger.traces.assessments import Assessment
    from noria.ledger.traces.preparing import batches
    from noria.ledger.traces.spans import Span
    from noria.ledger.traces.writing import Account, account, add_spans
    from noria.ledger.tracking.experiments import ensure_default

    folder.mkdir(parents=True)
    sql = Sqlite(folder / "noria.db")
    ensure_default(sql, DEFAULT_PROJECT, now_ms=0)
    begun = time.perf_counter()

    def work(tx, start):
        for n in range(start, min(start + 1_000, count)):
            id, at = f"tr-{n:032x}", 1_700_000_000_000 + n * 1_000
            tags = {"number": str(n), "team": f"t{n % 10}", "mlflow.traceName": f"name-{n % 50}"}
            metadata = {"mlflow.trace.session": f"s{n // 5}", "mlflow.trace.sizeStats": json.dumps({"num_spans": 3}), "mlflow.user": "ada"}
            state = "ERROR" if n % 20 == 0 else "OK"
            row = account(
                tx, DEFAULT_PROJECT, Account(id=id, experiment=0, at_ms=at, took_ms=n % 997, state=state, tags=tags, metadata=metadata)
            )
            spans = [
                Span(
                    id,
                    f"{k + 1:016x}",
                    f"{k:016x}" if k else "",
                    f"step-{n % 100}" if k else "root",
                    at * 10**6 + k,
                    at * 10**6 + 9 * 10**6,
                    attributes={"mlflow.spanType": "LLM" if k == 1 else "TOOL", "mlflow.spanInputs": {"q": f"needle-{n} " + "hay " * 60}},
                )
                for k in range(3)
            ]
            add_spans(tx, DEFAULT_PROJECT, 0, batches(spans)[0])
            if n % 4 == 0:
                said = Assessment(
                    id=f"a-{n}",
                    trace=id,
                    kind="feedback",
                    name="score",
                    value=(n % 101) / 100,
                    source_type="HUMAN",
                    source_id="",
                    created_ms=at,
                    updated_ms=at,
                )
                assessments.put(tx, row, said)

    for start in range(0, count, 1_000):
        sql.write(lambda tx, start=start: work(tx, start), durable=False)
    took = time.perf_counter() - begun
    sql.close()
    print(
        f"stored {count:,} traces of three spans straight into SQLite: {count / took:,.0f}/s, {(folder / 'noria.db').stat().st_size / 1e6:,.0f} MB"
    )


if __name__ == "__main__":
    main()
