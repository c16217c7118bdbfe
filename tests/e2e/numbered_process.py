"""A data plane whose models answer their own number, as a real process: `plane <home> <port>` or `challenger <socket> <version>`."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from noria.core.traffic import ServedVersion
from noria.dataplane.main import run
from noria.dataplane.model_main import run_model
from noria.ports import wire

_spec = importlib.util.spec_from_file_location("dataplane_process", Path(__file__).with_name("dataplane_process.py"))
usual = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(usual)


class Numbered:
    """Answers the number in its file, whatever it is asked."""

    def __init__(self, number: float) -> None:
        self._number = number

    def score(self, matrix: np.ndarray) -> np.ndarray:
        return np.full(len(matrix), self._number)


class Nothing:
    def served(self, rows: Sequence[Mapping[str, Any]], now_ms: int) -> Mapping[str, list[Any]]:
        return {"wind": [0.0] * len(rows), "visibility": [0.0] * len(rows)}


def scorers(home: Path):
    blobs = usual.CachedBlobs(usual.FolderBlobs(home / "blobs"), home / "dataplane" / "blobs")
    return lambda artifact: Numbered(json.loads(blobs.read(artifact)))


if __name__ == "__main__":
    role, home = sys.argv[1], Path(sys.argv[2])
    if role == "plane":
        command = [sys.executable, __file__, "challenger", str(home)]
        known = usual.parts(home)
        run(
            replace(known, load_scorer=scorers(home), make_lookup=lambda version: Nothing(), model_command=command),
            "127.0.0.1",
            int(sys.argv[3]),
        )
    else:
        version = wire.load(Path(sys.argv[4]).read_bytes(), ServedVersion)
        run_model(Path(sys.argv[3]), version, scorers(home), lambda served: Nothing())
