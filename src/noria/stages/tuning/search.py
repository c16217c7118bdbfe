"""Finds good parameters by trying: Optuna proposes, one process per trial tries, the best becomes the recipe."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import optuna

from noria.core.declaration.training import Tune
from noria.core.errors import JobFailed
from noria.core.training import Param, Recipe, Trial
from noria.stages.tuning.isolation import Answer, Isolated, Objective, ask, first_of, rest_openmp
from noria.stages.tuning.space import distributions


def search(
    tune: Tune,
    objective: Objective,
    *,
    metric: str,
    higher_is_better: bool,
    seed: int,
    progress: Callable[[Trial], None] | None = None,
    isolated: bool = True,
) -> Recipe:
    """Try `tune.trials` sets of parameters, `tune.parallel` at a time, and return the best with all trials.

    The proposals are those of a Tree-structured Parzen Estimator (Bergstra et al., 2011). Which ones
    depends on the seed and the objective's values, not on which trial happens to finish first: trial n
    is proposed when the trials up to n − parallel have been told, in their order, and no later one.

    Args:
        tune: What to try, and for how long.
        objective: Parameters to value; in a process of its own it must not touch Polars (see `Isolated`).
        metric: The value's name.
        higher_is_better: Its direction.
        seed: Of the proposals.
        progress: Called in this process after each trial, in the order of their numbers.
        isolated: False tries one after the other in this process, without time limits.

    Raises:
        JobFailed: every trial failed; carries the first one's traceback.
    """
    proposals = _Proposals(tune, seed=seed, higher_is_better=higher_is_better)
    trials: list[Trial] = []

    def done(trial: Trial) -> None:
        trials.append(trial)
        if progress is not None:
            progress(trial)

    if isolated:
        _try_apart(tune, objective, proposals, done)
    else:
        for _ in range(tune.trials):
            number, params = proposals.next()
            done(proposals.told(number, ask(objective, params)))
    return _recipe(trials, metric, higher_is_better)


def fixed(params: Mapping[str, Param]) -> Recipe:
    """The recipe of a loop that tunes nothing."""
    return Recipe(params=dict(params), metric="")


@dataclass(slots=True)
class _Attempt:
    """A trial under way; `answer` is there when it is over."""

    number: int
    process: Isolated
    answer: Answer | None = None


def _try_apart(tune: Tune, objective: Objective, proposals: _Proposals, done: Callable[[Trial], None]) -> None:
    """Keep up to `parallel` trials going; tell answers in order of their numbers."""
    parallel = max(1, tune.parallel)
    threads = max(1, (os.cpu_count() or 1) // parallel)
    window: deque[_Attempt] = deque()
    begun = 0
    rest_openmp()
    try:
        while begun < tune.trials or window:
            while begun < tune.trials and len(window) < parallel:
                number, params = proposals.next()
                window.append(_Attempt(number, Isolated(objective, params, timeout_s=tune.timeout_s, threads=threads)))
                begun += 1
            oldest = window[0]
            while oldest.answer is None:
                first_of([attempt.process for attempt in window if attempt.answer is None])
                for attempt in window:
                    attempt.answer = attempt.answer or attempt.process.answer()
            done(proposals.told(oldest.number, oldest.answer))
            window.popleft()
    finally:
        for attempt in window:
            if attempt.answer is None:
                attempt.process.close()


@dataclass(slots=True)
class _Proposals:
    """Optuna's side: it is asked for parameters and told their values."""

    tune: Tune
    seed: int
    higher_is_better: bool
    _study: optuna.Study = field(init=False)
    _asked: dict[int, optuna.trial.Trial] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        sampler = optuna.samplers.TPESampler(seed=self.seed, n_startup_trials=min(10, max(2, self.tune.trials // 2)))
        self._study = optuna.create_study(sampler=sampler, direction="maximize" if self.higher_is_better else "minimize")
        searched = distributions(self.tune.space)
        for first in self.tune.first:
            self._study.enqueue_trial({name: value for name, value in first.items() if name in searched})

    def next(self) -> tuple[int, dict[str, Param]]:
        """The next trial's number and all its parameters, fixed ones included."""
        trial = self._study.ask(distributions(self.tune.space))
        self._asked[trial.number] = trial
        return trial.number, self._params(trial)

    def told(self, number: int, answer: Answer) -> Trial:
        """Note an answer; the trial as the recipe keeps it."""
        asked = self._asked.pop(number)
        failed = answer.value is None
        self._study.tell(asked, answer.value, state=optuna.trial.TrialState.FAIL if failed else None)
        return Trial(
            number=number,
            params=self._params(asked),
            value=answer.value,
            seconds=answer.seconds,
            state="failed" if failed else "complete",
            error=answer.error,
        )

    def _params(self, trial: optuna.trial.Trial) -> dict[str, Param]:
        return {name: trial.params.get(name, value) for name, value in self.tune.space.items()}


def _recipe(trials: list[Trial], metric: str, higher_is_better: bool) -> Recipe:
    complete = [trial for trial in trials if trial.value is not None]
    if not complete:
        first = trials[0].error if trials else "there was none"
        raise JobFailed(f"all {len(trials)} trials failed; the first: {first.strip().splitlines()[-1]}", traceback=first)
    best = (max if higher_is_better else min)(complete, key=lambda trial: trial.value or 0.0)
    return Recipe(params=best.params, metric=metric, trials=tuple(trials))
