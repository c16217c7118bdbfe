"""A data plane loads what it answers with, and nothing else."""

from __future__ import annotations

import subprocess
import sys

HEAVY = ("polars", "pyarrow", "duckdb", "sklearn", "scipy", "pandas", "lightgbm", "httpx", "sqlalchemy", "noria.loop.source")


def loaded_by(module: str, names: tuple[str, ...]) -> str:
    program = f"import {module}, sys; print(*[name for name in {names!r} if name in sys.modules])"
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.strip()


def test_its_process_is_put_together_without_data_frames_training_libraries_or_user_code() -> None:
    assert loaded_by("noria.dataplane.assembly", HEAVY) == ""


def test_the_parent_of_workers_loads_no_model_code_at_all() -> None:
    assert loaded_by("noria.dataplane.workers, noria.dataplane.__main__", (*HEAVY, "numpy", "uvloop", "noria.stages.serving.desk")) == ""
