"""XGBoost: a callback for `xgboost.train`, `cv` and the estimators."""

from __future__ import annotations

import json
from typing import Any

from xgboost.callback import TrainingCallback

from noria.client.told import Told, guarded, importance_table, simple


class XgboostObserver(TrainingCallback):
    """Tells parameters, every evaluation, and after the training what the model leans on."""

    def __init__(self, run: Told) -> None:
        super().__init__()
        self._run = run
        self._begin = guarded(self._tell_params, None)
        self._step = guarded(self._tell_marks, None)
        self._finish = guarded(self._tell_model, None)

    def before_training(self, model: Any) -> Any:
        """Tell the parameters."""
        self._begin(model)
        return model

    def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
        """Tell one round's evaluations."""
        self._step(epoch, evals_log)
        return False

    def after_training(self, model: Any) -> Any:
        """Tell what the model leans on."""
        self._finish(model)
        return model

    def _tell_params(self, model: Any) -> None:
        if hasattr(model, "save_config"):
            self._run.params(simple(_params(json.loads(model.save_config()))))

    def _tell_marks(self, epoch: int, evals_log: Any) -> None:
        told: dict[str, float] = {}
        for data, metrics in evals_log.items():
            for metric, values in metrics.items():
                last = values[-1]
                told[f"{data}-{metric}"] = last[0] if isinstance(last, tuple) else last
                if isinstance(last, tuple):
                    told[f"{data}-{metric}-stdv"] = last[1]
        if told:
            self._run.log(told, step=epoch)

    def _tell_model(self, model: Any) -> None:
        if hasattr(model, "get_score"):
            for kind in ("gain", "weight"):
                named = {name: float(value) for name, value in model.get_score(importance_type=kind).items() if not isinstance(value, list)}
                self._run.log_text(importance_table(named), f"importance/{kind}.csv")
            best = model.attr("best_iteration")
            if best is not None:
                self._run.log({"best_iteration": float(best)}, step=0)


_WANTED = ("objective", "booster", "num_class", "device", "eval_metric")
_TREES = ("eta", "gamma", "max_depth", "max_leaves", "max_bin", "min_child_weight", "subsample", "colsample_bytree", "lambda", "alpha")
_SPELT = {
    "eta": ("eta", "learning_rate"),
    "lambda": ("lambda", "reg_lambda"),
    "alpha": ("alpha", "reg_alpha"),
    "gamma": ("gamma", "min_split_loss"),
}


def _params(config: dict[str, Any]) -> dict[str, Any]:
    """Of the hundred values of a configuration those that people choose; the rest are the library's own."""
    flat: dict[str, Any] = {}

    def walk(part: Any) -> None:
        if isinstance(part, dict):
            for name, value in part.items():
                if isinstance(value, (dict, list)):
                    walk(value)
                else:
                    flat.setdefault(name, value)

    walk(config.get("learner", config))
    found = {name: flat[name] for name in _WANTED if name in flat}
    for name in _TREES:
        spelt = next((one for one in _SPELT.get(name, (name,)) if one in flat), None)
        if spelt is not None:
            found[name] = flat[spelt]
    return found
