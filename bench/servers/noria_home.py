"""A home with the two models deployed, as `noria.dataplane` serves it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from noria.adapters.files import Files
from noria.app.settings import Settings, keep
from noria.core.schema import Field, Kind, Signature, Task
from noria.core.traffic import Plan, Route, ServedVersion
from noria.packaging import package
from noria.stages.serving.plans import publish
from servers.models import CITIES, NUMBERS


def make_home(home: Path, folder: Path, port: int, *, sample: float = 1.0) -> None:
    """Package both models and publish a plan; `sample` is the share of predictions that are journalled."""
    keep(Settings(home=str(home), serve_port=port))
    blobs, scratch = Files(home / "blobs"), home / "scratch"
    scratch.mkdir(parents=True, exist_ok=True)
    data = np.load(folder / "data.npz")
    numbers = tuple(Field(name=name, kind=Kind.FLOAT) for name in NUMBERS)
    trees = Signature(inputs=numbers, features=numbers, task=Task.BINARY, classes=("no", "yes"))
    city = Field(name="city", kind=Kind.TEXT, categories=CITIES)
    mixed = Signature(
        inputs=(*numbers[:10], Field(name="city", kind=Kind.TEXT)), features=(*numbers[:10], city), task=Task.BINARY, classes=("no", "yes")
    )
    packed = {
        "trees": (trees, package.save((folder / "trees.txt").read_bytes(), trees, data["X"][:500], blobs=blobs, scratch=scratch)),
        "pipeline": (
            mixed,
            package.save(
                _pipeline(folder), mixed, np.column_stack([data["X"][:500, :10], data["city"][:500]]), blobs=blobs, scratch=scratch
            ),
        ),
    }
    routes = {
        name: Route(
            deployment=name,
            champion=ServedVersion(number=1, artifact=saved.artifact, code="", signature=signature, loop=name),
            sample=sample,
        )
        for name, (signature, saved) in packed.items()
    }
    publish(Plan(revision=1, routes=routes), home / "plan" / "plan.json")


def _pipeline(folder: Path):
    """The same pipeline over the matrix that a Noria model sees: the city is its code."""
    from sklearn.compose import make_column_transformer
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    data = np.load(folder / "data.npz")
    X = np.column_stack([data["X"][:, :10], data["city"]])
    numbers = make_pipeline(SimpleImputer(), StandardScaler())
    columns = make_column_transformer((numbers, list(range(10))), (OneHotEncoder(handle_unknown="ignore"), [10]))
    return make_pipeline(columns, LogisticRegression(max_iter=500)).fit(X, data["y"])
