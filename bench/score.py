"""Batch scoring, Parquet to Parquet: `noria score` against a hand-written streaming loop with the same library and as many threads.

LightGBM, 200 trees of 31 leaves, 30 features. Both run in processes of their own, in turn, three
times each; wall time, CPU time and peak memory are their own, import included (it is told apart).

    python bench/score.py [--rows 2000000] [--times 3]
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

FEATURES, TREES, LEAVES = 30, 200, 31


def prepare(folder: Path, rows: int) -> None:
    """Training data, a model in a home, and the rows to be scored."""
    import lightgbm
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    import noria as nr

    random = np.random.default_rng(7)
    names = [f"f{n}" for n in range(FEATURES)]
    X = random.normal(size=(50_000, FEATURES))
    y = (X[:, :8].sum(1) + random.normal(size=len(X)) > 0).astype(int)
    model = lightgbm.LGBMClassifier(n_estimators=TREES, num_leaves=LEAVES, verbose=-1, num_threads=os.cpu_count())
    model.fit(X, y, feature_name=names)
    (folder / "model.txt").write_text(model.booster_.model_to_string())
    start = datetime(2026, 1, 1, tzinfo=UTC)
    writer = None
    for begin in range(0, rows, 250_000):
        size = min(250_000, rows - begin)
        X = random.normal(size=(size, FEATURES))
        X[random.random(X.shape) < 0.02] = np.nan
        columns = {"id": pa.array([f"row-{n}" for n in range(begin, begin + size)])}
        columns["at"] = pa.array([start + timedelta(seconds=n) for n in range(begin, begin + size)], type=pa.timestamp("ms", "UTC"))
        columns |= {name: pa.array(X[:, place]) for place, name in enumerate(names)}
        table = pa.table(columns)
        writer = writer or pq.ParquetWriter(folder / "rows.parquet", table.schema)
        writer.write_table(table)
    assert writer is not None
    writer.close()
    fields = [{"name": "id", "kind": "text"}, {"name": "at", "kind": "time"}]
    fields += [{"name": name, "kind": "float", "required": False} for name in names]
    signature = {"inputs": fields, "features": fields[2:], "task": "binary", "classes": ["no", "yes"], "key": "id", "time": "at"}
    (folder / "signature.json").write_text(json.dumps(signature))
    nr.deploy("bench", folder / "model.txt", signature=folder / "signature.json", home=folder / ".noria")


def bare(folder: Path) -> dict[str, float]:
    """What a careful engineer would write by hand."""
    began = time.perf_counter()
    import lightgbm
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    booster = lightgbm.Booster(model_file=str(folder / "model.txt"))
    imported = time.perf_counter() - began
    began = time.perf_counter()
    names = booster.feature_name()
    writer = None
    for batch in pq.ParquetFile(folder / "rows.parquet").iter_batches(batch_size=65_536):
        X = np.column_stack([batch.column(name).to_numpy(zero_copy_only=False) for name in names])
        answers = booster.predict(X, num_threads=os.cpu_count())
        table = pa.table(
            {"id": batch.column("id"), "at": batch.column("at"), "prediction": answers, "label": np.where(answers >= 0.5, "yes", "no")}
        )
        writer = writer or pq.ParquetWriter(folder / "bare.parquet", table.schema)
        writer.write_table(table)
    assert writer is not None
    writer.close()
    return {"import_s": imported, "wall_s": time.perf_counter() - began}


def ours(folder: Path) -> dict[str, float]:
    """`nr.score`, with everything that it does."""
    import shutil

    shutil.rmtree(folder / "out", ignore_errors=True)
    began = time.perf_counter()
    import noria as nr

    score = nr.score
    imported = time.perf_counter() - began
    began = time.perf_counter()
    record = score("bench", folder / "rows.parquet", folder / "out", home=folder / ".noria")
    assert record.complete and not record.bad
    return {"import_s": imported, "wall_s": time.perf_counter() - began}


def compared(folder: Path) -> float:
    """Largest difference between the answers of both."""
    import polars as pl

    mine = pl.read_parquet(folder / "out" / "part-*.parquet", columns=["id", "prediction"])
    theirs = pl.read_parquet(folder / "bare.parquet", columns=["id", "prediction"])
    assert mine["id"].equals(theirs["id"])
    return float((mine["prediction"] - theirs["prediction"]).abs().max())


def alone(what: str, folder: Path) -> dict[str, float]:
    """One run in a process of its own."""
    done = subprocess.run([sys.executable, __file__, "--run", what, "--folder", str(folder)], capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    """Run both in turn and print the ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=2_000_000)
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("--run", choices=["bare", "ours", "prepare"])
    parser.add_argument("--folder", type=Path)
    asked = parser.parse_args()
    if asked.run == "prepare":
        prepare(asked.folder, asked.rows)
        return
    if asked.run:
        told = {"bare": bare, "ours": ours}[asked.run](asked.folder)
        used = resource.getrusage(resource.RUSAGE_SELF)
        print(json.dumps(told | {"cpu_s": used.ru_utime + used.ru_stime, "peak_mb": used.ru_maxrss / 1024}))
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        subprocess.run([sys.executable, __file__, "--run", "prepare", "--folder", name, "--rows", str(asked.rows)], check=True)
        runs: dict[str, list[dict[str, float]]] = {"bare": [], "ours": []}
        for n in range(asked.times):
            for what in ("bare", "ours") if n % 2 == 0 else ("ours", "bare"):
                runs[what].append(alone(what, folder))
        print(f"{asked.rows:,} rows × {FEATURES} features, LightGBM {TREES} trees, {os.cpu_count()} cores, median of {asked.times}")
        print(f"{'':6} {'wall s':>8} {'CPU s':>8} {'peak MB':>8} {'import s':>9}")
        middle = {what: {key: statistics.median(run[key] for run in told) for key in told[0]} for what, told in runs.items()}
        for what, told in middle.items():
            print(f"{what:6} {told['wall_s']:8.2f} {told['cpu_s']:8.2f} {told['peak_mb']:8.0f} {told['import_s']:9.2f}")
        paired = statistics.median(mine["wall_s"] / theirs["wall_s"] for mine, theirs in zip(runs["ours"], runs["bare"], strict=True))
        print(f"ours / bare: wall {paired:.3f}, CPU {middle['ours']['cpu_s'] / middle['bare']['cpu_s']:.3f}", end="")
        print(f", memory {middle['ours']['peak_mb'] / middle['bare']['peak_mb']:.2f}; answers differ by {compared(folder):.1e} at most")


if __name__ == "__main__":
    main()
