"""Univariate drift and data quality: our seconds beside Evidently's and NannyML's on the same rows, and a day of a big deployment.

`python bench/monitoring.py [--no-peers] [--features 1000] [--rows 1000000]`. The peers are installed
into virtual environments of their own under the temporary folder, and kept there for the next run.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl

from noria.core.schema import Field, Kind
from noria.core.traffic import Role
from noria.stages.monitoring import data_quality, drift, reference
from noria.stages.monitoring.counting import ChunkCounts, count, count_chunk, nothing
from noria.stages.monitoring.reading import Look
from noria.stages.serving import spans
from noria.stages.serving.parts import PREDICTIONS, Part

DAY_MS = 86_400_000
START = datetime(2026, 3, 1, tzinfo=UTC)
LOOK = Look(loop="bench", at=START + timedelta(days=1))
FIELDS = (
    *(Field(name=f"number{n}", kind=Kind.FLOAT) for n in range(12)),
    *(Field(name=f"whole{n}", kind=Kind.INT) for n in range(4)),
    *(Field(name=f"text{n}", kind=Kind.TEXT) for n in range(4)),
)
PART_ROWS = 100_000
LIMIT_S, LIMIT_MB = 60.0, 1_000.0

EVIDENTLY = """
import sys, time, pandas as pd
from evidently import Report
from evidently.presets import DataDriftPreset
reference, current = (pd.read_parquet(path).drop(columns="__time") for path in sys.argv[1:3])
begin, worked = time.perf_counter(), time.process_time()
Report([DataDriftPreset()]).run(current, reference).dict()
print(time.perf_counter() - begin, time.process_time() - worked)
"""
NANNYML = """
import sys, time, warnings, pandas as pd
warnings.filterwarnings("ignore")
import nannyml as nml
reference, current = (pd.read_parquet(path) for path in sys.argv[1:3])
names = [name for name in reference.columns if name != "__time"]
begin, worked = time.perf_counter(), time.process_time()
calculator = nml.UnivariateDriftCalculator(
    column_names=names, timestamp_column_name="__time", chunk_period="D",
    continuous_methods=["jensen_shannon", "kolmogorov_smirnov", "wasserstein", "hellinger"],
    categorical_methods=["jensen_shannon", "chi2", "hellinger"],
)
calculator.fit(reference)
calculator.calculate(current).to_df()
print(time.perf_counter() - begin, time.process_time() - worked)
"""
PEERS = {"Evidently": (EVIDENTLY, ["evidently", "pandas<3"]), "NannyML": (NANNYML, ["nannyml", "statsmodels", "pandas<3"])}
"""With what they need beside what they ask for."""

Taken = tuple[float, float]
"""Wall seconds, and seconds of work on all cores: the second holds on a busy machine too."""


def rows(n: int, days: int, seed: int) -> pl.DataFrame:
    """Twenty features over some days."""
    rng = np.random.default_rng(seed)
    times = np.datetime64("2026-01-01", "ms") + np.sort(rng.integers(0, days * DAY_MS, n)).astype("timedelta64[ms]")
    numbers = {f"number{k}": rng.normal(size=n) for k in range(12)}
    wholes = {f"whole{k}": rng.integers(0, 50, n) for k in range(4)}
    texts = {f"text{k}": rng.choice([f"value{j}" for j in range(5 + 20 * k)], n) for k in range(4)}
    return pl.DataFrame({"__time": times, **numbers, **wholes, **texts})


def described(frame: pl.DataFrame) -> reference.DriftReference:
    """The reference with its calibrated limits."""
    return reference.build(frame, FIELDS, importance={}, scores=None, score_times=None, quality={})


def judged(known: reference.DriftReference, counts: ChunkCounts) -> int:
    """Every statistic and every monitor of data quality; how many readings there are."""
    return len(drift.readings(known, counts, LOOK)) + len(data_quality.readings(known, counts, LOOK))


def best(work: Callable[[], object], repeats: int) -> Taken:
    """What the fastest of a few runs takes."""
    taken = []
    for _ in range(repeats):
        begin, worked = time.perf_counter(), time.process_time()
        work()
        taken.append((time.perf_counter() - begin, time.process_time() - worked))
    return min(taken)


def python_with(packages: list[str]) -> Path | None:
    """The Python of a virtual environment with these packages; None when they do not install."""
    home = Path(tempfile.gettempdir()) / "noria-bench" / packages[0]
    python = home / "bin" / "python"
    if (home / "installed").exists():
        return python
    made = subprocess.run([sys.executable, "-m", "venv", "--clear", home], capture_output=True, check=False)
    installed = made.returncode == 0 and subprocess.run(
        [python, "-m", "pip", "install", "--quiet", "pyarrow", *packages], capture_output=True, text=True, check=False
    )
    if not installed or installed.returncode:
        print(f"    {packages[0]} does not install here: {(installed.stderr if installed else 'no venv').strip().splitlines()[-1][:120]}")
        return None
    (home / "installed").touch()
    return python


def of_peer(name: str, files: tuple[Path, Path]) -> Taken | None:
    """What a peer takes for the same rows; None when it cannot."""
    script, packages = PEERS[name]
    python = python_with(packages)
    if python is None:
        return None
    environment = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "PYTHONHOME")} | {"DO_NOT_TRACK": "1"}
    done = subprocess.run([python, "-c", script, *map(str, files)], capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        print(f"    {name} fails: {done.stderr.strip().splitlines()[-1][:160]}")
        return None
    wall, worked = done.stdout.split()[-2:]
    return float(wall), float(worked)


def statistics(n: int, limit_s: float, peers: bool) -> None:
    """All statistics of n rows × 20 against n rows of reference."""
    before, now = rows(n, 30, 1), rows(n, 30, 2)
    known = described(before)
    repeats = 3 if n <= 200_000 else 2
    counted = best(lambda: judged(known, count_chunk(known, now)), repeats)
    whole = best(lambda: judged(fresh := described(before), count_chunk(fresh, now)), repeats)
    print(f"{n:,} rows × {len(FIELDS)} features, every statistic and every monitor of data quality")
    print(f"  {'Noria, reference known':<32}{told(counted)}   {counted[0] / limit_s:.2f} × the limit of {limit_s:g} s")
    print(f"  {'Noria, reference described first':<32}{told(whole)}")
    if not peers:
        return
    with tempfile.TemporaryDirectory() as folder:
        files = Path(folder) / "before.parquet", Path(folder) / "now.parquet"
        for frame, file in zip((before, now), files, strict=True):
            frame.write_parquet(file)
        for name in PEERS:
            taken = of_peer(name, files)
            if taken is not None:
                ratios = f"{taken[1] / whole[1]:.0f} × Noria's work, {taken[1] / counted[1]:.0f} × where Noria's reference is known"
                print(f"  {name:<32}{told(taken)}   {ratios}")


def told(taken: Taken) -> str:
    """Both times in words."""
    return f"{taken[0]:8.3f} s ({taken[1]:.3f} s of work)"


def write_log(folder: Path, features: int, n: int) -> None:
    """A day of the prediction log, in parts as compaction leaves them; nine features of ten are numbers."""
    rng = np.random.default_rng(3)
    place = folder / "bench" / PREDICTIONS
    place.mkdir(parents=True)
    for begin in range(0, n, PART_ROWS):
        height = min(PART_ROWS, n - begin)
        moments = [START + timedelta(milliseconds=(begin + k) * (DAY_MS // n)) for k in (0, height - 1)]
        part = Part(
            folder=place, start_ms=round(moments[0].timestamp() * 1000), end_ms=round(moments[1].timestamp() * 1000), rows=height,
            source="bench", begin=begin, end=begin + height,
        )  # fmt: skip
        head = {
            "request_id": pl.int_range(begin, begin + height, eager=True).cast(pl.String),
            "role": [str(Role.CHAMPION)] * height,
            "time": pl.datetime_range(*moments, interval=f"{DAY_MS // n}ms", time_unit="ms", eager=True).head(height),
            "version": [1] * height,
            "answer": rng.random(height),
        }
        pl.DataFrame(head | _values(rng, features, height)).write_parquet(
            part.path, compression="zstd", compression_level=1, row_group_size=20_000
        )


def _values(rng: np.random.Generator, features: int, height: int) -> dict[str, object]:
    texts = np.array([f"value{n}" for n in range(40)])
    return {
        f"in:feature{n}": texts[rng.integers(0, 40, height)] if n % 10 == 9 else np.round(rng.normal(size=height), 3)
        for n in range(features)
    }


def look_at(folder: Path, features: int) -> dict[str, float]:
    """Count a day piece by piece and judge it, as the loop does; seconds and the most memory that it took."""
    fields = [Field(name=f"feature{n}", kind=Kind.TEXT if n % 10 == 9 else Kind.FLOAT) for n in range(features)]
    rng = np.random.default_rng(4)
    sample = pl.DataFrame({name.removeprefix("in:"): column for name, column in _values(rng, features, 5_000).items()})
    times = np.datetime64("2026-01-01", "ms") + (np.arange(5_000) * 300_000).astype("timedelta64[ms]")
    known = reference.build(sample.with_columns(__time=times), fields, importance={}, scores=None, score_times=None, quality={})
    before_mb = peak_mb()
    begin, worked = time.perf_counter(), time.process_time()
    found = {feature.name: nothing(feature) for feature in known.features}
    by_name = {feature.name: feature for feature in known.features}
    given = spans.given(folder, "bench", since=START, until=START + timedelta(days=1), roles=[Role.CHAMPION])
    for piece in given.pieces({name: (f"f:{name}", f"in:{name}") for name in by_name}):
        for column in piece:
            found[column.name] = found[column.name] + count(by_name[column.name], column)
    counted_s = time.perf_counter() - begin
    readings = judged(known, ChunkCounts(features=found))
    return {
        "counted_s": counted_s,
        "whole_s": time.perf_counter() - begin,
        "worked_s": time.process_time() - worked,
        "peak_mb": peak_mb(),
        "before_mb": before_mb,
        "rows": given.rows.height,
        "readings": readings,
    }


def peak_mb() -> float:
    """The most memory that this process has held (what `getrusage` says includes its parent's)."""
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return int(next(line.split()[1] for line in status.read_text().splitlines() if line.startswith("VmHWM"))) / 1024


def big(features: int, n: int) -> None:
    """A day of a big deployment, looked at by a process of its own."""
    folder = Path(tempfile.mkdtemp(prefix="noria-bench-log-"))
    try:
        write_log(folder, features, n)
        size_gb = sum(file.stat().st_size for file in folder.rglob("*.parquet")) / 1e9
        done = subprocess.run(
            [sys.executable, __file__, "--look", folder, "--features", str(features)], capture_output=True, text=True, check=True
        )
        found = json.loads(done.stdout)
    finally:
        shutil.rmtree(folder)
    size = f"{found['rows']:,.0f} requests × {features:,} features ({size_gb:.1f} GB of Parquet)"
    print(f"A day of {size}: {found['readings']:,.0f} readings")
    print(f"  counted {found['counted_s']:.1f} s, judged {found['whole_s'] - found['counted_s']:.1f} s; {found['worked_s']:.1f} s of work")
    print(f"  together {found['whole_s'] / LIMIT_S:.2f} × the limit of {LIMIT_S:g} s")
    print(f"  most memory {found['peak_mb']:.0f} MB ({found['before_mb']:.0f} MB before), {found['peak_mb'] / LIMIT_MB:.2f} × the limit")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--no-peers", action="store_true", help="leave Evidently and NannyML out")
    parser.add_argument("--features", type=int, default=1_000)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--look", type=Path, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.look is not None:
        print(json.dumps(look_at(chosen.look, chosen.features)))
        return
    statistics(100_000, 0.15, not chosen.no_peers)
    statistics(1_000_000, 1.5, not chosen.no_peers)
    big(chosen.features, chosen.rows)


if __name__ == "__main__":
    main()
