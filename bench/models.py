"""What Noria serves, kind by kind: CPU microseconds per row of its serving form against the library's own predict, in one run.

One thread each; single rows and rows by the hundred, another row every time (one row again and
again flatters trees). Prints a table: format, form, µs per row for 1 and 100 rows, how often
quicker, and the parity on 2,000 rows.

    python bench/models.py [NAME …]
"""

from __future__ import annotations

import os

os.environ |= {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}

import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from noria.adapters.files import Files
from noria.core.errors import NoriaError
from noria.core.schema import Field, Kind, Signature, Task
from noria.packaging import package

ROWS, FEATURES, CODES, TREES = 6_000, 30, 3, 200
SECONDS = 0.4


def data() -> tuple[np.ndarray, np.ndarray]:
    """Numbers, the last few columns codes of categories, one value in fifty missing."""
    random = np.random.default_rng(7)
    X = random.normal(size=(ROWS, FEATURES))
    X[:, -CODES:] = random.integers(0, 12, (ROWS, CODES))
    signal = X[:, :6].sum(1) + X[:, -1] % 3 + random.normal(size=ROWS)
    X[random.random(X.shape) < 0.02] = np.nan
    return X, signal


def models() -> Iterator[tuple[str, Callable[[], Any], bool]]:
    """Name, how it is made, and whether it answers numbers."""
    from lightgbm import LGBMClassifier
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.compose import ColumnTransformer
    from sklearn.ensemble import (
        ExtraTreesClassifier,
        GradientBoostingClassifier,
        HistGradientBoostingClassifier,
        HistGradientBoostingRegressor,
        RandomForestClassifier,
        StackingClassifier,
    )
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression, Ridge
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler
    from sklearn.svm import SVC, SVR

    numbers, codes = list(range(FEATURES - CODES)), list(range(FEATURES - CODES, FEATURES))

    def columns() -> Any:
        known = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
        return ColumnTransformer(
            [
                ("numbers", make_pipeline(SimpleImputer(), StandardScaler()), numbers),
                ("codes", make_pipeline(SimpleImputer(strategy="most_frequent"), known), codes),
            ]
        )

    def filled(*steps: Any) -> Any:
        return make_pipeline(SimpleImputer(), *steps)

    yield "LightGBM", lambda: LGBMClassifier(n_estimators=TREES, verbose=-1, n_jobs=1), False
    if find_spec("xgboost"):
        from xgboost import XGBClassifier

        yield "XGBoost", lambda: XGBClassifier(n_estimators=TREES, n_jobs=1), False
    if find_spec("catboost"):
        from catboost import CatBoostClassifier

        yield "CatBoost", lambda: CatBoostClassifier(iterations=TREES, verbose=0, thread_count=1, allow_writing_files=False), False
    yield "HistGradientBoosting", lambda: HistGradientBoostingClassifier(max_iter=TREES, early_stopping=False), False
    categorical = [place in codes for place in range(FEATURES)]
    yield (
        "HistGradientBoosting, categorical",
        lambda: HistGradientBoostingClassifier(max_iter=TREES, early_stopping=False, categorical_features=categorical),
        False,
    )
    yield "HistGradientBoostingRegressor", lambda: HistGradientBoostingRegressor(max_iter=TREES, early_stopping=False), True
    yield "imputer, HistGradientBoosting", lambda: filled(HistGradientBoostingClassifier(max_iter=TREES, early_stopping=False)), False
    yield "RandomForest", lambda: filled(RandomForestClassifier(100, max_depth=10)), False
    yield "ExtraTrees", lambda: filled(ExtraTreesClassifier(100, max_depth=10)), False
    yield "GradientBoosting", lambda: filled(GradientBoostingClassifier(n_estimators=100)), False
    yield "columns, LogisticRegression", lambda: make_pipeline(columns(), LogisticRegression(max_iter=500)), False
    yield "columns, LightGBM", lambda: make_pipeline(columns(), LGBMClassifier(n_estimators=TREES, verbose=-1, n_jobs=1)), False
    yield "columns, Ridge", lambda: make_pipeline(columns(), Ridge()), True
    yield "scaler, SVC (calibrated)", lambda: filled(StandardScaler(), CalibratedClassifierCV(SVC(), cv=2, ensemble=False)), False
    yield "scaler, SVR", lambda: filled(StandardScaler(), SVR()), True
    yield "scaler, MLP", lambda: filled(StandardScaler(), MLPClassifier((32,), max_iter=60)), False
    yield "scaler, KNN", lambda: filled(StandardScaler(), KNeighborsClassifier()), False
    yield "calibrated forest", lambda: CalibratedClassifierCV(filled(RandomForestClassifier(30, max_depth=8)), cv=3), False
    stack = [("forest", RandomForestClassifier(30, max_depth=8)), ("hist", HistGradientBoostingClassifier(max_iter=50))]
    yield "stacking", lambda: filled(StackingClassifier(stack, LogisticRegression(), cv=3)), False


def clock(answer: Callable[[np.ndarray], Any], X: np.ndarray, rows: int) -> float:
    """Microseconds of CPU per row, asked for different rows in turn: steadier than wall time on a busy machine."""
    answer(X[:rows])
    asked, began = 0, time.thread_time()
    while (spent := time.thread_time() - began) < SECONDS or asked < 3:
        place = asked * rows % (len(X) - rows)
        answer(X[place : place + rows])
        asked += 1
    return spent / asked / rows * 1e6


def measured(make: Callable[[], Any], numeric: bool, X: np.ndarray, signal: np.ndarray, folder: Path) -> str:
    """One line of the table, after the name."""
    model = make().fit(X[:4_000], signal[:4_000] if numeric else (signal[:4_000] > 1).astype(int))
    fields = tuple(Field(name=f"f{n}", kind=Kind.FLOAT) for n in range(FEATURES))
    task, classes = (Task.REGRESSION, ()) if numeric else (Task.BINARY, ("no", "yes"))
    blobs = Files(folder)
    packed = package.save(
        model, Signature(inputs=fields, features=fields, task=task, classes=classes), X[4_000:], blobs=blobs, scratch=folder
    )
    scorer = package.load(packed.artifact, blobs=blobs)
    native = model.predict if numeric else model.predict_proba
    cells = [f"{packed.format} | {packed.serving_form}"]
    for rows in (1, 100):
        ours, own = clock(scorer.score, X[4_000:], rows), clock(native, X[4_000:], rows)
        cells.append(f"{ours:.1f} of {own:.1f} ({own / ours:.1f} ×)")
    parity = f"{packed.parity_max_diff:.0e}, {packed.parity_flipped:.1%} of labels" if packed.parity_rows else packed.note[:90]
    return " | ".join([*cells, parity])


def main(chosen: list[str]) -> None:
    """Print the table."""
    warnings.simplefilter("ignore")
    X, signal = data()
    print("| model | kept as | served as | µs a row, alone (own predict) | µs a row, by hundred | largest difference |")
    print("|---|---|---|---|---|---|")
    for name, make, numeric in models():
        if chosen and not any(one.lower() in name.lower() for one in chosen):
            continue
        with tempfile.TemporaryDirectory() as folder:
            try:
                line = measured(make, numeric, X, signal, Path(folder))
            except NoriaError as error:
                line = f"refused: {error.message[:150]}"
        print(f"| {name} | {line} |", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
