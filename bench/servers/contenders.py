"""Every server that is measured: how it starts, where it listens, how it is asked, what it answers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from servers.models import dump
from servers.noria_home import make_home

HERE = Path(__file__).parent
Row = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """A server.

    Attributes:
        command: Port, model and work folder to what is started; environment beside it.
        ready: Path that is answered with 200 once it serves.
        path: Model to path.
        body: Rows of one request to its body.
        answers: An answer's body to one number per row; None where it is not the model's.
        models: What it serves.
    """

    name: str
    command: Callable[[int, str, Path], tuple[Sequence[str], dict[str, str]]]
    ready: str
    path: Callable[[str], str]
    body: Callable[[Sequence[Row]], bytes]
    answers: Callable[[Any], list[float]] | None
    models: tuple[str, ...] = ("trees", "pipeline")


def own() -> list[Contender]:
    """Noria with everything on, with its journal off, the model with nothing around it, and a constant."""

    def noria(sample: float) -> Callable[[int, str, Path], tuple[Sequence[str], dict[str, str]]]:
        def command(port: int, model: str, folder: Path) -> tuple[Sequence[str], dict[str, str]]:
            home = folder / f"home-{port}"
            make_home(home, folder, port, sample=sample)
            return [sys.executable, "-m", "noria.dataplane", str(home)], {}

        return command

    def bare(what: str) -> Callable[[int, str, Path], tuple[Sequence[str], dict[str, str]]]:
        return lambda port, model, folder: ([sys.executable, "-m", "servers.bare", what, str(port), str(folder)], {"PYTHONPATH": _path()})

    def body(rows: Sequence[Row]) -> bytes:
        return dump({"inputs": rows[0]} if len(rows) == 1 else {"rows": [{"inputs": row} for row in rows]})

    def answers(told: Any) -> list[float]:
        return [row["prediction"] for row in told.get("rows", [told])]

    as_noria = {"ready": "/health/ready", "path": lambda model: f"/predict/{model}", "body": body, "answers": answers}
    as_bare = {"ready": "", "path": lambda model: "/", "models": ("trees",)}
    plain = lambda rows: dump(rows[0] if len(rows) == 1 else {"rows": rows})  # noqa: E731
    plain_bare = lambda rows: dump({"inputs": rows[0]} if len(rows) == 1 else {"rows": [{"inputs": row} for row in rows]})  # noqa: E731
    return [
        Contender(name="noria", command=noria(1.0), **as_noria),
        Contender(name="noria without journal", command=noria(0.0), **as_noria),
        Contender(name="bare model", command=bare("model"), body=plain_bare, answers=list, **as_bare),
        Contender(name="constant", command=bare("constant"), body=plain, answers=None, **as_bare),
    ]


def peers(environments: Path) -> list[Contender]:
    """The peers whose environment could be made; the others are named with the reason."""
    found = []
    for name, packages, make in (
        ("FastAPI by hand", ["fastapi", "uvicorn", "uvloop", "httptools", "lightgbm", "scikit-learn", "pandas"], _fastapi),
        ("MLServer", ["mlserver==1.7.1", "mlserver-lightgbm", "lightgbm", "scikit-learn", "pandas"], _mlserver),
        ("BentoML", ["bentoml", "lightgbm", "scikit-learn", "pandas"], _bentoml),
    ):
        try:
            found.append(make(environment(environments / name.split()[0].lower(), packages)))
        except (OSError, subprocess.CalledProcessError) as error:
            print(f"{name}: left out, its environment could not be made: {str(error)[:200]}")
    return found


def environment(folder: Path, packages: Sequence[str]) -> Path:
    """The Python of an environment of its own, made on the first run."""
    done = folder / "done"
    if not done.exists():
        print(f"installing {packages[0]} into {folder} …", flush=True)
        venv.create(folder, with_pip=True, clear=True)
        subprocess.run([folder / "bin" / "python", "-m", "pip", "install", "-q", *packages], check=True, timeout=900, capture_output=True)
        done.touch()
    return folder / "bin"


def _path() -> str:
    return os.pathsep.join([str(HERE.parent), os.environ.get("PYTHONPATH", "")])


def _fastapi(bin: Path) -> Contender:
    def command(port: int, model: str, folder: Path) -> tuple[Sequence[str], dict[str, str]]:
        options = ["--app-dir", str(HERE), "--host", "127.0.0.1", "--port", str(port), "--log-level", "warning", "--no-access-log"]
        return [str(bin / "python"), "-m", "uvicorn", "fastapi_app:app", *options], {"BENCH_FOLDER": str(folder)}

    return Contender(
        name="FastAPI by hand",
        command=command,
        ready="/ready",
        path=lambda model: f"/{model}",
        body=lambda rows: dump({"rows": rows}),
        answers=lambda told: told["predictions"],
    )


def _bentoml(bin: Path) -> Contender:
    def command(port: int, model: str, folder: Path) -> tuple[Sequence[str], dict[str, str]]:
        options = ["--working-dir", str(HERE), "--host", "127.0.0.1", "--port", str(port)]
        return [str(bin / "bentoml"), "serve", "bentoml_service:Models", *options], {"BENCH_FOLDER": str(folder)}

    return Contender(
        name="BentoML",
        command=command,
        ready="/readyz",
        path=lambda model: f"/{model}",
        body=lambda rows: dump({"rows": rows if "city" in rows[0] else [list(row.values()) for row in rows]}),
        answers=lambda told: told,
    )


def _mlserver(bin: Path) -> Contender:
    def command(port: int, model: str, folder: Path) -> tuple[Sequence[str], dict[str, str]]:
        home = folder / f"mlserver-{port}"
        for name, implementation in (("trees", "mlserver_lightgbm.LightGBMModel"), ("pipeline", "mlserver_models.Pipeline")):
            (home / name).mkdir(parents=True, exist_ok=True)
            told = {"name": name, "implementation": implementation, "parameters": {"uri": str(folder / "trees.txt"), "version": "1"}}
            (home / name / "model-settings.json").write_text(json.dumps(told))
        ports = {"http_port": port, "grpc_port": port + 1, "metrics_port": port + 2, "host": "127.0.0.1"}
        (home / "settings.json").write_text(json.dumps({**ports, "parallel_workers": 0, "debug": False}))
        return [str(bin / "mlserver"), "start", str(home)], {"BENCH_FOLDER": str(folder), "PYTHONPATH": str(HERE)}

    def body(rows: Sequence[Row]) -> bytes:
        if "city" not in rows[0]:
            data = [value for row in rows for value in row.values()]
            return dump({"inputs": [{"name": "x", "shape": [len(rows), len(rows[0])], "datatype": "FP64", "data": data}]})
        columns = [
            {
                "name": name,
                "shape": [len(rows), 1],
                "datatype": "BYTES" if name == "city" else "FP64",
                "data": [row[name] for row in rows],
                **({"parameters": {"content_type": "str"}} if name == "city" else {}),
            }
            for name in rows[0]
        ]
        return dump({"parameters": {"content_type": "pd"}, "inputs": columns})

    return Contender(
        name="MLServer",
        command=command,
        ready="/v2/health/ready",
        path=lambda model: f"/v2/models/{model}/infer",
        body=body,
        answers=lambda told: told["outputs"][0]["data"],
    )
