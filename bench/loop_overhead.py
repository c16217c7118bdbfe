"""What the loop costs on top of the training that anybody would do: a whole birth turn against a bare script.

    python bench/loop_overhead.py [--rows 80000] [--trials 6]

Both read the same table, try the same number of parameters with the same LightGBM, train the best
and judge it. The turn also takes a dataset version, profiles it, snapshots the code, journals each
step, runs user code in its own processes, bootstraps intervals, packages the model, proves parity
of its serving form and registers it. Reported: wall seconds of both, and where the turn spent its own.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import polars as pl

from noria.app.settings import read
from noria.app.wiring import build
from noria.cli.scaffold import customers, write_project
from noria.core.turning import Step, Turn
from noria.loop.duty import Duty
from noria.loop.verbs import Verbs
from noria.loop.wheel import Wheel

BY_HAND = """
import sys
import numpy as np, polars as pl
from lightgbm import LGBMClassifier
from sklearn.metrics import roc_auc_score

rows = pl.read_csv(sys.argv[1], try_parse_dates=True).sort("seen_at")
rows = rows.with_columns(tickets_per_login=rows["tickets_90d"] / (1 + rows["logins_30d"]))
rows = rows.with_columns(pl.col("plan", "region").cast(pl.Categorical).to_physical())
X = rows.drop("customer_id", "seen_at", "churned").to_numpy().astype(float)
y = rows["churned"].to_numpy()
test, valid = int(len(y) * 0.8), int(len(y) * 0.64)
dice = np.random.default_rng(7)

def fit(to, leaves, rate):
    return LGBMClassifier(n_estimators=100, num_threads=1, verbose=-1, num_leaves=leaves, learning_rate=rate).fit(X[:to], y[:to])

tried = []
for _ in range(int(sys.argv[2])):
    params = int(dice.integers(4, 32)), float(np.exp(dice.uniform(np.log(0.02), np.log(0.2))))
    tried.append((roc_auc_score(y[valid:test], fit(valid, *params).predict_proba(X[valid:test])[:, 1]), params))
model = fit(test, *max(tried)[1])
model.booster_.save_model(sys.argv[1] + ".model.txt")
print(roc_auc_score(y[test:], model.predict_proba(X[test:])[:, 1]))
"""


def by_hand(data: Path, trials: int) -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", BY_HAND, str(data), str(trials)], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def by_noria(project: Path) -> tuple[float, dict[str, float]]:
    world = build(read(project / ".noria", environ={}))
    began = time.perf_counter()
    Verbs(world).up(project / "loop.py")
    wheel = Wheel(world, duty=Duty(world.records, wall=world.wall, owner="bench"))
    while True:
        busy = wheel.once()
        turns = world.documents.find(Turn, where={"loop": "customers-churned"})
        if turns and turns[0].state != "open":
            break
        if not busy:
            time.sleep(0.02)
    seconds = time.perf_counter() - began
    if turns[0].state != "done":
        raise SystemExit(f"the turn ended {turns[0].state}: {turns[0].outcome}")
    steps = world.documents.find(Step, where={"turn": turns[0].id})
    return seconds, {step.name: step.seconds for step in sorted(steps, key=lambda s: s.seq)}


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--rows", type=int, default=80_000)
    asked.add_argument("--trials", type=int, default=6)
    given = asked.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder)
        loop_file = write_project(project)[0]
        loop_file.write_text(loop_file.read_text().replace("trials=6", f"trials={given.trials}"))
        data = project / "data" / "customers.csv"
        customers(given.rows).write_csv(data, datetime_format="%Y-%m-%dT%H:%M:%SZ")
        bare = by_hand(data, given.trials)
        whole, steps = by_noria(project)
        print(f"{pl.read_csv(data).height:,} rows, {given.trials} trials")
        print(f"by hand      {bare:6.2f} s")
        print(f"a whole turn {whole:6.2f} s   {whole / bare:.2f} × by hand")
        for name, seconds in steps.items():
            print(f"  {name:<12} {seconds:6.2f} s")


if __name__ == "__main__":
    main()
