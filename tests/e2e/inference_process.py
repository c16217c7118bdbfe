"""A data plane over real packages, for the clients of other people's protocols: `python inference_process.py HOME PORT`."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import httpx
import numpy as np
import polars as pl

from noria.adapters.files import Files
from noria.adapters.journal_files import FileJournalWriter
from noria.app.prediction import explainers
from noria.core.schema import Field, Kind, Signature, Task
from noria.core.traffic import Plan, Route, ServedVersion
from noria.dataplane.main import Parts, run
from noria.packaging import package
from noria.ports.tables import keep_frame
from noria.stages.serving.plans import publish

NUMBERS = tuple(Field(name=name, kind=Kind.FLOAT, required=name != "c") for name in "abc")
MIXED = (*NUMBERS[:2], Field(name="city", kind=Kind.TEXT, required=False, categories=("Bonn", "Zürich")))


class WallClock:
    def now(self) -> datetime:
        return datetime.now(UTC)


def make_home(home: Path) -> None:
    """Three deployments: `churn` (LightGBM, two classes, a text), `kind` (three classes), `price` (linear, a value)."""
    from lightgbm import LGBMClassifier
    from sklearn.linear_model import LinearRegression, LogisticRegression

    random = np.random.default_rng(7)
    X = np.column_stack([random.normal(size=(400, 2)), random.integers(0, 2, 400)])
    made = {
        "churn": (LGBMClassifier(n_estimators=20, num_leaves=7, verbose=-1, num_threads=1).fit(X, X[:, 0] + X[:, 2] > 0.5),
                  Signature(inputs=MIXED, features=MIXED, task=Task.BINARY, classes=("stays", "leaves"))),
        "kind": (LogisticRegression().fit(X, np.digitize(X[:, 0], [-0.5, 0.5])),
                 Signature(inputs=NUMBERS, features=NUMBERS, task=Task.MULTICLASS, classes=("low", "middle", "high"))),
        "price": (LinearRegression().fit(X, X @ [1.0, -2.0, 3.0] + 4.0), Signature(inputs=NUMBERS, features=NUMBERS, task=Task.REGRESSION)),
    }  # fmt: skip
    blobs = Files(home / "blobs")
    routes = {}
    for name, (model, signature) in made.items():
        packed = package.save(model, signature, X[:50], blobs=blobs, scratch=home)
        kept = keep_frame(pl.DataFrame({"a": X[:100, 0], "b": X[:100, 1], "c": X[:100, 2]}), blobs) if name != "churn" else ""
        version = ServedVersion(number=3, artifact=packed.artifact, code="", signature=signature, background=kept)
        routes[name] = Route(deployment=name, champion=version)
    publish(Plan(revision=1, routes=routes), home / "plan" / "plan.json")


def parts(home: Path) -> Parts:
    blobs = Files(home / "blobs")
    return Parts(
        plan_file=home / "plan" / "plan.json",
        cache_folder=home / "dataplane",
        load_scorer=lambda artifact: package.load(artifact, blobs=blobs),
        make_lookup=lambda version: None,
        journal=FileJournalWriter(home / "journal", "plane"),
        load_explains=explainers(blobs),
        clock=WallClock(),
        model_command=[sys.executable, __file__],
        poll_s=0.05,
    )


def start(home: Path) -> tuple[subprocess.Popen[bytes], str]:
    """The process, and its host and port once it answers."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    process = subprocess.Popen([sys.executable, __file__, str(home), address.rpartition(":")[2]])
    for _ in range(1_500):
        try:
            if httpx.get(f"http://{address}/health/ready").status_code == 200:
                return process, address
        except httpx.TransportError:
            pass
        assert process.poll() is None, "the data plane ended"
        time.sleep(0.02)
    raise AssertionError("the data plane did not get ready")


if __name__ == "__main__":
    run(parts(Path(sys.argv[1])), "127.0.0.1", int(sys.argv[2]))
