"""Searches among many runs: every kind of page against its limit of 200 ms, and histories of a million points against a second.

    python bench/search.py                # 100,000 runs: 10 metrics, 10 parameters, 5 tags each
    python bench/search.py --runs 10000 --postgres postgresql://…

What is timed is what the server does for a call, up to the JSON that it sends. "First" is the first call on a connection
that has read nothing yet; "cpu" is the processor's time, which other work on the machine does not stretch.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import orjson
import uvicorn

from noria.adapters.files import Files
from noria.adapters.sqlite import Sqlite
from noria.adapters.system_clock import SystemClock
from noria.core.rights import LOCAL, Principal
from noria.ledger.book import Ledger
from noria.ledger.tracking import experiments
from noria.server.mlflow import metrics, searching
from noria.server.mlflow.app import MlflowApp
from noria.server.mlflow.asked import Asked, Fields
from noria.server.mlflow.endpoints import Tracking
from noria.server.mlflow.table import ENDPOINTS

LIMIT_MS = 200.0
HISTORY_LIMIT_MS = 1_000.0
ROUNDS = 9

SEARCHES: dict[str, dict[str, Any]] = {
    "all, newest first": {},
    "all, newest first, page of 1,000": {"max_results": 1_000},
    "all stages": {"run_view_type": "ALL"},
    "three experiments": {"experiment_ids": ["1", "2", "3"]},
    "one of the small experiments": {"experiment_ids": ["2"]},
    "by a metric": {"order_by": ["metrics.m1 DESC"]},
    "by a metric of few values": {"order_by": ["metrics.m0"]},
    "by a metric that few have": {"order_by": ["metrics.rare"]},
    "by a parameter of two values": {"order_by": ["params.p0"]},
    "by a unique tag": {"order_by": ["tags.t2 DESC"]},
    "by end time": {"order_by": ["attributes.end_time"]},
    "by three keys": {"order_by": ["params.p1", "tags.t1 DESC", "metrics.m1"]},
    "one in 2 by parameter": {"filter": "params.p0 = 'a'"},
    "one in 100 by parameter": {"filter": "params.p2 = '7'"},
    "one in 1,000 by tag, by a metric": {"filter": "tags.t1 = '7'", "order_by": ["metrics.m1"]},
    "one of all by name": {"filter": "run_name = 'run-4711'"},
    "pattern that few match": {"filter": "tags.t2 LIKE '%abc%'"},
    "pattern that half match, by a metric": {"filter": "tags.t2 ILIKE '%7%'", "order_by": ["metrics.m2"]},
    "metric range and parameter, by metric": {"filter": "metrics.m1 > 0.99 AND params.p0 = 'a'", "order_by": ["metrics.m2 DESC"]},
    "the same key filtered and ordered": {"filter": "metrics.m1 > 0.5", "order_by": ["metrics.m1"]},
    "two that exclude each other": {"filter": "params.p0 = 'a' AND params.p0 = 'b'"},
    "the same, by a metric": {"filter": "params.p0 = 'a' AND params.p0 = 'b'", "order_by": ["metrics.m1"]},
    "four broad ones": {"filter": "metrics.m1 > 0.3 AND metrics.m2 < 0.7 AND params.p0 = 'a' AND tags.t2 LIKE '%7%'"},
    "four broad ones, by a metric": {
        "filter": "metrics.m1 > 0.3 AND metrics.m2 < 0.7 AND params.p0 = 'a' AND tags.t2 LIKE '%7%'",
        "order_by": ["metrics.m3 DESC"],
    },
    "what is missing": {"filter": "tags.rare IS NULL AND status = 'FAILED'"},
    "status of one in ten": {"filter": "attributes.status = 'RUNNING'", "order_by": ["metrics.m1"]},
    "by dataset": {"filter": "datasets.name = 'd7' AND datasets.context = 'train'", "order_by": ["metrics.m1"]},
    "unequal to what most are": {"filter": "metrics.m0 != 0.5 AND params.p1 != '3'", "order_by": ["metrics.m4"]},
}


def build(store: Any, runs: int) -> None:
    """Runs in one large experiment and twenty small ones, by bulk inserts."""
    random, batch = Random(1), 10_000
    store.write(lambda tx: [experiments.create(tx, "default", f"e{n}", now_ms=1) for n in range(21)])
    names = [f"m{n}" for n in range(10)] + ["rare"]
    store.write(
        lambda tx: tx.many("INSERT INTO noria_metric_names (id, name) VALUES (?, ?)", [(n + 1, name) for n, name in enumerate(names)])
    )
    store.write(
        lambda tx: tx.many(
            "INSERT INTO noria_datasets (row, experiment, name, digest, source_type, source, form, profile) VALUES (?, 1, ?, ?, 's', 's', '', '')",
            [(n, f"d{n}", f"#{n}") for n in range(1, 101)],
        )
    )
    for start in range(1, runs + 1, batch):
        rows: dict[str, list[tuple[Any, ...]]] = {name: [] for name in ("runs", "latest", "params", "tags", "inputs")}
        for n in range(start, min(start + batch, runs + 1)):
            _run(random, n, rows)
        store.write(lambda tx, rows=rows: _insert(tx, rows), durable=False)


def _run(random: Random, n: int, rows: dict[str, list[tuple[Any, ...]]]) -> None:
    at = 1_700_000_000_000 + n * 1_000
    place = 1 if n % 20 else 2 + n // 20 % 20
    status = random.choice(["FINISHED"] * 8 + ["FAILED", "RUNNING"])
    stage = "deleted" if n % 49 == 0 else "active"
    end = None if status == "RUNNING" else at + random.randrange(1_000_000)
    rows["runs"].append(
        (n, f"{random.getrandbits(128):032x}", place, f"run-{n}", "ada", status, stage, at, end, f"mlflow-artifacts:/{place}/{n}/artifacts")
    )
    for m in range(1, 11):
        value = random.random() if m > 1 else round(random.random(), 1)
        rows["latest"].append((n, m, value, int(random.random() < 0.01), 100, at))
    if n % 1_000 == 0:
        rows["latest"].append((n, 11, random.random(), 0, 1, at))
    rows["params"] += [(n, "p0", random.choice("ab")), (n, "p1", str(random.randrange(10))), (n, "p2", str(random.randrange(100)))]
    rows["params"] += [(n, f"p{k}", repr(random.random())) for k in range(3, 10)]
    rows["tags"] += [(n, "mlflow.runName", f"run-{n}"), (n, "mlflow.user", "ada"), (n, "t0", random.choice("xyz"))]
    rows["tags"] += [(n, "t1", str(random.randrange(1_000))), (n, "t2", f"{random.getrandbits(64):x}")]
    rows["inputs"].append((n, random.randrange(1, 101), random.choice(["train", "eval"]), "{}"))


def _insert(tx: Any, rows: dict[str, list[tuple[Any, ...]]]) -> None:
    columns = "row, id, experiment, name, person, status, state, start_ms, end_ms, artifacts"
    tx.many(f"INSERT INTO noria_runs ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", rows["runs"])
    tx.many("INSERT INTO noria_latest VALUES (?, ?, ?, ?, ?, ?)", rows["latest"])
    tx.many("INSERT INTO noria_params VALUES (?, ?, ?)", rows["params"])
    tx.many("INSERT INTO noria_tags VALUES (?, ?, ?)", rows["tags"])
    tx.many("INSERT INTO noria_inputs VALUES (?, ?, ?, ?)", rows["inputs"])


def add_points(store: Any, number: int) -> None:
    """A history of one metric of run 1."""
    rows = ((1, 2, 1_700_000_000_000 + n, n, n * 0.5, 0) for n in range(number))
    store.write(lambda tx: tx.many("INSERT INTO noria_points VALUES (?, ?, ?, ?, ?, ?)", rows), durable=False)


def timed(call: Callable[[], Any]) -> tuple[float, float, Any]:
    """Milliseconds, those of the processor, and what was said."""
    start, worked = time.perf_counter(), time.process_time()
    said = call()
    orjson.dumps(said)
    return (time.perf_counter() - start) * 1e3, (time.process_time() - worked) * 1e3, said


def measured(call: Callable[[], Any], renew: Callable[[], None], limit_ms: float) -> tuple[float, str, Any]:
    """The median in milliseconds, a line of figures, and what was said: of the first call, then of the others."""
    renew()
    first, _, said = timed(call)
    others = [timed(call)[:2] for _ in range(ROUNDS)]
    middle, slowest = statistics.median(spent for spent, _ in others), max(spent for spent, _ in others)
    worked = statistics.median(work for _, work in others)
    ratios = " ".join(f"{each / limit_ms:.2f}" for each in (first, middle, slowest, worked))
    return middle, f"{first:>9.1f}{middle:>9.1f}{slowest:>9.1f}{worked:>9.1f}   {ratios}", said


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=100_000)
    parser.add_argument("--points", type=int, default=1_000_000, help="of the history that is fetched and thinned")
    parser.add_argument("--postgres", default="", help="URL of an empty database; SQLite in a temporary folder otherwise")
    parser.add_argument("--client", type=int, default=5_000, help="runs that MLflow's own client reads into a frame; 0 = leave it out")
    parser.add_argument("--only", default="", help="searches whose name holds this")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        store: Any = _store(given.postgres, Path(folder))
        start = time.perf_counter()
        build(store, given.runs)
        print(f"{given.runs:,} runs built in {time.perf_counter() - start:.1f} s on {store.dialect.name}")
        wall = SystemClock()
        tracking = Tracking(store=store, ledger=Ledger(store, clock=wall, wall=wall), blobs=Files(Path(folder) / "blobs"), wall=wall)
        print(f"\n{'search (pages of 100)':42}{'rows':>9}{'first':>9}{'median':>9}{'slowest':>9}{'cpu':>9}   of {LIMIT_MS:.0f} ms")
        worst = max([_search(tracking, name, asked) for name, asked in SEARCHES.items() if given.only in name] or [0.0])
        print(f"slowest median: {worst:.0f} ms, {worst / LIMIT_MS:.2f} of the limit")
        _deep(tracking)
        if given.points:
            _histories(tracking, given.points)
        if given.client:
            _client(tracking, given.client)
        store.close()


def _store(url: str, folder: Path) -> Any:
    if not url:
        return Sqlite(folder / "noria.db")
    from noria.adapters.postgres import Postgres

    return Postgres(url)


def _search(tracking: Tracking, name: str, asked: dict[str, Any]) -> float:
    call = _call(asked)
    middle, line, said = measured(lambda: searching.search_runs(tracking, call), tracking.store.close, LIMIT_MS)
    print(f"{name:42}{len(said['runs']):>9}{line}")
    return middle


def _call(asked: dict[str, Any]) -> Asked:
    return Asked(fields=Fields({"experiment_ids": ["1"], "max_results": 100, **asked}))


def _deep(tracking: Tracking) -> None:
    """Every page of all runs by a metric, one after the other: the last costs what the first does."""
    times, token, rows = [], "", 0
    while token or not times:
        call = _call({"order_by": ["metrics.m1 DESC"], "max_results": 1_000, "page_token": token})
        spent, _, said = timed(lambda call=call: searching.search_runs(tracking, call))
        times.append(spent)
        token, rows = said.get("next_page_token", ""), rows + len(said["runs"])
    print(
        f"all {rows:,} runs in {len(times)} pages of 1,000 by a metric: median {statistics.median(times):.0f} ms, slowest {max(times):.0f} ms"
    )


def _histories(tracking: Tracking, number: int) -> None:
    add_points(tracking.store, number)
    ((id,),) = tracking.store.read("SELECT id FROM noria_runs WHERE row = 1")

    def fetched() -> int:
        token, points = "", 0
        while token or not points:
            asked = Asked(fields=Fields({"run_id": id, "metric_key": "m1", "page_token": token}))
            said = metrics.history(tracking, asked)
            orjson.dumps(said)
            token, points = said.get("next_page_token", ""), points + len(said["metrics"])
        return points

    asked = Asked(fields=Fields({"run_ids": [id], "metric_key": "m1", "max_results": 2_000}))
    print(
        f"\n{f'history of {number:,} points':42}{'points':>9}{'first':>9}{'median':>9}{'slowest':>9}{'cpu':>9}   of {HISTORY_LIMIT_MS:.0f} ms"
    )
    for name, call in {"thinned to 2,000": lambda: metrics.interval(tracking, asked), "fetched in pages of 25,000": fetched}.items():
        _, line, said = measured(call, tracking.store.close, HISTORY_LIMIT_MS)
        points = said if isinstance(said, int) else len(said["metrics"])
        print(f"{name:42}{points:>9,}{line}")


async def machine(headers: Any, *, method: str, address: str) -> Principal:
    """Whoever calls."""
    return LOCAL


def _client(tracking: Tracking, runs: int) -> None:
    """`mlflow.search_runs` of MLflow's own client, over HTTP, into a frame of pandas."""
    import mlflow

    app = MlflowApp(tracking, ENDPOINTS, callers=machine, hosts=None)
    server = uvicorn.Server(uvicorn.Config(app, port=0, lifespan="off", log_level="error"))
    threading.Thread(target=server.run, daemon=True).start()
    while not server.started:
        time.sleep(0.01)
    mlflow.set_tracking_uri(f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}")
    mlflow.search_runs(["1"], max_results=1)
    start = time.perf_counter()
    frame = mlflow.search_runs(["1"], max_results=runs, order_by=["metrics.m1 DESC"])
    print(
        f"\nmlflow.search_runs of {len(frame):,} runs into a frame of {frame.shape[1]} columns: {time.perf_counter() - start:.1f} s, client included"
    )
    server.should_exit = True


if __name__ == "__main__":
    main()
