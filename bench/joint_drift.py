"""What sees a changed relation of features: products of pairs in a logistic regression, boosted trees, or reconstruction error.

Run: python bench/joint_drift.py
"""

from __future__ import annotations

import os
import time

for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
    os.environ.setdefault(name, "1")

import lightgbm  # noqa: E402
import numpy as np  # noqa: E402
from sklearn.metrics import roc_auc_score  # noqa: E402
from sklearn.model_selection import cross_val_predict  # noqa: E402

from noria.stages.monitoring import domain, reconstruction  # noqa: E402

ROWS, WIDTH, RUNS = 1_000, 10, 20


def rows(random: np.random.Generator, kind: str, changed: bool) -> np.ndarray:
    X = random.normal(size=(ROWS, WIDTH))
    rho = {"nothing": 0.7, "0.7 to 0.4": 0.4, "0.7 to 0": 0.0}.get(kind, 0.7) if changed else 0.7
    X[:, 1] = rho * X[:, 0] + np.sqrt(1 - rho**2) * X[:, 1]
    if kind == "three together" and changed:
        tied = random.random(ROWS) < 0.4
        X[tied, 4] = np.abs(X[tied, 4]) * np.sign(X[tied, 2] * X[tied, 3])
    return X


def trees(old: np.ndarray, new: np.ndarray) -> float:
    model = lightgbm.LGBMClassifier(n_estimators=60, num_leaves=8, num_threads=1, verbose=-1, random_state=1)
    y = np.repeat([0, 1], [len(old), len(new)])
    order = np.random.default_rng(0).permutation(len(y))
    score = cross_val_predict(model, np.vstack([old, new])[order], y[order], cv=5, method="predict_proba")[:, 1]
    return float(roc_auc_score(y[order], score))


def main() -> None:
    print(f"{ROWS:,} rows against {ROWS:,}, {WIDTH} features, mean of {RUNS} runs")
    print(f"{'relation':16} {'pairs AUC':>10} {'trees AUC':>10} {'error change':>13}   ms: pairs, trees, error")
    for kind in ("nothing", "0.7 to 0.4", "0.7 to 0", "three together"):
        found, spent = [], []
        for seed in range(RUNS):
            random = np.random.default_rng(seed)
            old, new = rows(random, kind, False), rows(random, kind, True)
            began = time.perf_counter()
            pairs = domain.separate(domain.of_matrix(old), domain.of_matrix(new)).auc
            second = time.perf_counter()
            boosted = trees(old, new)
            third = time.perf_counter()
            parts = reconstruction.components_of(np.cov(old.T))
            change = reconstruction.errors(new, parts).mean() / reconstruction.errors(old, parts).mean() - 1
            spent.append((second - began, third - second, time.perf_counter() - third))
            found.append((pairs, boosted, change))
        a, b, c = np.mean(found, axis=0)
        t = 1e3 * np.mean(spent, axis=0)
        print(f"{kind:16} {a:10.3f} {b:10.3f} {c:13.1%}   {t[0]:.0f}, {t[1]:.0f}, {t[2]:.1f}")


if __name__ == "__main__":
    main()
