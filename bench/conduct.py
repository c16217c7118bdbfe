"""How long the looks behind a candidate's marks take, how often they err, and what fairlearn says of the same rows.

`python bench/conduct.py` prints seconds against their limits. `--studies` adds false alarms and
coverage by simulation (a few minutes). `--fairlearn PYTHON` runs an interpreter that has fairlearn
(`pip install fairlearn`), on the same rows, and prints the ratio of times.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import perf_counter

import numpy as np
import polars as pl
from lightgbm import LGBMClassifier
from scipy.stats import norm

from noria.core.declaration.conduct import invariant, monotone
from noria.core.declaration.inspection import Leakage
from noria.core.schema import Task
from noria.packaging.encoding import encode, learn_fields
from noria.stages.evaluation import fairness
from noria.stages.evaluation.behaviour import behaviour
from noria.stages.evaluation.group_gaps import widest
from noria.stages.evaluation.group_rates import Answers, rates_of
from noria.stages.evaluation.leak_table import Table
from noria.stages.evaluation.leakage import look_over
from noria.stages.evaluation.slice_search import losses_of, search
from noria.stages.evaluation.stress import ROWS, stressed
from noria.stages.monitoring.stability import debiased_psi

NUMBERS, TEXTS = 12, 8
START = datetime(2024, 1, 1, tzinfo=UTC)


def world(rows: int, seed: int = 1) -> tuple[pl.DataFrame, np.ndarray]:
    random = np.random.default_rng(seed)
    frame = pl.DataFrame(
        {f"x{k}": random.normal(size=rows) for k in range(NUMBERS)}
        | {f"c{k}": random.choice(list("abcdefghij"), rows) for k in range(TEXTS)}
        | {"sex": random.choice(["f", "m"], rows), "age": random.integers(18, 90, rows)}
    )
    logit = frame["x0"].to_numpy() + 0.5 * frame["x1"].to_numpy() + 0.4 * (frame["sex"] == "m").to_numpy()
    return frame, (random.random(rows) < 1 / (1 + np.exp(-logit))).astype(float)


def timed(what: str, limit_s: float, do: Callable[[], object]) -> object:
    do()
    began = perf_counter()
    made = do()
    taken = perf_counter() - began
    print(f"{what:<58}{taken:8.2f} s   limit {limit_s:g} s   {taken / limit_s:5.2f}")
    return made


def speed(rows: int) -> None:
    frame, y = world(rows)
    names = [name for name in frame.columns if name not in ("sex", "age")]
    fields = learn_fields(frame, names)
    model = LGBMClassifier(n_estimators=100, num_threads=1, verbose=-1).fit(encode(frame.head(20_000), fields), y[:20_000])

    def answer(part: pl.DataFrame) -> np.ndarray:
        return model.booster_.predict(encode(part, fields), num_threads=1)

    score, days = answer(frame), np.arange(rows) * 60 // rows
    name, losses = losses_of(Task.BINARY, y, score) or ("", score)
    found = timed(
        f"slices of {rows:,} rows × {len(names)} columns, and pairs",
        2.0,
        lambda: search(frame, names, losses, loss=name, reference=frame.head(50_000), clusters=days),
    )
    print(f"    {found.tested:,} slices tested, {found.shown} shown, {len(found.found)} not explained by others")
    answers = Answers(y=y, score=score, said=(score >= 0.5).astype(float))
    timed(
        f"fairness of {rows:,} rows, 2 columns and their intersection",
        1.0,
        lambda: fairness.examine(
            frame, ["sex", "age"], answers, reference=frame, clusters=days, apart=lambda a, b: float(debiased_psi(a, b))
        ),
    )
    part = frame.head(ROWS)
    timed(
        f"strains of {ROWS:,} rows × {len(names)} features, 100 trees",
        10.0,
        lambda: stressed(part, y[:ROWS], answer, fields=fields, reference=frame, task=Task.BINARY, metrics=("roc_auc",), clusters=None),
    )
    keyed = part.with_columns(__key=pl.arange(0, ROWS, eager=True).cast(pl.String))
    for gate in (invariant("c0"), monotone("x0", "up")):
        told = timed(
            f"{gate} on {ROWS:,} rows",
            1.0,
            lambda gate=gate: behaviour(gate, keyed, answer, fields=fields, classes=("no", "yes"), task=Task.BINARY, clusters=None),
        )
        print(f"    {told.violated.value:.1%} of rows miss it")
    whole = frame.select(names).with_columns(
        __key=pl.arange(0, rows, eager=True).cast(pl.String),
        __time=pl.Series([START + timedelta(minutes=5 * k) for k in range(rows)]),
        __label=pl.Series(y.astype(np.int64)),
    )
    table = Table(frame=whole, trains=int(0.8 * rows), fields=fields, task=Task.BINARY)
    timed(f"leakage of {rows:,} rows × {len(names)} features", 3.0, lambda: look_over(table, Leakage()))


def studies(runs: int) -> None:
    print(f"\nfalse alarms and coverage, {runs} runs each")
    for clustered in (False, True):
        shown = found = others = 0.0
        for seed in range(runs):
            shown += _searched(seed, 0.0, clustered).shown > 0
            names = [str(one) for one in _searched(seed, 0.3, clustered).found]
            found += "c0=b" in names
            others += sum("c0=b" not in one for one in names) / max(1, len(names))
        said = "days in common" if clustered else "independent rows"
        print(
            f"slices, {said}: none weak, any shown {shown / runs:.3f}; one weak by 0.3, found {found / runs:.3f}, others {others / runs:.3f}"
        )
    for shares, rows in (([0.1, 0.1], 300), ([0.3, 0.4], 2_000), ([0.3] * 5, 2_000)):
        covered = harmed = 0
        truth = max(shares) - min(shares)
        for seed in range(runs):
            random = np.random.default_rng(seed)
            groups = random.integers(0, len(shares), rows)
            said = (random.random(rows) < np.array(shares)[groups]).astype(float)
            made = widest(rates_of(Answers(y=said, score=said, said=said), groups, len(shares), None)["selection_rate"], range(len(shares)))
            covered += made is not None and made.difference.low <= truth + 1e-9 <= made.difference.high + 2e-9
            harmed += made is not None and made.difference.low > truth
        print(f"gap of groups selected {shares}, {rows} rows: covered {covered / runs:.3f}, shown too wide {harmed / runs:.3f}")
    for shares in ([0.3, 0.3], [0.3, 0.4], [0.3, 0.45], [0.3, 0.5], [0.3, 0.4, 0.4, 0.4, 0.4], [0.3, 0.5, 0.5, 0.5, 0.5]):
        for rows in (500, 2_000, 8_000):
            beyond, within = _held(shares, rows, runs)
            print(f"gap of groups selected {shares} against a limit of 0.1, {rows} rows: beyond {beyond:.3f}, within {within:.3f}")
    for worse in (0.1, 0.15, 0.2, 0.3):
        found = sum("c0=b" in [str(one) for one in _searched(seed, worse, True).found] for seed in range(runs))
        print(f"slices: one worse by {worse} of a standard deviation, 1,200 of 4,000 rows, found {found / runs:.3f}")
    for auc in (0.95, 0.97, 0.98):
        for rows in (300, 1_000, 4_000):
            stops = sum(bool(look_over(_honest(seed, rows, auc), Leakage()).stops) for seed in range(runs))
            print(f"leakage, an honest feature of AUC {auc}, {rows} rows: stopped {stops} of {runs}")


def _held(shares: list[float], rows: int, runs: int) -> tuple[float, float]:
    """How often a gap is shown to be beyond 0.1, and within; 25 days have something in common."""
    beyond = within = 0
    for seed in range(runs):
        random = np.random.default_rng(seed)
        groups, day = random.integers(0, len(shares), rows), np.arange(rows) * 25 // rows
        chance = np.clip(np.array(shares)[groups] + 0.06 * random.normal(size=25)[day], 0, 1)
        said = (random.random(rows) < chance).astype(float)
        made = widest(rates_of(Answers(y=said, score=said, said=said), groups, len(shares), day)["selection_rate"], range(len(shares)))
        beyond += made is not None and made.difference.low > 0.1
        within += made is not None and made.difference.high <= 0.1
    return beyond / runs, within / runs


def _searched(seed: int, worse: float, clustered: bool):
    random = np.random.default_rng(seed)
    rows, days = 4_000, 25
    frame = pl.DataFrame(
        {f"x{k}": random.normal(size=rows) for k in range(3)}
        | {f"c{k}": random.choice(list("abcd"), rows, p=[0.5, 0.3, 0.15, 0.05]) for k in range(3)}
    )
    day = np.sort(random.integers(0, days, rows))
    losses = random.exponential(size=rows) + clustered * (0.2 * random.normal(size=days))[day] + worse * (frame["c0"] == "b").to_numpy()
    return search(frame, frame.columns, losses, loss="log_loss", reference=frame, clusters=day if clustered else None)


def _honest(seed: int, rows: int, auc: float) -> Table:
    random = np.random.default_rng(seed)
    y = (random.random(rows) < 0.3).astype(np.int64)
    frame = pl.DataFrame(
        {
            "__key": [str(k) for k in range(rows)],
            "__time": [START + timedelta(minutes=30 * k) for k in range(rows)],
            "__label": y,
            "strong": y * norm.ppf(auc) * np.sqrt(2) + random.normal(size=rows),
        }
    )
    return Table(frame=frame, trains=int(0.8 * rows), fields=learn_fields(frame, ["strong"]), task=Task.BINARY)


PEER = """
import sys, time, numpy as np
from fairlearn.metrics import *
from sklearn.metrics import precision_score
told = np.load(sys.argv[1])
y, said, group = told["y"], told["said"], told["group"]
rates = dict(selection=selection_rate, tpr=true_positive_rate, fpr=false_positive_rate, fnr=false_negative_rate, precision=precision_score)
began = time.perf_counter()
made = MetricFrame(metrics=rates, y_true=y, y_pred=said, sensitive_features=group, n_boot=20, ci_quantiles=[0.025, 0.975])
print(time.perf_counter() - began)
print(*[made.by_group[name][g] for g in ("f", "m") for name in rates])
"""


def peer(python: str, rows: int) -> None:
    frame, y = world(rows)
    score = 1 / (1 + np.exp(-frame["x0"].to_numpy()))
    said = (score >= 0.5).astype(float)
    answers = Answers(y=y, score=score, said=said)
    began = perf_counter()
    report = fairness.examine(frame, ["sex"], answers, reference=frame, clusters=None, apart=lambda a, b: float(debiased_psi(a, b)))
    ours = perf_counter() - began
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "rows.npz"
        np.savez(file, y=y, said=said, group=frame["sex"].to_numpy().astype(str))
        done = subprocess.run(
            [python, "-c", PEER, str(file)], capture_output=True, text=True, check=True, timeout=300, env={"PATH": "/usr/bin"}
        ).stdout.split()
    theirs, numbers = float(done[0]), np.array(done[1:], dtype=float)
    by_name = {mark.group: mark for mark in report.groups}
    own = np.array([by_name[g].rates[n].value for g in "fm" for n in ("selection_rate", "tpr", "fpr", "fnr", "precision")])
    print(f"\nfairness with intervals, {rows:,} rows: {ours:.2f} s, fairlearn (20 resamples) {theirs:.2f} s, {theirs / ours:.0f} × as long")
    print(f"largest difference of ten rates: {np.abs(own - numbers).max():.1e}")


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--rows", type=int, default=100_000)
    asked.add_argument("--studies", type=int, nargs="?", const=400, default=0, metavar="RUNS")
    asked.add_argument("--fairlearn", default="", metavar="PYTHON")
    told = asked.parse_args()
    speed(told.rows)
    if told.fairlearn:
        peer(told.fairlearn, told.rows // 20)
    if told.studies:
        studies(told.studies)


if __name__ == "__main__":
    sys.exit(main())
