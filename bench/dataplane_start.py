"""Cold start and memory of a data-plane process as a user runs it: `python bench/dataplane_start.py`.

Starts `python -m noria.dataplane` on a home with one model, and measures from the start of the process
to the first right answer, the memory after it and after a thousand more (RSS, and PSS where /proc tells),
and whose native code was loaded. Ends with the goals: first answer within 1 s; under 100 MB with an
ONNX-served model, under 150 MB with a model that LightGBM itself answers for.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from statistics import median

import numpy as np
from lightgbm import LGBMClassifier
from sklearn.ensemble import RandomForestClassifier

from noria.adapters.files import Files
from noria.core.schema import Field, Kind, Signature, Task
from noria.core.traffic import Plan, Route, ServedVersion
from noria.packaging import package
from noria.stages.serving.plans import publish

FEATURES = 30
GOALS_MB = {"onnx": 100, "lightgbm": 150}
GOAL_S = 1.0


def make_home(home: Path, form: str) -> None:
    """A home with one deployment, as `noria up` leaves it: blobs and a plan."""
    rng = np.random.default_rng(7)
    matrix = rng.normal(size=(2_000, FEATURES))
    label = (matrix[:, 0] + rng.normal(size=2_000) > 0).astype(int)
    trees = {
        "onnx": RandomForestClassifier(n_estimators=50, max_depth=8, random_state=7),
        "lightgbm": LGBMClassifier(n_estimators=200, num_leaves=31, verbose=-1, n_jobs=1),
    }
    model = trees[form].fit(matrix, label)
    fields = tuple(Field(name=f"x{n}", kind=Kind.FLOAT) for n in range(FEATURES))
    signature = Signature(inputs=fields, features=fields, task=Task.BINARY, classes=("no", "yes"))
    blobs = Files(home / "blobs")
    packed = package.save(model, signature, matrix[:500], blobs=blobs, scratch=home / "scratch")
    version = ServedVersion(number=1, artifact=packed.artifact, code="", signature=signature)
    publish(Plan(revision=1, routes={"trees": Route(deployment="trees", champion=version)}), home / "plan" / "plan.json")


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def memory_mb(pid: int) -> tuple[float, float]:
    """RSS and PSS of a process and its children, in MB."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    rss = pss = 0.0
    for one in (pid, *map(int, children)):
        lines = dict(line.split(":", 1) for line in Path(f"/proc/{one}/smaps_rollup").read_text().splitlines()[1:])
        rss += int(lines["Rss"].split()[0]) / 1024
        pss += int(lines["Pss"].split()[0]) / 1024
    return rss, pss


def once(home: Path, workers: int) -> tuple[float, float, float, float, list[str]]:
    """Seconds to the first answer; RSS after it; RSS and PSS after a thousand more; native packages."""
    port = free_port()
    environment = {
        **os.environ,
        "NORIA_SERVE_PORT": str(port),
        "NORIA_WORKERS": str(workers),
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
    }
    body = json.dumps({"inputs": {f"x{n}": 0.1 * n for n in range(FEATURES)}}).encode()
    began_s = time.perf_counter()
    plane = subprocess.Popen([sys.executable, "-m", "noria.dataplane", str(home)], env=environment)
    try:
        while not answered(port, body):
            if plane.poll() is not None:
                raise SystemExit("the data plane ended")
            time.sleep(0.005)
        first_s = time.perf_counter() - began_s
        first_mb = memory_mb(plane.pid)[0]
        for _ in range(1_000):
            answered(port, body)
        return (first_s, first_mb, *memory_mb(plane.pid), libraries(plane.pid))
    finally:
        plane.send_signal(signal.SIGTERM)
        plane.wait(30)


def answered(port: int, body: bytes) -> bool:
    call = urllib.request.Request(
        f"http://127.0.0.1:{port}/predict/trees", data=body, headers={"content-type": "application/json"}, method="POST"
    )
    try:
        with urllib.request.urlopen(call, timeout=10) as answer:
            return 0.0 <= json.load(answer)["prediction"] <= 1.0
    except (urllib.error.URLError, ConnectionError):
        return False


def libraries(pid: int) -> list[str]:
    """Packages whose native code a process has mapped."""
    return sorted(set(re.findall(r"site-packages/([A-Za-z0-9_]+?)(?:\.libs)?/", Path(f"/proc/{pid}/maps").read_text())))


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--workers", type=int, default=1)
    asked = options.parse_args()
    for form, goal_mb in GOALS_MB.items():
        with tempfile.TemporaryDirectory() as folder:
            home = Path(folder)
            make_home(home, form)
            rounds = [once(home, asked.workers) for _ in range(asked.rounds)]
        print(f"{form}: native code of {', '.join(rounds[0][4])}")
        first_s, first_mb, rss, pss = (median(column) for column in zip(*(one[:4] for one in rounds), strict=True))
        print(
            f"{form}: first answer {first_s:.2f} s (goal {GOAL_S:g}, {first_s / GOAL_S:.2f} of it); "
            f"{first_mb:.0f} MB then, {rss:.0f} MB after 1,000 more (PSS {pss:.0f}; goal {goal_mb}, {pss / goal_mb:.2f} of it)"
        )


if __name__ == "__main__":
    main()
