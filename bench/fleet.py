"""Thousands of small models in one data plane: what it takes to register, deploy, start and answer, every answer checked.

    python bench/fleet.py [--models 10000] [--requests 60000] [--memory 200MB] [--onnx 0.3] [--home DIR]

Models are trained here, each on other numbers: LightGBM of five small trees, and linear ONNX graphs. They are
registered and deployed through the bulk path of `noria.loop.deploying` (`--home` keeps them for another run).
Then a data plane in a process of its own is asked over HTTP, in closed loops: models that nobody has asked for
yet; hot ones alone, and the same while cold ones are loaded, in turns; at last all of them, by Zipf's law.
Latencies are the client's, which shares the cores.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import os
import pickle
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import orjson

from _fleet_models import SIGNATURE, Made, X, make
from noria.app.settings import Settings, keep, read
from noria.app.wiring import build
from noria.cli.connections import Pool
from noria.loop.bringing import Order
from noria.loop.deploying import Deployments
from noria.loop.planning import bring_out
from noria.stages.serving.plan_shards import PlanReader

PORT = 17_790
HOT = 200


def named(n: int) -> str:
    return f"shop-{n:05d}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=int, default=10_000)
    parser.add_argument("--requests", type=int, default=60_000)
    parser.add_argument("--memory", default="200MB")
    parser.add_argument("--onnx", type=float, default=0.3, help="share of models that are ONNX graphs")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--home", type=Path, default=None)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = given.home or Path(folder) / "home"
        answers = deployed(home, given.models, given.onnx)
        serve(home, answers, given)


def deployed(home: Path, models: int, onnx: float) -> list[float]:
    """The home with its models, made where it has none, and what each answers to the first row."""
    known = home / "answers.pickle"
    settings = keep(Settings(home=str(home)))
    world = build(settings)
    if not known.exists():
        began = time.perf_counter()
        made: list[Made] = list(make(models, onnx))
        trained = time.perf_counter()
        orders = (
            Order(name=named(n), model=one.content, signature=SIGNATURE, sample=X, origin="bench", answers=one.answers)
            for n, one in enumerate(made)
        )
        count = sum(1 for _ in Deployments(world).deploy_all(orders, by="bench", reason="many"))
        done = time.perf_counter()
        known.write_bytes(pickle.dumps([float(one.answers[0]) for one in made]))
        size = sum(len(one.content) for one in made)
        print(f"made        {models:,} models, {size / 1e6:.0f} MB of files, in {trained - began:.1f} s")
        print(
            f"deployed    {count:,}, each audited, compared on {len(X)} rows, registered and in the plan, in {done - trained:.1f} s ({(done - trained) / count * 1e3:.1f} ms each)"
        )
    began = time.process_time()
    plan = PlanReader(world.plan_file).read()
    assert plan is not None and len(plan.routes) == models
    read_s = time.process_time() - began
    began = time.perf_counter()
    bring_out(world)
    idle_s = time.perf_counter() - began
    deployments = Deployments(world)
    began = time.perf_counter()
    deployments.promote(named(0), 1, by="bench", reason="back") if plan.routes[named(0)].champion.number > 1 else deployments.deploy(
        Order(name=named(0), model=next(make(1, 0.0, seed=99)).content, signature=SIGNATURE, sample=X, origin="bench"),
        by="bench",
        reason="one",
    )
    one_s = time.perf_counter() - began
    deployments.promote(named(0), 1, by="bench", reason="back") if plan.routes[named(0)].champion.number == 1 else None
    folder = world.plan_file.parent
    size = sum(file.stat().st_size for file in folder.rglob("*.json"))
    print(
        f"plan        {models:,} routes, {size / 1e6:.1f} MB, read in {read_s * 1e3:.0f} ms of CPU; a pass without news {idle_s * 1e3:.1f} ms, one model swapped in {one_s * 1e3:.0f} ms"
    )
    return list(pickle.loads(known.read_bytes()))


class Plane:
    """A data plane as a real process."""

    def __init__(self, home: Path, memory: str) -> None:
        env = {**os.environ, "NORIA_SERVE_PORT": str(PORT), "NORIA_MODEL_MEMORY": memory}
        began = time.perf_counter()
        self._process = subprocess.Popen([sys.executable, "-m", "noria.dataplane", str(read(home).folder)], env=env)
        while True:
            try:
                if httpx.get(f"http://127.0.0.1:{PORT}/health/ready", timeout=5).status_code == 200:
                    break
            except httpx.HTTPError:
                pass
            time.sleep(0.02)
        self.ready_s = time.perf_counter() - began

    def models(self) -> dict[str, Any]:
        told = httpx.get(f"http://127.0.0.1:{PORT}/plan", timeout=30).json()
        assert told["problems"] == {}, told["problems"]
        return dict(told["models"])

    def rss_mb(self) -> float:
        return int(Path(f"/proc/{self._process.pid}/statm").read_text().split()[1]) * 4096 / 1e6

    def end(self) -> None:
        self._process.terminate()
        self._process.wait(timeout=30)


class Asker:
    """Asks and checks every answer."""

    def __init__(self, answers: Sequence[float], connections: int) -> None:
        self._answers = answers
        self._pool = Pool("127.0.0.1", PORT, connections=connections)
        self._row = {name: float(value) for name, value in zip("abcdefgh", X[0], strict=True)}
        self._count = itertools.count()
        self.asked = 0

    async def ask(self, numbers: Sequence[int]) -> list[float]:
        """Milliseconds that each took; raises if one answer was wrong or missing."""
        waited: list[float] = []

        def take(status: int, body: bytes, latency_us: int) -> None:
            told = orjson.loads(body) if status == 200 else {"id": "-1.-1", "prediction": float("nan")}
            number = int(told["id"].partition(".")[0])
            if status != 200 or abs(told["prediction"] - self._answers[number]) > 1e-4 * max(1.0, abs(self._answers[number])):
                raise SystemExit(f"wrong: {status} {body[:300]!r}")
            waited.append(latency_us / 1e3)

        await self._pool.exchange([self._payload(n) for n in numbers], take)
        assert len(waited) == len(numbers)
        self.asked += len(numbers)
        return waited

    def _payload(self, n: int) -> bytes:
        body = orjson.dumps({"id": f"{n}.{next(self._count)}", "inputs": self._row})
        return b"POST /predict/%s HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s" % (
            named(n).encode(),
            len(body),
            body,
        )

    async def close(self) -> None:
        await self._pool.close()


def said(waited: Sequence[float]) -> str:
    return f"p50 {np.percentile(waited, 50):.2f} ms, p99 {np.percentile(waited, 99):.2f} ms"


def serve(home: Path, answers: Sequence[float], given: argparse.Namespace) -> None:
    plane = Plane(home, given.memory)
    print(f"data plane  ready in {plane.ready_s:.1f} s, {plane.rss_mb():.0f} MB with a plan of {len(answers):,} and nothing loaded")
    try:
        asyncio.run(traffic(plane, answers, given))
    finally:
        plane.end()


async def traffic(plane: Plane, answers: Sequence[float], given: argparse.Namespace) -> None:
    rng = np.random.default_rng(7)
    order = rng.permutation(len(answers))
    hot, cold = order[: min(HOT, len(order) // 4)], iter(order[min(HOT, len(order) // 4) :])
    warm, one = Asker(answers, given.connections), Asker(answers, 1)
    firsts = list(itertools.chain.from_iterable([await one.ask([int(n)]) for n in itertools.islice(cold, min(500, len(order) // 4))]))
    print(f"cold        first answer of {len(firsts)} models, one at a time: {said(firsts)}")
    await warm.ask([int(n) for n in hot])
    alone, beside = [], []
    for _ in range(given.rounds):
        alone.append(await warm.ask(_hot(rng, hot)))
        over = asyncio.Event()
        asking = asyncio.create_task(_keep_asking(one, cold, over))
        beside.append(await warm.ask(_hot(rng, hot)))
        over.set()
        loaded = await asking
    quiet, busy = (np.median([np.percentile(one, 99) for one in rounds]) for rounds in (alone, beside))
    print(
        f"warm        {said([*itertools.chain.from_iterable(alone)])} alone; {said([*itertools.chain.from_iterable(beside)])} while {loaded} a round were loaded; p99 by round × {busy / quiet:.2f}"
    )
    before = plane.models()
    weights = 1 / np.arange(1, len(answers) + 1)
    asked = rng.permutation(order)[rng.choice(len(answers), size=given.requests, p=weights / weights.sum())]
    began = time.perf_counter()
    waited = await warm.ask([int(n) for n in asked])
    seconds = time.perf_counter() - began
    after = plane.models()
    loads = after["loads"] - before["loads"]
    print(
        f"Zipf        {given.requests:,} requests over {len(set(asked)):,} models, {given.requests / seconds:,.0f}/s: {said(waited)}; hits {1 - loads / given.requests:.1%}"
    )
    print(
        f"memory      {after['loaded']:,} of {after['planned']:,} loaded: {after['used_bytes'] / 1e6:.0f} MB by estimate of {after['limit_bytes'] / 1e6:.0f}, "
        f"grown by {after['grown_bytes'] / 1e6:.0f} MB; {after['evictions']:,} evictions, {after['failures']} failures; {plane.rss_mb():.0f} MB in all"
    )
    print(f"right       all of {warm.asked + one.asked:,} answers")
    await warm.close()
    await one.close()


def _hot(rng: np.random.Generator, hot: np.ndarray) -> list[int]:
    return [int(n) for n in rng.choice(hot, size=4_000)]


async def _keep_asking(one: Asker, cold: Iterator[np.int64], over: asyncio.Event) -> int:
    loaded = 0
    for n in cold:
        if over.is_set():
            break
        await one.ask([int(n)])
        loaded += 1
    return loaded


if __name__ == "__main__":
    main()
