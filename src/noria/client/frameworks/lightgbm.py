"""LightGBM: a callback for `lightgbm.train`, `cv` and the estimators' `fit`."""

from __future__ import annotations

from typing import Any

from noria.client.told import Told, guarded, importance_table, simple


class LightgbmObserver:
    """Tells parameters, every evaluation, and at the run's end the best iteration and what the model leans on."""

    order = 25
    """After evaluations were recorded (20), before early stopping ends the training (30)."""
    before_iteration = False

    def __init__(self, run: Told) -> None:
        self._run = run
        self._model: Any = None
        self._observe = guarded(self._tell, None)

    def __call__(self, env: Any) -> None:
        """Take one iteration, as LightGBM's `CallbackEnv`."""
        self._observe(env)

    def _tell(self, env: Any) -> None:
        if self._model is None:
            self._run.params(simple(env.params or {}))
            self._run.at_end(self._tell_model)
        self._model = env.model
        told: dict[str, float] = {}
        for data, metric, value, _, *deviation in env.evaluation_result_list or ():
            name = metric.replace(" ", "-") if deviation and data == "cv_agg" else f"{data}-{metric}"
            told[name] = value
            if deviation:
                told[f"{name}-stdv"] = deviation[0]
        if told:
            self._run.log(told, step=env.iteration)

    def _tell_model(self) -> None:
        if not hasattr(self._model, "feature_importance"):
            return
        if self._model.best_iteration > 0:
            self._run.log({"best_iteration": self._model.best_iteration}, step=0)
        for kind in ("gain", "split"):
            named = dict(zip(self._model.feature_name(), map(float, self._model.feature_importance(kind)), strict=True))
            self._run.log_text(importance_table(named), f"importance/{kind}.csv")
