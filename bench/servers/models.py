"""The two models, the rows that they are asked about, and what is right."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

ROWS, FEATURES, CITIES = 512, 30, ("oslo", "rome", "lima", "cairo")
NUMBERS = tuple(f"x{n}" for n in range(FEATURES))


def make(folder: Path) -> None:
    """Data for both models in `data.npz`, and the trees in LightGBM's own text, for every server alike."""
    import lightgbm

    rng = np.random.default_rng(11)
    X = rng.normal(size=(20_000, FEATURES))
    city = rng.integers(0, len(CITIES), 20_000)
    y = (X[:, :5].sum(axis=1) + 0.5 * (city == 1) + rng.normal(size=20_000) > 0).astype(int)
    np.savez(folder / "data.npz", X=X, city=city, y=y)
    model = lightgbm.LGBMClassifier(n_estimators=200, num_leaves=31, learning_rate=0.05, verbose=-1, n_jobs=1).fit(X, y)
    (folder / "trees.txt").write_text(model.booster_.model_to_string())


def pipeline(folder: Path) -> Any:
    """Imputer, scaler, one-hot and logistic regression over ten numbers and a text, fitted on the data; takes a DataFrame."""
    import pandas as pd
    from sklearn.compose import make_column_transformer
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    data = np.load(folder / "data.npz")
    frame = pd.DataFrame(data["X"][:, :10], columns=NUMBERS[:10]).assign(city=np.array(CITIES)[data["city"]])
    numbers = make_pipeline(SimpleImputer(), StandardScaler())
    columns = make_column_transformer((numbers, list(NUMBERS[:10])), (OneHotEncoder(handle_unknown="ignore"), ["city"]))
    return make_pipeline(columns, LogisticRegression(max_iter=500)).fit(frame, data["y"])


def rows(folder: Path, model: str) -> list[dict[str, Any]]:
    """Rows to ask about, as a caller has them."""
    data = np.load(folder / "data.npz")
    asked = [dict(zip(NUMBERS, np.round(row, 6).tolist(), strict=True)) for row in data["X"][:ROWS]]
    if model == "trees":
        return asked
    return [{**{name: row[name] for name in NUMBERS[:10]}, "city": CITIES[city]} for row, city in zip(asked, data["city"], strict=False)]


def dump(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
