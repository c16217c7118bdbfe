"""The retrain policy, and the `Loop` that holds all of a declaration."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from noria.core.costs import Costs
from noria.core.declaration.alerts import Alerts
from noria.core.declaration.backtest import Backtest
from noria.core.declaration.dataset import Label
from noria.core.declaration.family import Family
from noria.core.declaration.features import Feature
from noria.core.declaration.gates import Gate
from noria.core.declaration.inspection import Fairness, Leakage
from noria.core.declaration.rollout import Canary, Strategy
from noria.core.declaration.training import Split, Tune
from noria.core.declaration.watch import Watch
from noria.core.moments import duration
from noria.core.training import Param


@dataclass(frozen=True, slots=True, init=False)
class Retrain:
    """When to say yes to a signal, and no.

    Args:
        cooldown: No automatic turn sooner than this after the last one began.
        min_labels: New outcomes since the champion's training data ended.
        window: How far back training data reaches (None = all).
        budget: Automatic turns per `per`.
        on: Signals that may start a turn.
        probe: First measure, in a job, what retraining would gain on the newest rows, and turn only when
            that is worth it (see docs/comparing.md). A birth and a person's order are never held up by it.
        min_gain: The gain that is worth a turn, in units of the loop's metric, > 0; when left out 0.005 where the
            metric is a share (as ROC AUC is), else 1 % of the champion's mark.
        cost: What a turn costs, in units of the metric times predictions: a gain is worth it when, over the
            predictions of 30 days, it adds up to more. The larger of both counts.
        ask: With `probe`: ask that also when nothing was alerted for so long. A model that was made from
            a world in change has a poor start to be held against, and no monitor misses what it never had.
    """

    cooldown: timedelta
    min_labels: int
    window: timedelta | None
    budget: int
    per: timedelta
    on: tuple[str, ...]
    probe: bool
    min_gain: float | None
    cost: float
    ask: timedelta | None

    def __init__(
        self,
        *,
        cooldown: str | timedelta = "1d",
        min_labels: int = 1_000,
        window: str | timedelta | None = None,
        budget: int = 12,
        per: str | timedelta = "365d",
        on: Sequence[str] = ("drift", "quality", "schedule"),
        probe: bool = False,
        min_gain: float | None = None,
        cost: float = 0.0,
        ask: str | timedelta | None = None,
    ) -> None:
        object.__setattr__(self, "cooldown", duration(cooldown))
        object.__setattr__(self, "min_labels", min_labels)
        object.__setattr__(self, "window", None if window is None else duration(window))
        object.__setattr__(self, "budget", budget)
        object.__setattr__(self, "per", duration(per))
        object.__setattr__(self, "on", tuple(on))
        object.__setattr__(self, "probe", probe)
        object.__setattr__(self, "min_gain", min_gain)
        object.__setattr__(self, "cost", cost)
        object.__setattr__(self, "ask", None if ask is None else duration(ask))


@dataclass(frozen=True, slots=True)
class Loop:
    """One closed loop: data, features, training, gates, rollout, watch and retrain policy.

    Args:
        name: Lower-case words with dashes; also the model's and the deployment's name.
        features: Columns, feature views and on-demand transforms, in matrix order.
        label: What to predict.
        train: Function of (Split, params) that returns a fitted scikit-learn or LightGBM model, or ONNX bytes.
        gates: What a candidate must show.
        rollout: How a challenger comes in: `Canary`, `AB`, `Bandit`, `Shadow`, `BlueGreen` or `Interleave`.
        costs: What right and wrong answers of a binary task cost: chooses the threshold, and gives the metric expected_cost.
        alerts: How much people are told, and when trouble is expected.
        fairness: The groups whose answers are compared; None = none are.
        leakage: What the check before training lets pass.
        backtest: Train the recipe again at earlier moments, to see how it does on several windows and how it ages; None = do not.
        lofo: How many of the most important features each candidate is trained again without, to see what they are worth.
        family: Partitions whose rows may be answered by models of their own; None = one model for all.
        isolated: Let the champion answer from processes of its own, so that a crash, a leak or a hang of the model stays its own.
        explain: Share of answers, 0 to 1, that are kept with their reasons without anybody asking.
        test: Share of the newest rows that judge and never train.
        seed: Set before user code runs.
    """

    name: str
    features: Sequence[Feature] = field(kw_only=True)
    label: Label = field(kw_only=True)
    train: Callable[[Split, dict[str, Param]], Any] = field(kw_only=True)
    tune: Tune | None = field(default=None, kw_only=True)
    params: Mapping[str, Param] = field(default_factory=dict, kw_only=True)
    gates: Sequence[Gate] = field(default=(), kw_only=True)
    rollout: Strategy = field(default_factory=Canary, kw_only=True)
    watch: Sequence[Watch] = field(default=(), kw_only=True)
    retrain: Retrain = field(default_factory=Retrain, kw_only=True)
    costs: Costs | None = field(default=None, kw_only=True)
    alerts: Alerts = field(default_factory=Alerts, kw_only=True)
    fairness: Fairness | None = field(default=None, kw_only=True)
    leakage: Leakage = field(default_factory=Leakage, kw_only=True)
    backtest: Backtest | None = field(default=None, kw_only=True)
    lofo: int = field(default=0, kw_only=True)
    family: Family | None = field(default=None, kw_only=True)
    isolated: bool = field(default=False, kw_only=True)
    explain: float = field(default=0.0, kw_only=True)
    test: float = field(default=0.2, kw_only=True)
    seed: int = field(default=7, kw_only=True)
    description: str = field(default="", kw_only=True)
