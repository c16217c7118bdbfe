"""Optuna: a callback for `study.optimize`; each trial is a run of its own inside the study's."""

from __future__ import annotations

import threading
from datetime import datetime
from typing import Any

from noria.client.entries import FAILED, FINISHED, KILLED
from noria.client.told import Told, guarded, simple

_ENDS = {"COMPLETE": FINISHED, "PRUNED": KILLED, "FAIL": FAILED}


class OptunaObserver:
    """Tells each trial with its parameters, values and times, and the best so far. For any number of threads."""

    def __init__(self, run: Told) -> None:
        self._run = run
        self._lock = threading.Lock()
        self._observe = guarded(self._tell, None)
        self._study: Any = None

    def __call__(self, study: Any, trial: Any) -> None:
        """Take a finished trial."""
        with self._lock:
            self._observe(study, trial)

    def _tell(self, study: Any, trial: Any) -> None:
        if self._study is None:
            self._study = study
            self._run.tags({"optuna.study": study.study_name, "optuna.directions": ",".join(one.name.lower() for one in study.directions)})
            self._run.at_end(self._tell_best)
        clock = _Then(trial.datetime_start)
        child = self._run.begin_child(f"trial-{trial.number}", clock=clock)
        child.params(trial.params)
        child.tags({"optuna.trial": str(trial.number), "optuna.state": trial.state.name, **simple(trial.user_attrs, most=50)})
        for step, value in sorted(trial.intermediate_values.items()):
            child.log({"intermediate": value}, step=step)
        clock.at(trial.datetime_complete)
        if trial.values is not None:
            child.log(_named(trial.values), step=0)
        child.end(_ENDS.get(trial.state.name, KILLED))
        if trial.values is not None:
            best = {"best_value": study.best_value} if len(study.directions) == 1 else {}
            self._run.log({**_named(trial.values), **best}, step=trial.number)

    def _tell_best(self) -> None:
        study = self._study
        if len(study.directions) == 1 and any(trial.state.name == "COMPLETE" for trial in study.trials):
            self._run.tags({f"best.{name}": value for name, value in study.best_params.items()})
        told = [{"number": one.number, "state": one.state.name, "values": one.values, "params": one.params} for one in study.trials]
        self._run.log_dict(told, "trials.json")


class _Then:
    """A clock that stands at a trial's own times."""

    def __init__(self, moment: datetime | None) -> None:
        self._ms = 0
        self.at(moment)

    def at(self, moment: datetime | None) -> None:
        self._ms = int((moment or datetime.now().astimezone()).timestamp() * 1000)

    def __call__(self) -> int:
        return self._ms


def _named(values: Any) -> dict[str, float]:
    return {"value": values[0]} if len(values) == 1 else {f"value_{number}": value for number, value in enumerate(values)}
