"""A whole home, deterministic: 275 days of one loop's life, so that pages have something true to show.

Run it to look at the pages: `python tests/unit/server/sample.py 7799`.
"""

from __future__ import annotations

import math
import random
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import noria as nr
from noria.core.alerting import AlertBook, Opinion, Silence, Tuning
from noria.core.anomalies import AnomalousRequest, AnomalyState, FarFeature, Neighbour, place_of
from noria.core.data import DatasetVersion, Part
from noria.core.errors import NotAllowed, NotFound
from noria.core.examination.examination import Examination
from noria.core.explaining import Change, Contribution, Counterfactual, ExplainedRequest, Explanation, Search
from noria.core.ids import new_id
from noria.core.judging import GateResult, Outcome, Scorecard, SliceMark, Verdict
from noria.core.lineage import Ingredients, Lineage
from noria.core.moments import to_ms
from noria.core.notices import Delivery, Happening, Notice, Progress
from noria.core.performance import MaturityCurve, QualityWindow, RealisedQuality
from noria.core.registry import AliasMove, Brought, Deployment, ModelVersion
from noria.core.schema import Estimate, Field, Kind, Signature, Task
from noria.core.state import LoopState, TrafficPoint
from noria.core.training import Candidate, Provenance, Recipe, Trial
from noria.core.turning import (
    Cause,
    Event,
    GuardReading,
    Rollout,
    RolloutPhase,
    Signal,
    Step,
    StepState,
    Turn,
    TurnState,
)
from noria.core.watching import Evidence, Incident, Level, MonitorPhase, MonitorState, Reading
from noria.ledger.access.access import Access
from noria.ledger.book import Ledger
from noria.ledger.documents import Documents
from noria.ledger.lineage.walking import lineage_of
from noria.ledger.lineage.web import web_of
from noria.loop.alert_verbs import AlertVerbs
from noria.loop.keys import KeyVerbs
from noria.ports import wire
from noria.ports.records import Append, Put
from noria.testing.access import QuickPasswords
from noria.testing.memory import MemoryRecords

LOOP = "late-arrival"
EXAMINED = "sha256:" + "e5" * 32
BIRTH = datetime(2013, 4, 1, tzinfo=UTC)
DAYS = 275
NOW = BIRTH + timedelta(days=DAYS - 1, hours=9, minutes=42)
FEATURES = (
    "carrier", "origin", "dest", "distance", "hour", "weekday", "dep_delay", "wind_speed",
    "visibility", "precip", "humidity", "pressure", "seats", "plane_age",
)  # fmt: skip
DECLARED = {
    "data": "flights (key flight_id, time scheduled_at), weather (key airport, known received_at)",
    "features": "flights[carrier, origin, dest, distance], conditions by origin (ttl 3h), trip on demand",
    "label": "flights.late, known after 1d",
    "train": "train(data, params): LightGBM",
    "tune": "20 trials of num_leaves, learning_rate, min_child_samples for roc_auc",
    "gates": "at_least(roc_auc=0.7), beats_champion('roc_auc'), no_slice_worse('origin', by=0.05), latency(p99_ms=5)",
    "rollout": "shadow, then 1, 10, 50, 100 % with 500 rows a step, guarded by errors, latency, roc_auc",
    "watch": "drift daily (3 of 5), quality roc_auc (drop 0.03 over 14d), freshness 60d",
    "retrain": "cooldown 7d, min_labels 5000, window 90d, at most 12 turns a year",
}


class Life:
    """Writes one loop's life into records."""

    def __init__(self) -> None:
        self.records = MemoryRecords()
        self.random = random.Random(7)
        self.events: dict[str, str] = {}

    def put(self, kind: str, key: str, value: object, **index: str) -> None:
        self.records.commit(Put(kind=kind, key=key, body=wire.dump(value), index=index))

    def id(self, prefix: str, at: datetime) -> str:
        return new_id(prefix, to_ms(at), random=self.random.randbytes(5))

    def tell(self, name: str, at: datetime, kind: str, subject: str, *reasons: str, because: tuple[str, ...] = (), turn: str = "", by: str = "noria", **numbers: float) -> str:  # fmt: skip
        id = self.id("event", at)
        event = Event(
            id=id, loop=LOOP, kind=kind, subject=subject, by=by, at=at, recorded_at=at + timedelta(seconds=2), reasons=reasons,
            because=tuple(self.events[one] for one in because), numbers=numbers, turn=turn,
        )  # fmt: skip
        self.records.commit(Append(id=id, loop=LOOP, kind=kind, subject=subject, turn=turn, body=wire.dump(event)))
        self.events[name] = id
        return id


def day(n: float) -> datetime:
    return BIRTH + timedelta(days=n)


def estimate(value: float, half: float, n: int) -> Estimate:
    return Estimate(value=value, low=value - half, high=value + half, n=n, se=half / 1.96)


def write_sample() -> Life:
    """The sample home's records, written in order of event time."""
    life = Life()
    _turns(life)
    _watching(life)
    _traffic(life)
    _loops(life)
    life.put("maturity", LOOP, _curve(), loop=LOOP)
    life.put("deployment", "churn", deployment("churn"), state="answering", code="none")
    return life


def _curve() -> MaturityCurve:
    """Outcomes come from a day on, most within two."""
    hours = [24, 25, 26, 28, 31, 35, 40, 46, 54, 66, 90, 130]
    share = [0.35, 0.52, 0.63, 0.72, 0.79, 0.84, 0.87, 0.895, 0.915, 0.93, 0.941, 0.945]
    return MaturityCurve(
        loop=LOOP, at=NOW, age_s=tuple(3_600.0 * hour for hour in hours), share=tuple(share),
        low=tuple(one - 0.01 for one in share), high=tuple(one + 0.01 for one in share),
        rows=54_210, waiting=3_904, horizon_s=3_600.0 * 24 * 45, median_s=3_600.0 * 25, p90_s=3_600.0 * 40,
    )  # fmt: skip


def _signature() -> Signature:
    texts = {"carrier": ("AA", "B6", "DL", "EV", "UA"), "origin": ("EWR", "JFK", "LGA"), "dest": ("ATL", "LAX", "ORD")}
    fields = tuple(Field(name=f, kind=Kind.TEXT if f in texts else Kind.FLOAT, categories=texts.get(f, ())) for f in FEATURES)
    return Signature(inputs=fields[:4], features=fields, task=Task.BINARY, classes=("0", "1"), key="flight_id", time="scheduled_at")


def _scorecard(auc: float, champion: float | None, at: datetime, rows: int = 18_240) -> Scorecard:
    def marks(level: float, shift: float = 0.0) -> dict[str, Estimate]:
        return {
            "roc_auc": estimate(level, 0.0074, rows),
            "log_loss": estimate(0.91 - level * 0.62, 0.006, rows),
            "brier": estimate(0.232 - level * 0.12, 0.002, rows),
            "calibration_error": estimate(0.018 + shift, 0.004, rows),
        }

    slices = tuple(
        SliceMark(
            column="origin", value=airport, metric="roc_auc", mark=estimate(auc + off, 0.014, rows // 3),
            versus=None if champion is None else estimate(auc - champion + off / 2, 0.012, rows // 3),
        )
        for airport, off in (("EWR", 0.008), ("JFK", -0.011), ("LGA", 0.002))
    )  # fmt: skip
    versus = (
        {}
        if champion is None
        else {"roc_auc": estimate(auc - champion, 0.0062, rows), "log_loss": estimate((auc - champion) * 0.6, 0.004, rows)}
    )
    return Scorecard(
        made_from=("sha256:" + "a1" * 32,), task=Task.BINARY, rows=rows, start=at - timedelta(days=18), end=at, metrics=marks(auc),
        champion="" if champion is None else "sha256:" + "c4" * 32, champion_metrics={} if champion is None else marks(champion, 0.006),
        versus_champion=versus, slices=slices, latency_p50_ms=0.021, latency_p99_ms=0.068, size_bytes=412_380, examination="" if champion is None else EXAMINED,
    )  # fmt: skip


def _verdict(auc: float, champion: float | None) -> Verdict:
    beats = champion is None or auc - champion - 0.0062 > 0
    told = (
        "there is no champion yet"
        if champion is None
        else f"difference {auc - champion:+.4f} [{auc - champion - 0.0062:+.4f}, {auc - champion + 0.0062:+.4f}] on 18,240 paired rows"
    )
    results = (
        GateResult(gate="at_least(roc_auc=0.7)", outcome=Outcome.PASS, reason=f"roc_auc is {auc:.4f}, limit 0.7", numbers={"roc_auc": auc, "limit": 0.7}),
        GateResult(gate="beats_champion('roc_auc')", outcome=Outcome.PASS if beats else Outcome.FAIL, reason=told),
        GateResult(gate="no_slice_worse('origin')", outcome=Outcome.PASS, reason="no slice of origin is worse by more than 0.05; the worst is JFK"),
        GateResult(gate="latency(p99_ms=5)", outcome=Outcome.PASS, reason="p99 is 0.068 ms, limit 5 ms", numbers={"p99_ms": 0.068, "limit": 5}),
    )  # fmt: skip
    return Verdict(outcome=Outcome.PASS if beats else Outcome.FAIL, results=results)


def _recipe(life: Life, best: float) -> Recipe:
    trials = []
    for number in range(20):
        params = {"num_leaves": life.random.randint(15, 127), "learning_rate": round(math.exp(life.random.uniform(-3.9, -1.2)), 4)}
        value = best - abs(life.random.gauss(0, 0.012)) * math.exp(-number / 12) - 0.0004
        state = "failed" if number == 13 else "pruned" if number in (4, 9, 16) else "complete"
        trials.append(
            Trial(number=number, params=params, value=None if state == "failed" else value, seconds=life.random.uniform(2, 9), state=state)
        )
    trials[17] = replace(trials[17], value=best)
    return Recipe(params=trials[17].params, metric="roc_auc", trials=tuple(trials))


def _version(life: Life, number: int, auc: float, champion: float | None, at: datetime, turn: str) -> ModelVersion:
    provenance = Provenance(code="sha256:" + "9f" * 32, commit="5b1c7e2", diff="", environment="sha256:" + "e0" * 32, seed=7)
    candidate = Candidate(
        artifact="sha256:" + f"{number:02x}" * 32, made_from=("sha256:" + "fe" * 32,), signature=_signature(), recipe=_recipe(life, auc + 0.004),
        provenance=provenance, format="lightgbm", serving_form="onnx", size_bytes=412_380, parity_max_diff=3.6e-7, run="run_sample",
    )  # fmt: skip
    data = "sha256:" + f"{160 + number:02x}" * 32
    part = Part(digest=data, rows=80_789 + 2_000 * number, size_bytes=3_400_000)
    dataset = DatasetVersion(
        name="flights", digest=data, parts=(part,), schema=(), profile=(), rows=part.rows, size_bytes=part.size_bytes, created_at=at
    )
    life.put("dataset", f"flights/{data}", dataset, name="flights")
    version = ModelVersion(
        model=LOOP, number=number, candidate=candidate, scorecard=_scorecard(auc, champion, at), verdict=_verdict(auc, champion),
        feature_set="sha256:" + "fe" * 32, datasets=(data,), reference="sha256:" + "de" * 32, code="sha256:" + "9f" * 32, turn=turn, created_at=at,
    )  # fmt: skip
    life.put("version", f"{LOOP}@{number:06d}", version, model=LOOP, turn=turn)
    if number > 1:
        origin = {name: "view conditions" if name in ("wind_speed", "visibility", "precip") else "dataset flights" for name in FEATURES}
        made_of = Ingredients(
            model=LOOP, number=number, turn=turn, datasets={"flights": data}, sources={"flights": "/data/flights/*.parquet"},
            views={"conditions": "weather"}, features=origin,
        )  # fmt: skip
        life.put("ingredients", f"{LOOP}@{number:06d}", made_of, model=LOOP)
    return version


PLAN = (
    ("data", "80,789 rows of flights, 9 expectations met", 6.2),
    ("features", "14 features for 80,789 rows, point in time", 9.8),
    ("tuning", "trial 20 of 20, best roc_auc 0.7513", 148.0),
    ("training", "LightGBM, 412 kB, ONNX form agrees to 4e-7", 21.4),
    ("evaluation", "roc_auc on 18,240 newest rows", 4.4),
    ("governance", "4 gates", 0.2),
    ("registry", "", 0.6),
    ("serving", "the routing plan is published", 0.3),
    ("rollout", "", 0.0),
)


def _steps(life: Life, turn: str, at: datetime, *, until: str, last: StepState, notes: dict[str, str], error: str = "") -> None:
    for seq, (name, note, seconds) in enumerate(PLAN, 1):
        ended = name != until or last in (StepState.DONE, StepState.FAILED)
        step = Step(
            turn=turn, name=name, seq=seq, attempt=1, state=last if name == until else StepState.DONE, started_at=at,
            ended_at=at + timedelta(seconds=seconds) if ended else None, seconds=seconds if ended else 0.0,
            note=notes.get(name, note), error=error if name == until else "",
        )  # fmt: skip
        life.put("step", f"{turn}/{seq:04d}-{name}", step, turn=turn)
        at += timedelta(seconds=seconds)
        if name == until:
            return


def _results(life: Life, turn: str, results: dict[str, object]) -> None:
    """Leave values behind in the steps of a turn, as the journal keeps them."""
    for record in life.records.find("step", where={"turn": turn}):
        step = wire.load(record.body, Step)
        if step.name in results:
            life.put("step", record.key, replace(step, result=wire.dump(results[step.name]).decode()), turn=turn)


def _turn(life: Life, number: int, at: datetime, cause: Cause, reason: str, state: TurnState, outcome: str, step: str, hours: float | None, because: tuple[str, ...] = ()) -> str:  # fmt: skip
    id = life.id("turn", at)
    events = tuple(life.events[one] for one in because)
    signal = Signal(id=life.id("signal", at), loop=LOOP, cause=cause, reason=reason, at=at, events=events)
    ended = None if hours is None else at + timedelta(hours=hours)
    life.put(
        "turn", id,
        Turn(id=id, loop=LOOP, number=number, state=state, signal=signal, code="sha256:" + "9f" * 32, created_at=at, step=step, ended_at=ended, outcome=outcome,
             wake_at=None if ended else NOW + timedelta(hours=6)),
        loop=LOOP, state=state.value,
    )  # fmt: skip
    life.tell(f"signal{number}", at, "signal.given", LOOP, reason, because=because, turn=id)
    life.tell(f"turn{number}", at, "turn.started", LOOP, f"turn {number} started: {reason}", because=(f"signal{number}",), turn=id)
    return id


def _alias(life: Life, before: int | None, after: int, at: datetime, by: str, reason: str, turn: str, because: tuple[str, ...]) -> None:
    move = AliasMove(model=LOOP, alias="champion", before=before, after=after, by=by, reason=reason, at=at, turn=turn)
    life.put("alias-move", f"{LOOP}/champion/{life.id('move', at)}", move, model=LOOP, alias="champion")
    life.tell(f"promoted{after}", at, "alias.moved", f"{LOOP}@{after}", reason, because=because, turn=turn, by=by)


def _guards(scale: float, *, harm: bool = False) -> tuple[GuardReading, ...]:
    def guard(name: str, value: float, half: float, margin: float, verdict: str) -> GuardReading:
        n = int(1_240 * scale)
        difference = Estimate(value=value, low=value - half, high=value + half, n=n)
        return GuardReading(
            guard=name, difference=difference, margin=margin, p_value=0.02, verdict=verdict, champion_n=n * 9, challenger_n=n
        )

    return (
        guard("errors", 0.0004, 0.0031, 0.005, "no-harm"),
        guard("latency", 0.11, 0.34, 1.0, "no-harm"),
        guard("roc_auc", 0.061 if harm else -0.008, 0.024, 0.02, "harm" if harm else "undecided"),
    )


def _rollout(
    life: Life, turn: str, at: datetime, champion: int, challenger: int, phase: RolloutPhase, step: int, share: float, **more: object
) -> None:
    rollout = Rollout(
        id=life.id("rollout", at), loop=LOOP, turn=turn, champion=champion, challenger=challenger, steps=(1.0, 10.0, 50.0, 100.0), phase=phase,
        step=step, share=share, started_at=at, step_started_at=at + timedelta(hours=9), **more,  # type: ignore[arg-type]
    )  # fmt: skip
    life.put("rollout", rollout.id, rollout, loop=LOOP, phase=phase.value, turn=turn)


def _turns(life: Life) -> None:
    first = _turn(
        life, 1, day(-1), Cause.BIRTH, "the loop has no champion yet", TurnState.DONE, "version 1 is the champion", "rollout", 0.2
    )
    _steps(
        life, first, day(-1), until="rollout", last=StepState.DONE, notes={"registry": "version 1", "rollout": "first version: no canary"}
    )
    _version(life, 1, 0.7384, None, day(-1), first)
    life.tell(
        "gates1", day(-1), "verdict.reached", f"{LOOP}@1", "roc_auc 0.7384 is at least 0.7", because=("turn1",), turn=first, roc_auc=0.7384
    )
    _alias(life, None, 1, day(-1), "noria", "the first version passed its gates", first, ("gates1",))

    life.tell(
        "drift2",
        day(80),
        "monitor.firing",
        "drift:precip",
        "precip drifted on 3 of 5 days: debiased PSI 0.31, limit 0.14",
        psi=0.31,
        limit=0.14,
    )
    second = _turn(life, 2, day(80.4), Cause.DRIFT, "drift of precip and visibility", TurnState.REFUSED, "refused: beats_champion('roc_auc') failed", "governance", 0.08, ("drift2",))  # fmt: skip
    _steps(life, second, day(80.4), until="governance", last=StepState.DONE, notes={"governance": "1 of 4 gates failed"})
    _results(
        life,
        second,
        {
            "tuning": _recipe(life, 0.7413),
            "evaluation": {"scorecard": _scorecard(0.7402, 0.7391, day(80.5)), "reference": ""},
            "governance": _verdict(0.7402, 0.7391),
        },
    )
    life.tell("gates2", day(80.5), "verdict.reached", LOOP, "difference +0.0011 [-0.0051, +0.0073]: its lower end is not above 0", because=("turn2",), turn=second, difference=0.0011)  # fmt: skip
    life.tell(
        "refused2",
        day(80.5),
        "turn.refused",
        LOOP,
        "the candidate is not better than the champion, so nothing changes",
        because=("gates2",),
        turn=second,
    )

    life.tell(
        "quality3",
        day(101),
        "monitor.firing",
        "quality:roc_auc",
        "realised roc_auc 0.6981 is more than 0.03 below its reference 0.7384",
        roc_auc=0.6981,
        reference=0.7384,
    )
    third = _turn(
        life,
        3,
        day(101.3),
        Cause.QUALITY,
        "quality: roc_auc fell by 0.040",
        TurnState.DONE,
        "version 2 is the champion",
        "rollout",
        110,
        ("quality3",),
    )
    _steps(life, third, day(101.3), until="rollout", last=StepState.DONE, notes={"registry": "version 2", "rollout": "100 % after 4 steps"})
    _version(life, 2, 0.7561, 0.7052, day(101.4), third)
    life.tell(
        "gates3",
        day(101.4),
        "verdict.reached",
        f"{LOOP}@2",
        "difference +0.0509 [+0.0447, +0.0571] on 18,240 paired rows",
        because=("turn3",),
        turn=third,
        difference=0.0509,
    )
    life.tell("canary3", day(102), "rollout.started", f"{LOOP}@2", "shadow, then 1 %", because=("gates3",), turn=third)
    life.tell(
        "step3",
        day(104),
        "rollout.step",
        f"{LOOP}@2",
        "no harm on errors, latency and roc_auc: 50 %",
        because=("canary3",),
        turn=third,
        touched=6210,
    )
    _alias(life, 1, 2, day(105.9), "noria", "no harm at 50 % on 12,480 requests", third, ("step3", "gates3"))
    _rollout(
        life,
        third,
        day(102),
        1,
        3,
        RolloutPhase.PROMOTED,
        3,
        1.0,
        ended_at=day(105.9),
        looks=_guards(9.0),
        touched=12_480,
        failed=0,
        reason="no harm at 50 %",
    )

    fourth = _turn(
        life,
        4,
        day(192),
        Cause.SCHEDULE,
        "the champion's newest row is 91 days old",
        TurnState.ROLLED_BACK,
        "version 3 harmed roc_auc at 10 %",
        "rollout",
        40,
    )
    _steps(life, fourth, day(192), until="rollout", last=StepState.DONE, notes={"registry": "version 3", "rollout": "rolled back at 10 %"})
    _version(life, 3, 0.7688, 0.7544, day(192.1), fourth)
    life.tell(
        "gates4",
        day(192.1),
        "verdict.reached",
        f"{LOOP}@3",
        "difference +0.0144 [+0.0082, +0.0206]",
        because=("turn4",),
        turn=fourth,
        difference=0.0144,
    )
    life.tell("canary4", day(192.3), "rollout.started", f"{LOOP}@3", "shadow, then 1 %", because=("gates4",), turn=fourth)
    life.tell(
        "harm4",
        day(193.6),
        "rollout.harm",
        f"{LOOP}@3",
        "roc_auc is worse by 0.061 [0.037, 0.085], margin 0.02",
        because=("canary4",),
        turn=fourth,
        difference=0.061,
        margin=0.02,
    )
    life.tell(
        "rolled4",
        day(193.6),
        "rollout.rolled-back",
        f"{LOOP}@3",
        "the challenger harms roc_auc, so the champion keeps all traffic",
        because=("harm4",),
        turn=fourth,
    )
    _rollout(life, fourth, day(192.3), 2, 3, RolloutPhase.ROLLED_BACK, 1, 0.0, ended_at=day(193.6), looks=_guards(1.0, harm=True), touched=911, failed=3, reason="roc_auc is worse by 0.061 [0.037, 0.085]")  # fmt: skip

    failed = _turn(
        life, 5, day(230), Cause.MANUAL, "tried a new feature", TurnState.FAILED, "training failed: KeyError 'seats'", "training", 0.05
    )
    trace = 'Traceback (most recent call last):\n  File "flights.py", line 41, in train\n    X = data.frame["seats"] / data.frame["plane_age"]\nKeyError: \'seats\''
    _steps(life, failed, day(230), until="training", last=StepState.FAILED, notes={"training": "KeyError: 'seats'"}, error=trace)
    life.tell("failed5", day(230), "turn.failed", LOOP, "training failed: KeyError 'seats'", because=("turn5",), turn=failed)

    life.tell("declined", day(262), "policy.declined", LOOP, "not retrained: 3,120 new labels, 5,000 are needed", labels=3120, needed=5000)
    life.tell(
        "drift6",
        day(272),
        "monitor.firing",
        "drift:visibility",
        "visibility drifted on 3 of 5 days: debiased PSI 0.27, limit 0.12",
        psi=0.27,
        limit=0.12,
    )
    life.tell("opened6", day(272), "incident.opened", "incident_2winter", "three weather features drifted together", because=("drift6",))
    sixth = _turn(
        life,
        6,
        day(272.3),
        Cause.DRIFT,
        "drift of visibility, precip and wind_speed",
        TurnState.OPEN,
        "",
        "rollout",
        None,
        ("drift6", "opened6"),
    )
    _steps(
        life,
        sixth,
        day(272.3),
        until="rollout",
        last=StepState.WAITING,
        notes={"registry": "version 4", "rollout": "10 %: 1,240 of 500 rows, roc_auc undecided"},
    )
    _version(life, 4, 0.7634, 0.7471, day(272.4), sixth)
    life.tell(
        "decision",
        day(272.3),
        "policy.accepted",
        LOOP,
        "retrain: 3 features drifted, 7,412 new labels, the last turn was 42 days ago",
        because=("signal6",),
        turn=sixth,
        labels=7412,
    )
    life.tell(
        "gates6",
        day(272.4),
        "verdict.reached",
        f"{LOOP}@4",
        "difference +0.0163 [+0.0101, +0.0225] on 18,240 paired rows",
        because=("turn6", "decision"),
        turn=sixth,
        difference=0.0163,
    )
    life.tell("canary6", day(273), "rollout.started", f"{LOOP}@4", "shadow, then 1 %", because=("gates6",), turn=sixth)
    life.tell("step6", day(274), "rollout.step", f"{LOOP}@4", "no harm at 1 %: 10 %", because=("canary6",), turn=sixth, touched=640)
    _rollout(life, sixth, day(273), 2, 4, RolloutPhase.CANARY, 1, 0.1, looks=_guards(1.0), touched=1_240, failed=2)


def _quality(n: int) -> float:
    """The realised metric on day `n`: sinks until version 2, again towards winter."""
    if n < 60:
        return 0.738
    if n < 106:
        return 0.738 - 0.042 * (n - 60) / 45
    return 0.752 - 0.0000022 * (n - 106) ** 2


def _watching(life: Life) -> None:
    rng = life.random
    weather = {"wind_speed": 0.6, "visibility": 1.0, "precip": 1.1, "humidity": 0.35, "pressure": 0.2}
    for feature in FEATURES:
        for n in range(DAYS):
            push = weather.get(feature, 0.0) * (math.exp(-(((n - 82) / 7) ** 2)) + 1.1 * math.exp(-(((n - 275) / 9) ** 2)))
            value = (
                max(0.0, rng.gauss(0.035, 0.02)) + 0.42 * push + (0.05 * math.exp(-(((n - 150) / 20) ** 2)) if feature == "dest" else 0.0)
            )
            level = Level.BREACH if value > 0.14 else Level.OK
            reading = Reading(
                loop=LOOP,
                monitor="drift",
                subject=feature,
                time=day(n),
                value=value,
                threshold=0.14,
                level=level,
                rows=880,
                effect=value / 0.14 - 1,
                numbers={
                    "psi": value,
                    "js": 0.29 * value**0.5,
                    "hellinger": 0.35 * value**0.5,
                    "wasserstein": 0.9 * value**0.5,
                    "ks": 0.4 * value**0.5,
                    "ks_p": math.exp(-90 * value),
                    "chi2": 880 * value,
                    "chi2_p": math.exp(-60 * value),
                },
            )
            life.put("reading", f"{LOOP}/drift/{feature}/{day(n).isoformat()}", reading, loop=LOOP, monitor="drift", subject=feature)
        firing = feature in ("visibility", "precip", "wind_speed")
        state = MonitorState(
            loop=LOOP,
            monitor="drift",
            subject=feature,
            phase=MonitorPhase.FIRING if firing else MonitorPhase.OK,
            since=day(272) if firing else day(0),
        )
        life.put("monitor", f"{LOOP}/drift/{feature}", state, loop=LOOP)
    for n in range(3, DAYS):
        value = _quality(n) + rng.gauss(0, 0.0035)
        reference = 0.7384 if n < 106 else 0.7561
        level = Level.BREACH if value < reference - 0.03 else Level.OK
        reading = Reading(
            loop=LOOP,
            monitor="quality",
            subject="roc_auc",
            time=day(n),
            value=value,
            threshold=reference - 0.03,
            level=level,
            rows=11_800,
            low=value - 0.011,
            high=value + 0.011,
            effect=(reference - 0.03 - value) / 0.01,
        )
        life.put("reading", f"{LOOP}/quality/roc_auc/{day(n).isoformat()}", reading, loop=LOOP, monitor="quality", subject="roc_auc")
        life.put(
            "reading",
            f"{LOOP}/estimated-quality/roc_auc/{day(n).isoformat()}",
            _estimated(n),
            loop=LOOP,
            monitor="estimated-quality",
            subject="roc_auc",
        )
    life.put("monitor", f"{LOOP}/quality/roc_auc", MonitorState(loop=LOOP, monitor="quality", subject="roc_auc", since=day(106)), loop=LOOP)
    _incidents(life)
    _anomalies(life)


def _estimated(n: int) -> Reading:
    """What the scores say: it does not see that the relation changed before version 2, and knows that midsummer is new to it."""
    away = 70 <= n < 84
    value = math.nan if away else (0.734 if n < 106 else 0.752) + 0.006 * math.sin(n / 9)
    note = (
        "Red light: outside known territory, no estimate (domain AUC 0.98, effective sample 1%)."
        if away
        else "Green light: these rows are much like those that the model was judged on (domain AUC 0.71, effective sample 43%). Blind to a change in what the inputs mean for the outcome."
    )
    return Reading(
        loop=LOOP,
        monitor="estimated-quality",
        subject="roc_auc",
        time=day(n),
        value=value,
        threshold=math.nan,
        level=Level.NOT_ENOUGH if away else Level.OK,
        rows=12_400,
        low=value - 0.009,
        high=value + 0.009,
        note=note,
    )


def _incidents(life: Life) -> None:
    told = (
        ("incident_0storm", "Two weather features drifted together", "precip and visibility moved on the same days; carriers and routes did not: weather, not the pipeline", ("drift:precip", "drift:visibility"), 80, 88, "all monitors recovered"),
        ("incident_1decay", "Realised roc_auc fell below its reference", "0.6981 against 0.7384, while few features drifted: the relation itself changed", ("quality:roc_auc",), 101, 106, "version 2 was promoted"),
        ("incident_2winter", "visibility, precip and wind_speed drifted", "`visibility` from weather arrives 6h late since 29 December: 6h after it happened, usually 5m", ("drift:visibility", "drift:precip", "drift:wind_speed"), 272, None, ""),
    )  # fmt: skip
    for id, title, cause, subjects, opened, closed, because in told:
        quality = "quality" in subjects[0]
        incident = Incident(
            id=id, loop=LOOP, severity="page" if quality or closed is None else "notice", title=title, cause=cause, subjects=subjects, opened_at=day(opened),
            closed_at=None if closed is None else day(closed), closed_because=because, numbers={"effect": 3.4, "days": 3},
            trouble="model" if quality else "data", source="" if quality else "weather", rank=1.84, hushed=subjects[2:],
            evidence=(
                Evidence(kind="late", text=cause, explains=0.95, numbers={"delay h": 6.0}),
                Evidence(kind="slice", text="only in slice origin=EWR (35% of rows): drift 4.85 there, 0.02 elsewhere", explains=0.7),
                Evidence(kind="moved", text="precip: 41% of rows at 0.02 or above, 9% in the reference", explains=0.3),
            ) if closed is None else (),
        )  # fmt: skip
        life.put("incident", id, incident, loop=LOOP, state="open" if closed is None else "closed")
    _alerts(life)


def _alerts(life: Life) -> None:
    """What people were told of the winter, said of it, and silenced."""
    documents, winter = Documents(life.records), "incident_2winter"
    documents.put(
        AlertBook(loop=LOOP, paged=(day(272),), waiting=("incident_0storm", winter), held=(winter,), digest_at=day(275), pages_per_week=3)
    )
    page = Notice(
        id=f"{winter}:told:opened", loop=LOOP, severity="page", about=Happening.OPENED, title="winter", text="", dedupe=winter, at=day(272), incident=winter
    )  # fmt: skip
    documents.put(page, index={"state": "sent"})
    for channel, progress, said in (
        ("ops", Progress.DELIVERED, "HTTP 200"),
        ("log", Progress.DELIVERED, "written down"),
        ("old-pager", Progress.UNDELIVERED, "HTTP 410: gone"),
    ):
        documents.put(
            Delivery(
                notice=page.id, loop=LOOP, channel=channel, dedupe=winter, at=day(272), next_at=day(272), first_at=day(272), progress=progress, tries=1,
                said=said, latency_ms=84.0 if progress is Progress.DELIVERED else 0.0, ended_at=day(272),
            )
        )  # fmt: skip
    documents.put(Opinion(incident=winter, loop=LOOP, useful=False, by="Ada", because="the feed was moved, as announced", at=day(273)))
    documents.put(Opinion(incident="incident_1decay", loop=LOOP, useful=True, by="Ben", because="", at=day(103)))
    documents.put(
        Tuning(
            id="tuning_1", loop=LOOP, monitor="drift", subject="precip", factor=1.4, state="proposed", at=day(273),
            reason="a limit 1.4 times as far away would have spared 3 of 3 incidents that were noise",
        )
    )  # fmt: skip
    documents.put(
        Silence(
            id="silence_1",
            loop=LOOP,
            since=day(273),
            until=day(276),
            by="Ada",
            because="the feed is being moved",
            monitor="drift",
            subject="precip",
        )
    )


def _anomalies(life: Life) -> None:
    features = {
        "carrier": "UA",
        "origin": "EWR",
        "dest": "SNA",
        "distance": 2_434.0,
        "hour": 7,
        "wind_speed": 9.2,
        "visibility": 10.0,
        "precip": None,
    }
    near = tuple(Neighbour(distance=0.4 + 0.1 * n, features=features | {"hour": 6 + n}) for n in range(5))
    wind = FarFeature(name="wind_speed", value="1048", nearby="6.9 to 14.96", usual="0 to 27.6", share=0.93)
    dest = FarFeature(name="dest", value="ZRH", nearby="SNA (60%), LAX (40%)", usual="ORD (5%), ATL (5%), LAX (5%)", share=0.4)
    told = (
        (1, "f-20131226-0107", (dest,), 1.3, AnomalyState.DISMISSED),
        (2, "f-20131227-0412", (wind,), 6.2, AnomalyState.OPEN),
        (3, "f-20131227-0830", (), 1.1, AnomalyState.OPEN),
    )
    for number, request, far, times, state in told:
        asked = features | {reason.name: 1_048.0 if reason.name == "wind_speed" else reason.value for reason in far}
        one = AnomalousRequest(
            loop=LOOP, number=number, request_id=request, version=2, time=day(270 + number), score=1.9 * times, threshold=1.9, far=far, neighbours=near,
            features=asked, inputs={"flight_id": request, "scheduled_at": "2013-12-27T07:15:00.000Z", **asked}, answer=0.31, state=state,
            by="Ada" if state is AnomalyState.DISMISSED else "", reason="a charter" if state is AnomalyState.DISMISSED else "",
        )  # fmt: skip
        life.put("anomaly", place_of(LOOP, number), one, loop=LOOP, state=state)


def _traffic(life: Life) -> None:
    rng = life.random
    for n in range(DAYS):
        for quarter in range(4):
            start = day(n + quarter / 4)
            total = int((238 if start.weekday() < 5 else 196) * (0.3, 1.3, 1.4, 1.0)[quarter] * rng.uniform(0.92, 1.08))
            champion = "1" if n < 106 else "2"
            challenger, share = (
                ("2", (0.01, 0.1, 0.5, 0.5)[min(3, n - 102)])
                if 102 <= n < 106
                else ("4", 0.1)
                if n in (192, 193)
                else ("4", 0.1 if n > 273 else 0.01)
                if n >= 273
                else ("", 0.0)
            )
            touched = int(total * share)
            requests = {champion: total - touched} | ({challenger: touched} if challenger else {})
            point = TrafficPoint(
                loop=LOOP, start=start, seconds=21_600, requests=requests, shadowed=total if n in (101, 272) else 0, fallbacks=2 if n == 193 else 0, failed=0,
                latency_p50_us=rng.uniform(180, 240), latency_p99_us=rng.uniform(620, 980), outcomes=int(total * 0.97), mean_answer={champion: rng.uniform(0.21, 0.26)},
            )  # fmt: skip
            life.put("traffic", f"{LOOP}/{start.isoformat()}", point, loop=LOOP)


def _loops(life: Life) -> None:
    state = LoopState(
        name=LOOP, description="Will this flight arrive more than 15 minutes late?", file="flights.py", code="sha256:" + "9f" * 32, task=Task.BINARY,
        phase="rolling-out", champion=2, challenger=4, turn=life.records.find("turn", newest_first=True, limit=1)[0].key,
        next_action="look at the guards again at 15:42, then 50 %", last_decision="retrain: 3 features drifted, 7,412 new labels, the last turn was 42 days ago",
        last_decision_event=life.events["decision"], declared=DECLARED, watched_until=day(DAYS - 1), last_turn_at=day(272.3), quality_metric="roc_auc",
    )  # fmt: skip
    life.put("loop", LOOP, state)
    newborn = LoopState(name="taxi-demand", description="How many taxis will be wanted next hour?", file="taxis.py", code="sha256:" + "77" * 32, task=None, phase="newborn", next_action="the first turn begins when the data is there")  # fmt: skip
    life.put("loop", newborn.name, newborn)


class FixedClock:
    """A clock that stands still."""

    def __init__(self, now: datetime = NOW) -> None:
        self._now = now

    def now(self) -> datetime:
        return self._now


REQUEST = "f-1<b>"


def explained_request(loop: str, *, searched: bool) -> ExplainedRequest:
    parts = tuple(
        Contribution(feature=name, value=value, part=part) for name, value, part in (("wind", 31.0, 0.8), ("carrier", "U<i>A", -0.3))
    )
    changed = Counterfactual(
        changes=(Change(feature="wind", before=31.0, after=9.0),), answer=0.31, distance=2.0, plausible=True, found="generated"
    )
    return ExplainedRequest(
        request_id=REQUEST,
        loop=loop,
        role="champion",
        time=NOW,
        inputs={"wind": 31.0, "carrier": "U<i>A", "tail": None},
        outcome=True,
        label="late",
        explanation=Explanation(
            version=f"{loop}@2",
            subject="late",
            answer=0.62,
            scale="log-odds",
            margin=0.5,
            base=0.0,
            parts=parts,
            method="tree-shap",
            background="",
            gap=1e-9,
        ),
        against={"wind": 0.0, "carrier": 0.0},
        counterfactuals=(changed,) if searched else (),
    )


def deployment(name: str) -> Deployment:
    """A deployment without a loop."""
    return Deployment(name=name, version=1, origin="churn.onnx", format="onnx", task=Task.BINARY, by="ada", created_at=NOW, deployed_at=NOW)


class SampleServices:
    """`noria.server.services.Services` over the sample home; verbs are written down, not done."""

    def __init__(self, home: Path, records: MemoryRecords | None = None) -> None:
        self.home = home
        self.records = records if records is not None else write_sample().records
        self.clock = FixedClock()
        self.ledger = Ledger(self.records, clock=self.clock, wall=self.clock)
        self.documents, self.page = Documents(self.records), "http://127.0.0.1:7799"
        self.alerts = AlertVerbs(self, declared=lambda name: SimpleNamespace(watch=[nr.drift(), nr.quality("roc_auc", drop=0.03)]))
        self.plan_file = self.home / "plan" / "plan.json"
        self.keys = KeyVerbs(self)
        self.wall = self.clock
        self.passwords = QuickPasswords()
        self.access = Access(self, self.passwords)
        self.token = "sample-token"
        self.token_hint = "It is kept in .noria/run/token."
        self.asked: list[tuple[object, ...]] = []

    def turn(self, loop: str, *, by: str, reason: str) -> str:
        self.asked.append(("turn", loop, by, reason))
        if loop == LOOP:
            raise NotAllowed("turn 6 is open", fix="wait for it, or cancel it")
        return "turn_new"

    def approve(self, turn: str, *, granted: bool, by: str, reason: str) -> None:
        self.asked.append(("approve", turn, granted, by, reason))

    def promote(self, loop: str, version: int, *, by: str, reason: str) -> None:
        self.asked.append(("promote", loop, version, by, reason))

    def rollback(self, loop: str, *, by: str, reason: str) -> None:
        self.asked.append(("rollback", loop, by, reason))

    def deploy(self, name: str, brought: Brought, *, by: str, reason: str) -> Deployment:
        self.asked.append(("deploy", name, brought, by, reason))
        return deployment(name)

    def undeploy(self, name: str, *, by: str, reason: str) -> None:
        self.asked.append(("undeploy", name, by, reason))

    def kill(self, loop: str, *, by: str, reason: str) -> int | None:
        self.asked.append(("kill", loop, by, reason))
        return 1

    def pause(self, loop: str, paused: bool, *, by: str, reason: str) -> None:
        self.asked.append(("pause", loop, paused, by, reason))

    def quality(self, loop: str, *, as_of: datetime | None, metric: str, window: timedelta, version: int | None) -> RealisedQuality:
        at = as_of or NOW
        week = QualityWindow(
            start=at - window, end=at, rows=900, labelled=450, maturity=0.5, mature=False, quality=Estimate(value=0.71, low=0.68, high=0.74, n=450), versions=(2,)
        )  # fmt: skip
        curve = MaturityCurve(
            loop=loop, at=at, age_s=(3_600.0, 86_400.0), share=(0.4, 0.8), low=(0.3, 0.7), high=(0.5, 0.9), rows=900, waiting=450, horizon_s=1e5,
            median_s=3_600.0, p90_s=86_400.0,
        )  # fmt: skip
        return RealisedQuality(loop=loop, metric=metric or "roc_auc", as_of=at, higher_is_better=True, windows=(week,), curve=curve)

    def lineage(self, of: str, *, up: bool = True, down: bool = True, features: bool = False) -> Lineage:
        asked = (LOOP, 2, "champion") if of == REQUEST else None
        return lineage_of(web_of(self.records), of, up=up, down=down, features=features, asked=lambda id: asked)

    def explain(self, loop: str, request_id: str, search: Search | None = None) -> ExplainedRequest:
        if request_id != REQUEST:
            raise NotFound(f"{loop} has no answered request {request_id!r} in its log")
        return explained_request(loop, searched=search is not None)

    def decide_anomaly(self, id: str, state: str, *, by: str, reason: str) -> None:
        self.asked.append(("decide_anomaly", id, state, by, reason))

    def examination(self, digest: str) -> Examination:
        if digest != EXAMINED:
            raise NotFound(f"there is no blob {digest}")
        sys.path.insert(0, str(Path(__file__).parents[1] / "drawing"))
        from examined import examination

        return examination()

    def settle(self, at_ms: int, timeout_s: float) -> bool:
        self.asked.append(("settle", at_ms, timeout_s))
        return True


if __name__ == "__main__":
    import tempfile

    import uvicorn

    from noria.server.application import create_app

    services = SampleServices(Path(tempfile.gettempdir()) / "noria-sample")
    uvicorn.run(create_app(services), host="127.0.0.1", port=int(sys.argv[1]), log_level="warning")
