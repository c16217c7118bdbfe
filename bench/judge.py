"""Does the judge of expected gain hold back turns that help nobody, and let through those that do?

Half a year of a made-up shop, 300 orders a day, whose days resemble their neighbours. Every week
something asks for a turn (the most impatient monitors there could be). Four loops answer:

- rules: turns whenever it is asked (a cooldown of 7 days, enough labels)
- proof: trains a candidate whenever it is asked, and promotes it when it is shown better (the gate `beats_champion`)
- judge: `nr.Retrain(probe=True, min_gain=0.01)`, then the same gate
- oracle: knows the coming four weeks, and turns when a refit will gain 0.01 or more in them

A turn helped when the refit gained 0.01 or more in ROC AUC over the four weeks after it. Prints means
over the seeds: turns begun, those that helped, and ROC AUC lost against the oracle, in thousandths.

    python bench/judge.py [--seeds 10]
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from datetime import UTC, datetime, timedelta

import numpy as np
from sklearn.linear_model import LogisticRegression

from noria.core.declaration.loop import Retrain
from noria.core.probing import Answer, PastGain, Probe
from noria.core.schema import Task
from noria.loop.probed import SPAN
from noria.loop.probing import judge
from noria.stages.evaluation.estimates import estimate
from noria.stages.evaluation.paired import compare

START = datetime(2024, 1, 1, tzinfo=UTC)
BEFORE, DAYS, PER_DAY, WINDOW, JUDGES = 60, 180, 300, 60, 12
POLICY = Retrain(cooldown="7d", probe=True, min_gain=0.01)
FEATURES = 4


class Stream:
    """Rows of all days: X, y, day."""

    def __init__(self, kind: str, seed: int) -> None:
        random = np.random.default_rng(seed)
        days = BEFORE + DAYS + 28
        first, second = np.array([1.2, -1.0, 0.4, 0.0]), np.array([-0.2, -1.2, 0.4, 1.0])
        self.day = np.repeat(np.arange(days), PER_DAY)
        shared = np.zeros((days, FEATURES))
        for day in range(1, days):
            shared[day] = 0.6 * shared[day - 1] + random.normal(0, 0.2, FEATURES)
        self.X = random.normal(size=(len(self.day), FEATURES)) + shared[self.day]
        if kind == "shifted inputs":
            self.X[self.day >= BEFORE + 60] += 1.0
        weight = _changed(kind, self.day - BEFORE)[:, None]
        logit = ((1 - weight) * (self.X @ first)[:, None] + weight * (self.X @ second)[:, None])[:, 0]
        hard = (self.day >= BEFORE + 60) & (self.day < BEFORE + 90) if kind == "hard month" else np.zeros(len(self.day), dtype=bool)
        self.y = (random.random(len(self.day)) < 1 / (1 + np.exp(-np.where(hard, 0.35, 1.0) * logit))).astype(float)

    def rows(self, since: int, until: int) -> slice:
        """Rows of the days from `since` on, before `until`."""
        return slice(max(0, since) * PER_DAY, max(0, until) * PER_DAY)

    def fitted(self, until: int) -> LogisticRegression:
        """The recipe on what was known at the start of a day: outcomes take a day."""
        rows = self.rows(until - 1 - WINDOW, until - 1)
        return LogisticRegression().fit(self.X[rows], self.y[rows])

    def auc(self, model: LogisticRegression, since: int, until: int) -> float:
        """Of its answers in some days."""
        rows = self.rows(since, until)
        return estimate("roc_auc", self.y[rows], model.predict_proba(self.X[rows])[:, 1], task=Task.BINARY).value


def _changed(kind: str, day: np.ndarray) -> np.ndarray:
    """How far the world has gone from the first to the second state, 0 to 1."""
    if kind == "sudden":
        return (day >= 60).astype(float)
    if kind == "gradual":
        return np.clip((day - 30) / 120, 0.0, 1.0)
    if kind == "recurring":
        return ((day // 45) % 2 == 1).astype(float)
    return np.zeros(len(day))


def probed(stream: Stream, model: LogisticRegression, learnt: int, today: int) -> Probe:
    """As `noria.loop.probed` does it: the candidate that the turn would make, on the newest days that the champion was not trained on."""
    start = max(today - 1 - SPAN.days, learnt - JUDGES)
    newest = today - 1 - start
    rows = stream.rows(start, today - 1)
    refit, y, day = stream.fitted(today - JUDGES), stream.y[rows], stream.day[rows]
    scores = [one.predict_proba(stream.X[rows])[:, 1] for one in (refit, model)]
    blocks = day if newest >= 10 else day * 24 + (np.arange(len(day)) % PER_DAY) * 24 // PER_DAY
    return Probe(
        metric="roc_auc",
        start=START + timedelta(days=start),
        end=START + timedelta(days=today - 1),
        rows=len(y),
        rarest=int(min(y.sum(), len(y) - y.sum())),
        blocks=len(np.unique(blocks)),
        trained_rows=WINDOW * PER_DAY,
        trained_until=START + timedelta(days=today - JUDGES),
        refit=estimate("roc_auc", y, scores[0], task=Task.BINARY),
        gain=compare("roc_auc", y, scores[0], scores[1], task=Task.BINARY, clusters=blocks),
    )


def lived(stream: Stream, how: str) -> tuple[int, int, float]:
    """Turns begun, those that helped, and mean ROC AUC over the days."""
    model, learnt, begun, helped, again = stream.fitted(BEFORE), BEFORE, 0, 0, 0
    past: list[PastGain] = []
    aucs = []
    for today in range(BEFORE, BEFORE + DAYS, 7):
        if today >= BEFORE + 14 and today >= again:
            asked, again = asked_for(stream, model, learnt, today, how, past)
            if asked:
                begun += 1
                fresh, gain = candidate(stream, model, today, how)
                past.insert(0, gain)
                real = stream.auc(stream.fitted(today), today, today + 28) - stream.auc(model, today, today + 28)
                helped += real >= POLICY.min_gain
                if fresh is not None:
                    model, learnt = fresh, today
        aucs.append(stream.auc(model, today, today + 7))
    return begun, helped, float(np.mean(aucs))


def asked_for(stream: Stream, model: LogisticRegression, learnt: int, today: int, how: str, past: list[PastGain]) -> tuple[bool, int]:
    """Whether a turn begins, and from which day on it may be asked again."""
    if how == "oracle":
        return stream.auc(stream.fitted(today), today, today + 28) - stream.auc(model, today, today + 28) >= POLICY.min_gain, today
    if how != "judge":
        return True, today
    found = judge(POLICY, probed(stream, model, learnt, today), past[:20], volume=30 * PER_DAY, now=START + timedelta(days=today))
    again = today if found.again_at is None else (found.again_at - START).days
    return found.answer is Answer.NOW, again


def candidate(stream: Stream, model: LogisticRegression, today: int, how: str) -> tuple[LogisticRegression | None, PastGain]:
    """The turn's candidate, when it may come in, and what it gained on the newest days, a fifth of the window."""
    rows = stream.rows(today - 1 - JUDGES, today - 1)
    judged = stream.fitted(today - JUDGES)
    scores = [one.predict_proba(stream.X[rows])[:, 1] for one in (judged, model)]
    gain = compare("roc_auc", stream.y[rows], *scores, task=Task.BINARY, clusters=stream.day[rows])
    known = PastGain(turn=f"day {today}", gain=gain.value, se=gain.se, seen="held-out rows")
    let_in = how in ("rules", "oracle") or gain.low > 0
    return (stream.fitted(today) if how in ("rules", "oracle") else judged) if let_in else None, known


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=10)
    seeds = parser.parse_args().seeds
    hows = ("rules", "proof", "judge", "oracle")
    print(f"{'':16}" + "".join(f"{how:>24}" for how in hows))
    for kind in ("quiet", "hard month", "shifted inputs", "sudden", "gradual", "recurring"):
        seen = defaultdict(list)
        for seed in range(seeds):
            stream = Stream(kind, seed)
            for how in hows:
                seen[how].append(lived(stream, how))
        means = {how: np.mean(seen[how], axis=0) for how in hows}
        cells = [f"{m[0]:.1f} turns {m[1]:.1f} help {1e3 * (means['oracle'][2] - m[2]):+.1f}" for m in means.values()]
        print(f"{kind:16}" + "".join(f"{cell:>24}" for cell in cells), flush=True)


if __name__ == "__main__":
    main()
