"""A data plane with a small model of its own, as a real process.

`plane HOME PORT [GRPC_PORT]`, `workers HOME PORT COUNT` (and their children: `worker HOME PORT
DESCRIPTOR PLACE`), or `challenger HOME SOCKET VERSION`. `HOME/options.json` holds options of the parts.
"""

from __future__ import annotations

import ctypes
import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from noria.adapters.journal_files import FileJournalWriter
from noria.core.errors import BlobMissing
from noria.core.schema import Field, Kind, Signature, Task
from noria.core.traffic import ServedVersion
from noria.dataplane.cache import CachedBlobs
from noria.dataplane.hiring import Limits
from noria.dataplane.main import Parts, run
from noria.dataplane.model_main import run_model
from noria.dataplane.ports import listening
from noria.dataplane.sizing import Bounds
from noria.dataplane.workers import supervise
from noria.ports import wire
from noria.stages.serving.isolated import Isolation

SIGNATURE = Signature(
    inputs=(
        Field(name="tail", kind=Kind.TEXT),
        Field(name="carrier", kind=Kind.TEXT),
        Field(name="origin", kind=Kind.TEXT),
        Field(name="dest", kind=Kind.TEXT),
        Field(name="scheduled_at", kind=Kind.TIME),
        Field(name="distance", kind=Kind.FLOAT),
        Field(name="seats", kind=Kind.INT, required=False),
        Field(name="cargo", kind=Kind.BOOL, required=False),
    ),
    features=(
        Field(name="carrier", kind=Kind.TEXT, categories=("AA", "UA")),
        Field(name="distance", kind=Kind.FLOAT),
        Field(name="seats", kind=Kind.INT),
        Field(name="wind", kind=Kind.FLOAT),
        Field(name="visibility", kind=Kind.FLOAT),
    ),
    task=Task.BINARY,
    classes=("on-time", "late"),
    key="tail",
    time="scheduled_at",
)


SEGFAULT, HANG, LEAK = -11, -99, -50
"""Distances that make the model misbehave."""


class Logistic:
    streams = True

    def stream(self, inputs: Mapping[str, Any]) -> Iterator[int]:
        """As many numbers as there are seats."""
        yield from range(inputs["seats"])

    def __init__(self, weights: Sequence[float]) -> None:
        self._weights = np.asarray(weights)
        self._leaked: list[np.ndarray] = []

    def score(self, matrix: np.ndarray) -> np.ndarray:
        distances = matrix[:, 1]
        if SEGFAULT in distances:
            ctypes.string_at(0)
        if HANG in distances:
            time.sleep(3_600)
        if LEAK in distances:
            self._leaked.append(np.ones(8 << 20, dtype=np.uint8))
        return 1 / (1 + np.exp(-np.nan_to_num(matrix) @ self._weights))


class Weather:
    def served(self, rows: Sequence[Mapping[str, Any]], now_ms: int) -> Mapping[str, list[Any]]:
        return {"wind": [float(len(row["origin"])) for row in rows], "visibility": [10.0] * len(rows)}


class FolderBlobs:
    """The control plane's blobs, as far as a data plane reads them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def path(self, digest: str) -> Path:
        file = self._folder / digest.removeprefix("sha256:")
        if not file.exists():
            raise BlobMissing(f"{digest} is not there")
        return file

    def read(self, digest: str) -> bytes:
        return self.path(digest).read_bytes()

    def has(self, digest: str) -> bool:
        return (self._folder / digest.removeprefix("sha256:")).exists()


class WallClock:
    def now(self) -> datetime:
        return datetime.now(UTC)


def scorers(home: Path):
    blobs = CachedBlobs(FolderBlobs(home / "blobs"), home / "dataplane" / "blobs")
    return lambda artifact: Logistic(json.loads(blobs.read(artifact)))


def parts(home: Path, grpc_port: int = 0, **worker: int) -> Parts:
    file = home / "options.json"
    options = json.loads(file.read_text()) if file.exists() else {}
    return Parts(
        plan_file=home / "plan" / "plan.json",
        cache_folder=home / "dataplane",
        load_scorer=scorers(home),
        make_lookup=lambda version: Weather(),
        journal=FileJournalWriter(home / "journal", "plane"),
        clock=WallClock(),
        model_command=[sys.executable, __file__, "challenger", str(home)],
        poll_s=0.05,
        grpc_port=grpc_port,
        isolation=Isolation(**options.get("isolation", {})),
        limits=Limits(**options.get("limits", {})),
        **worker,
    )


if __name__ == "__main__":
    role, home = sys.argv[1], Path(sys.argv[2])
    if role == "plane":
        run(parts(home, *map(int, sys.argv[4:])), "127.0.0.1", int(sys.argv[3]))
    elif role == "workers":
        command = [sys.executable, __file__, "worker", str(home), sys.argv[3]]
        low, _, high = sys.argv[4].partition("-")
        shared = listening("127.0.0.1", int(sys.argv[3]), shared=False) if high else None
        own = [] if shared is None else [str(shared.fileno())]
        bounds = Bounds(low=int(low), high=int(high or low), busy=0.02, quiet=0.02, grow_after_s=1.0, shrink_after_s=4.0)
        supervise(lambda descriptor, place: [*command, str(descriptor), str(place), *own], bounds, shared)
    elif role == "worker":
        shared = {"listening": int(sys.argv[6])} if len(sys.argv) > 6 else {}
        run(parts(home, parent=int(sys.argv[4]), place=int(sys.argv[5]), **shared), "127.0.0.1", int(sys.argv[3]))
    else:
        version = wire.load(Path(sys.argv[4]).read_bytes(), ServedVersion)
        run_model(Path(sys.argv[3]), version, scorers(home), lambda served: Weather())
