"""Plays a stream day by day under a rule: who is called, when a model is made again, and what that was worth."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

import numpy as np
import polars as pl
from lightgbm import LGBMClassifier

from deciding.rules import EPOCH, METRIC, Learnt, Noria, Rule
from deciding.streams import REFERENCE_DAYS, Stream
from noria.core.declaration.loop import Retrain
from noria.core.probing import Answer, Probe
from noria.core.schema import Task
from noria.loop.probing import judge
from noria.stages.evaluation.estimates import estimate
from noria.stages.evaluation.paired import compare

WINDOW_DAYS = 60
"""A model is made from so many newest days, of which the newest fifth judge it and never train, as in a turn."""
COOLDOWN_DAYS, LABEL_DELAY = 14, 1
SINCE_DAYS = 10
"""Days of new outcomes that a retraining waits for, since the model's training data ended."""
HORIZON_DAYS, WORTH = 21, 0.002
"""A retraining helped if it saves more than this loss per row over so many days."""

MIN_GAIN = 0.005
"""Gain in ROC AUC that is worth a turn, where a judge is asked."""

Array = np.ndarray


@dataclass(slots=True)
class Played:
    """What became of one stream under one rule."""

    rule: str
    stream: str
    alerts: list[int] = field(default_factory=list)
    retrained: list[int] = field(default_factory=list)
    helped: int = 0
    loss: float = 0.0
    days: int = 0
    change: int | None = None

    @property
    def false_per_month(self) -> float:
        """Alerts per 30 days while nothing had changed."""
        until = self.days if self.change is None else self.change
        return 30 * sum(day < until for day in self.alerts) / max(until, 1)

    @property
    def delay(self) -> float:
        """Days from the change to the first alert after it; NaN when there was none."""
        if self.change is None:
            return float("nan")
        return next((float(day - self.change) for day in self.alerts if day >= self.change), float("nan"))


def judged_from(end: int) -> int:
    """First of the days that judge the model of that end."""
    window = REFERENCE_DAYS if end == REFERENCE_DAYS else WINDOW_DAYS
    return end - min(window, end) // 5


class Trainings:
    """Models by the day on which they were trained: the same for all rules, so each is made once."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._made: dict[int, tuple[LGBMClassifier, Learnt]] = {}
        self._answers: dict[tuple[int, int], Array] = {}

    def trained(self, end: int) -> tuple[LGBMClassifier, Learnt]:
        """The model that learnt from the days before `end`."""
        if end not in self._made:
            start = max(0, end - (REFERENCE_DAYS if end == REFERENCE_DAYS else WINDOW_DAYS))
            cut = judged_from(end)
            held = self._stream.frame(cut, end)
            model = _fit(self._stream.frame(start, cut), self._stream.outcomes(start, cut), self._stream.columns)
            gains = model.booster_.feature_importance("gain")
            learnt = Learnt(
                frame=self._stream.frame(start, end),
                columns=self._stream.columns,
                importance=dict(zip(self._stream.columns, (gains / max(gains.sum(), 1e-9)).tolist(), strict=True)),
                held=held,
                held_y=self._stream.outcomes(cut, end),
                held_score=_ask(model, held, self._stream.columns),
            )
            self._made[end] = model, learnt
        return self._made[end]

    def answers(self, end: int, day: int) -> Array:
        """Its answers to the rows of a day."""
        if (end, day) not in self._answers:
            self._answers[end, day] = _ask(self.trained(end)[0], self._stream.frame(day, day + 1), self._stream.columns)
        return self._answers[end, day]

    def loss(self, end: int, day: int) -> float:
        """Its loss on a day beyond that of the true chances (simulated), or its log loss (real)."""
        q = np.clip(self.answers(end, day), 1e-6, 1 - 1e-6)
        p = self._stream.chance[day]
        if np.isnan(p).all():
            y = self._stream.outcomes(day, day + 1)
            return float(-np.mean(y * np.log(q) + (1 - y) * np.log(1 - q))) if len(y) else 0.0
        return float(np.mean(p * np.log(p / q) + (1 - p) * np.log((1 - p) / (1 - q))))


def play(stream: Stream, rule: Rule, trainings: Trainings) -> Played:
    """Go through production once."""
    days = len(stream.X) - REFERENCE_DAYS
    seen = Played(rule=rule.name, stream=stream.name, days=days, change=stream.change)
    model = REFERENCE_DAYS
    rule.learn(trainings.trained(model)[1])
    last, asked, looked, again = -COOLDOWN_DAYS, False, 0, 0
    told = list[pl.DataFrame]()
    for day in range(days):
        at = REFERENCE_DAYS + day
        rows = stream.frame(at, at + 1)
        seen.loss += trainings.loss(model, at)
        known = (
            pl.concat(told[-20:]) if told else pl.DataFrame(schema={"time": pl.Datetime("ms"), "outcome": pl.Float64, "answer": pl.Float64})
        )
        called = rule.alert(day, rows, known)
        if called:
            seen.alerts.append(day)
        asked = called or (rule.pressing() if isinstance(rule, Noria) else asked)
        told.append(pl.DataFrame({"time": rows["__time"], "outcome": stream.outcomes(at, at + 1), "answer": trainings.answers(model, at)}))
        end = at + 1 - LABEL_DELAY
        due = asked or (rule.asks_every and day - looked >= rule.asks_every)
        if due and day - last >= COOLDOWN_DAYS and end - model >= SINCE_DAYS and day >= again:
            if rule.asks_every:
                answer, wait = _judged(stream, trainings, model, end, day)
                looked, again = day, day + wait
                if answer is not Answer.NOW:
                    continue
            seen.retrained.append(day)
            seen.helped += _helps(trainings, stream, model, end, at + 1)
            model, last, asked, told = end, day, False, []
            rule.learn(trainings.trained(model)[1])
    seen.loss /= days
    return seen


def _judged(stream: Stream, trainings: Trainings, model: int, end: int, day: int) -> tuple[Answer, int]:
    """What the loop's judge says to retraining now, and for how many days it is not asked again; see `noria.loop.probing`."""
    newest = range(max(end - 10, judged_from(end), judged_from(model)), end)
    y = np.concatenate([stream.outcomes(at, at + 1) for at in newest])
    refit, stay = (np.concatenate([trainings.answers(of, at) for at in newest]) for of in (end, model))
    days = np.concatenate([np.full(len(stream.outcomes(at, at + 1)), at) for at in newest])
    made, known = (estimate(METRIC, y, score, task=Task.BINARY, clusters=days) for score in (refit, stay))
    now = EPOCH + timedelta(days=day)
    probe = Probe(
        metric=METRIC, start=now - timedelta(days=len(newest)), end=now, rows=len(y), rarest=int(min(y.sum(), len(y) - y.sum())),
        blocks=len(newest), trained_rows=0, trained_until=now, refit=made, champion=known,
        gain=compare(METRIC, y, refit, stay, task=Task.BINARY, clusters=days),
    )  # fmt: skip
    found = judge(Retrain(cooldown="14d", probe=True, min_gain=MIN_GAIN), probe, (), volume=30 * len(y) // max(len(newest), 1), now=now)
    wait = 0 if found.again_at is None else -(-(found.again_at - now) // timedelta(days=1))
    return found.answer, int(wait)


def oracle(stream: Stream, trainings: Trainings) -> float:
    """Mean loss of somebody who knows: on each day the best of all models that could have been trained by then, one per five days."""
    days = len(stream.X) - REFERENCE_DAYS
    best = 0.0
    for day in range(days):
        at = REFERENCE_DAYS + day
        ends = [REFERENCE_DAYS, *range(REFERENCE_DAYS + 5, at + 1 - LABEL_DELAY, 5)]
        best += min(trainings.loss(end, at) for end in ends)
    return best / days


def _helps(trainings: Trainings, stream: Stream, old: int, new: int, start: int) -> bool:
    until = min(start + HORIZON_DAYS, len(stream.X))
    saved = [trainings.loss(old, day) - trainings.loss(new, day) for day in range(start, until)]
    return bool(saved) and float(np.mean(saved)) > WORTH


def _fit(frame: pl.DataFrame, y: Array, columns: tuple[str, ...]) -> LGBMClassifier:
    model = LGBMClassifier(
        n_estimators=60, num_leaves=15, learning_rate=0.1, min_child_samples=50, num_threads=1, verbose=-1, random_state=7
    )
    return model.fit(frame.select(columns).to_numpy(), y)


def _ask(model: LGBMClassifier, frame: pl.DataFrame, columns: tuple[str, ...]) -> Array:
    X = frame.select(columns).to_numpy()
    return np.asarray(model.booster_.predict(X, num_threads=1)) if len(X) else np.empty(0)
