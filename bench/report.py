"""Size and time of the HTML report of 20 features, beside Evidently's.

    python bench/report.py [--rows 100000] [--peer /path/to/python-with-evidently]

Each report is made three times in a fresh process from the same two Parquet files; seconds are of
CPU, so that a busy machine tells nearly the same, and the best counts. Without an interpreter that has Evidently, only ours is measured, against
its limits: less than 1 MB, and less than 1 s from a finished check to the file.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import polars as pl

LIMIT_BYTES, LIMIT_S = 1_000_000, 1.0
TIMES = 3

OURS = """
import json, sys, time
began = time.process_time()
import noria as nr
nr.check
loaded = time.process_time()
found = nr.check(sys.argv[1], sys.argv[2])
checked = time.process_time()
page = found.to_html(sys.argv[3])
done = time.process_time()
print(json.dumps({"import_s": loaded - began, "check_s": checked - loaded, "html_s": done - checked, "bytes": len(page.encode()), "version": nr.__version__}))
"""

THEIRS = """
import json, sys, time
began = time.process_time()
import pandas as pd
import evidently
from evidently import Report
from evidently.presets import DataDriftPreset, DataSummaryPreset
loaded = time.process_time()
reference, current = pd.read_parquet(sys.argv[1]), pd.read_parquet(sys.argv[2])
found = Report([DataDriftPreset(), DataSummaryPreset()]).run(current, reference)
checked = time.process_time()
found.save_html(sys.argv[3])
done = time.process_time()
import os
print(json.dumps({"import_s": loaded - began, "check_s": checked - loaded, "html_s": done - checked, "bytes": os.path.getsize(sys.argv[3]), "version": evidently.__version__}))
"""


def tables(folder: Path, rows: int) -> tuple[Path, Path]:
    dice = np.random.default_rng(0)
    paths = []
    for name, shift in (("reference", 0.0), ("current", 0.4)):
        table: dict[str, np.ndarray] = {f"number_{k}": dice.normal(shift if k % 3 == 0 else 0.0, 1.0, rows) for k in range(10)}
        table |= {f"amount_{k}": dice.lognormal(3.0 + shift * (k == 0), 1.0, rows) for k in range(4)}
        table |= {f"text_{k}": dice.choice(list("abcdefgh"), rows) for k in range(6)}
        paths.append(folder / f"{name}.parquet")
        pl.DataFrame(table).write_parquet(paths[-1])
    return paths[0], paths[1]


def measured(python: str, code: str, *paths: Path) -> dict | None:
    best: dict | None = None
    for _ in range(TIMES):
        done = subprocess.run([python, "-W", "ignore", "-c", code, *map(str, paths)], capture_output=True, text=True, check=False)
        if done.returncode:
            print(f"  {python} failed: {done.stderr.strip().splitlines()[-1] if done.stderr.strip() else done.returncode}")
            return None
        told = json.loads(done.stdout.strip().splitlines()[-1])
        if best is None or told["check_s"] + told["html_s"] < best["check_s"] + best["html_s"]:
            best = told
    return best


def told(name: str, one: dict) -> None:
    print(
        f"{name:<18} import {one['import_s']:5.2f} s   check {one['check_s']:6.2f} s   HTML {one['html_s']:6.3f} s   {one['bytes'] / 1e6:6.3f} MB"
    )


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--rows", type=int, default=100_000)
    asked.add_argument("--peer", default="", help="an interpreter that has Evidently")
    given = asked.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        reference, current = tables(folder, given.rows)
        ours = measured(sys.executable, OURS, reference, current, folder / "ours.html")
        if ours is None:
            raise SystemExit(1)
        print(f"{given.rows:,} rows × 20 columns a side")
        told(f"noria {ours['version']}", ours)
        print(f"  HTML takes {ours['html_s'] / LIMIT_S:.2f} of its second, {ours['bytes'] / LIMIT_BYTES:.2f} of its megabyte")
        theirs = measured(given.peer, THEIRS, reference, current, folder / "theirs.html") if given.peer else None
        if theirs is None:
            print("  no Evidently to compare with: --peer names an interpreter that has it")
            return
        told(f"evidently {theirs['version']}", theirs)
        total = [one["check_s"] + one["html_s"] for one in (ours, theirs)]
        print(f"  {total[1] / total[0]:.1f} × as fast, {theirs['bytes'] / ours['bytes']:.1f} × as small")


if __name__ == "__main__":
    main()
