"""Noria keeps a machine-learning model good in production.

Everything a loop file needs is here, loaded only when it is named: `import noria as nr` brings in
no third-party package.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from noria.app.deploying import deploy
    from noria.app.scoring import score
    from noria.checks.check import check
    from noria.checks.conduct import check_fairness, check_leakage
    from noria.checks.content import check_embeddings, check_images, check_texts
    from noria.checks.evaluate import evaluate
    from noria.client.begin import run
    from noria.core.costs import Costs
    from noria.core.declaration import expectations as expect
    from noria.core.declaration.alerts import Alerts, Quiet
    from noria.core.declaration.backtest import Backtest
    from noria.core.declaration.conduct import expected, fair, invariant, monotone, robust
    from noria.core.declaration.dataset import Dataset, Label
    from noria.core.declaration.family import Family
    from noria.core.declaration.features import feature_view, on_demand
    from noria.core.declaration.gates import (
        approval,
        at_least,
        at_most,
        beats_baselines,
        beats_champion,
        equivalent_to_champion,
        latency,
        no_slice_worse,
        not_worse_than_champion,
        size,
    )
    from noria.core.declaration.inspection import Fairness, Leakage
    from noria.core.declaration.loop import Loop, Retrain
    from noria.core.declaration.rollout import AB, Bandit, BlueGreen, Canary, Interleave, Shadow
    from noria.core.declaration.service import errors, labels, prediction_bias, skew, slow, sudden
    from noria.core.declaration.training import Split, Tune, choice, integer, log, real
    from noria.core.declaration.watch import (
        anomalies,
        arrival,
        data_quality,
        drift,
        embedding_drift,
        freshness,
        image_drift,
        joint_drift,
        quality,
        text_drift,
    )
    from noria.core.graphs import Chain, Ensemble, Switch
    from noria.core.signing import verify_webhook
    from noria.core.trusting import trusted

__version__ = "0.1.0"

__all__ = [
    "AB",
    "Alerts",
    "Backtest",
    "Bandit",
    "BlueGreen",
    "Canary",
    "Chain",
    "Costs",
    "Dataset",
    "Ensemble",
    "Fairness",
    "Family",
    "Interleave",
    "Label",
    "Leakage",
    "Loop",
    "Quiet",
    "Retrain",
    "Shadow",
    "Split",
    "Switch",
    "Tune",
    "__version__",
    "anomalies",
    "approval",
    "arrival",
    "at_least",
    "at_most",
    "beats_baselines",
    "beats_champion",
    "check",
    "check_embeddings",
    "check_fairness",
    "check_images",
    "check_leakage",
    "check_texts",
    "choice",
    "data_quality",
    "deploy",
    "drift",
    "embedding_drift",
    "equivalent_to_champion",
    "errors",
    "evaluate",
    "expect",
    "expected",
    "fair",
    "feature_view",
    "freshness",
    "image_drift",
    "integer",
    "invariant",
    "joint_drift",
    "labels",
    "latency",
    "log",
    "monotone",
    "no_slice_worse",
    "not_worse_than_champion",
    "on_demand",
    "prediction_bias",
    "quality",
    "real",
    "robust",
    "run",
    "score",
    "size",
    "skew",
    "slow",
    "sudden",
    "text_drift",
    "trusted",
    "verify_webhook",
]

_ROOMS = ("dataset", "features", "training", "gates", "conduct", "inspection", "rollout", "watch", "alerts", "backtest", "loop")
_ROOMS = ("dataset", "features", "training", "gates", "conduct", "inspection", "rollout", "watch", "service", "alerts", "loop")
_ELSEWHERE = {
    "Chain": "noria.core.graphs",
    "Costs": "noria.core.costs",
    "Ensemble": "noria.core.graphs",
    "Switch": "noria.core.graphs",
    "check": "noria.checks.check",
    "check_fairness": "noria.checks.conduct",
    "check_leakage": "noria.checks.conduct",
    "check_embeddings": "noria.checks.content",
    "check_images": "noria.checks.content",
    "check_texts": "noria.checks.content",
    "deploy": "noria.app.deploying",
    "evaluate": "noria.checks.evaluate",
    "run": "noria.client.begin",
    "score": "noria.app.scoring",
    "trusted": "noria.core.trusting",
    "verify_webhook": "noria.core.signing",
}
"""Names that stand outside the room of declarations."""


def __getattr__(name: str) -> Any:
    if name == "expect":
        return importlib.import_module("noria.core.declaration.expectations")
    if name in _ELSEWHERE:
        return getattr(importlib.import_module(_ELSEWHERE[name]), name)
    if name in __all__:
        for room in _ROOMS:
            module = importlib.import_module(f"noria.core.declaration.{room}")
            if hasattr(module, name):
                return getattr(module, name)
    raise AttributeError(f"module 'noria' has no {name!r}; it has {', '.join(__all__)}")


def load_ipython_extension(ipython: Any) -> None:
    """`%load_ext noria` in a notebook: scorecards, examinations, readings, incidents and charts draw themselves."""
    importlib.import_module("noria.drawing.notebook").register(ipython.display_formatter.formatters["text/html"])


def __dir__() -> list[str]:
    return __all__
