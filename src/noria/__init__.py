"""Noria keeps a machine-learning model good in production.

Everything a loop file needs is here, loaded only when it is named: `import noria as nr` brings in
no third-party package.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_WHERE = {
    "Dataset": "noria.core.declaration.dataset",
    "Label": "noria.core.declaration.dataset",
    "feature_view": "noria.core.declaration.features",
    "on_demand": "noria.core.declaration.features",
    "Split": "noria.core.declaration.training",
    "Tune": "noria.core.declaration.training",
    "integer": "noria.core.declaration.training",
    "real": "noria.core.declaration.training",
    "log": "noria.core.declaration.training",
    "choice": "noria.core.declaration.training",
    "at_least": "noria.core.declaration.gates",
    "at_most": "noria.core.declaration.gates",
    "beats_champion": "noria.core.declaration.gates",
    "no_slice_worse": "noria.core.declaration.gates",
    "latency": "noria.core.declaration.gates",
    "size": "noria.core.declaration.gates",
    "approval": "noria.core.declaration.gates",
    "Loop": "noria.core.declaration.loop",
    "Canary": "noria.core.declaration.loop",
    "Retrain": "noria.core.declaration.loop",
    "drift": "noria.core.declaration.loop",
    "quality": "noria.core.declaration.loop",
    "freshness": "noria.core.declaration.loop",
    "expect": "noria.core.declaration",
}
__all__ = [*sorted(_WHERE), "__version__"]

if TYPE_CHECKING:
    from noria.core.declaration import expectations as expect
    from noria.core.declaration.dataset import Dataset, Label
    from noria.core.declaration.features import feature_view, on_demand
    from noria.core.declaration.gates import approval, at_least, at_most, beats_champion, latency, no_slice_worse, size
    from noria.core.declaration.loop import Canary, Loop, Retrain, drift, freshness, quality
    from noria.core.declaration.training import Split, Tune, choice, integer, log, real


def __getattr__(name: str) -> Any:
    if name == "expect":
        return importlib.import_module("noria.core.declaration.expectations")
    if name in _WHERE:
        return getattr(importlib.import_module(_WHERE[name]), name)
    raise AttributeError(f"module 'noria' has no {name!r}; it has {', '.join(sorted(_WHERE))}")


def __dir__() -> list[str]:
    return __all__
