"""A scorecard and an examination with something of every subject, deterministic."""

import math
from datetime import UTC, datetime, timedelta

from noria.core.examination.backtest import AgePoint, Backtest, BacktestWindow, Staleness
from noria.core.examination.baselines import BaselineMark, Baselines
from noria.core.examination.comparing import Claim, Comparison, Rivalry
from noria.core.examination.curves import Confusion, Curve, CurveKind, Curves, Line, Point
from noria.core.examination.examination import Examination
from noria.core.examination.explaining import Explained, FeatureParts
from noria.core.examination.fairness import FairnessReport, Gap, GroupMark
from noria.core.examination.importance import FeatureImportance, Importance
from noria.core.examination.leakage import Finding, LeakageReport
from noria.core.examination.slices import Condition, FoundSlice, SliceSearch
from noria.core.examination.stress import Behaviour, Example, Strain, Stress
from noria.core.examination.threshold import CostMark, ThresholdChoice
from noria.core.explaining import PartialDependence
from noria.core.judging import GateResult, Outcome, Scorecard, SliceMark, Verdict
from noria.core.schema import Estimate, Task

DAY = datetime(2013, 6, 1, tzinfo=UTC)
FEATURES = ("dep_delay", "wind_speed", "visibility", "carrier", "hour", "distance", "precip", "pressure")


def mark(value, half=0.01, n=18_240):
    return Estimate(value=value, low=value - half, high=value + half, n=n, se=half / 1.96)


def card(**more):
    metrics = {"roc_auc": mark(0.756, 0.0074), "log_loss": mark(0.441, 0.006), "brier": mark(0.142, 0.002), "ece": mark(0.018, 0.004)}
    slices = tuple(
        SliceMark(column=column, value=value, metric="roc_auc", mark=mark(0.756 + off, 0.014, rows), versus=mark(gain, 0.011, rows))
        for column, value, off, gain, rows in (
            ("origin", "LGA", -0.03, -0.02, 5_800),
            ("origin", "JFK", -0.01, -0.004, 6_100),
            ("origin", "EWR", 0.01, 0.02, 6_340),
            *(("carrier", name, 0.002 * k - 0.01, 0.003 * k - 0.015, 4_000 - 300 * k) for k, name in enumerate(("9E", "AA", "B6", "DL", "EV", "UA", "US", "WN"))),
        )
    )  # fmt: skip
    values = {
        "made_from": ("sha256:" + "a1" * 32, "sha256:" + "b2" * 32),
        "task": Task.BINARY,
        "rows": 18_240,
        "start": DAY - timedelta(days=18),
        "end": DAY,
        "metrics": metrics,
        "champion": "sha256:" + "c4" * 32,
        "champion_metrics": {name: mark(one.value - 0.012, 0.008) for name, one in metrics.items()},
        "versus_champion": {
            "roc_auc": mark(0.012, 0.0062),
            "log_loss": mark(-0.004, 0.005),
            "brier": mark(0.001, 0.0009),
            "ece": mark(-0.006, 0.004),
        },
        "slices": slices,
        "latency_p50_ms": 0.021,
        "latency_p99_ms": 0.068,
        "size_bytes": 412_380,
        "examination": "sha256:" + "e5" * 32,
        "agreement": mark(0.93),
    }
    return Scorecard(**{**values, **more})


def verdict():
    return Verdict(
        outcome=Outcome.FAIL,
        results=(
            GateResult(gate="at_least(roc_auc=0.7)", outcome=Outcome.PASS, reason="roc_auc is 0.7560, limit 0.7"),
            GateResult(gate="no_slice_worse('origin', by=0.05)", outcome=Outcome.FAIL, reason="origin=LGA is worse by 0.0200"),
        ),
    )


def line(name, shape, *, band=0.03, points=40):
    xs = tuple(k / (points - 1) for k in range(points))
    ys = tuple(min(1.0, max(0.0, shape(x))) for x in xs)
    return Line(name=name, x=xs, y=ys, low=tuple(max(0.0, y - band) for y in ys), high=tuple(min(1.0, y + band) for y in ys))


def curves():
    diagonal = Line(x=(0.0, 1.0), y=(0.0, 1.0))
    found = (
        Curve(kind=CurveKind.ROC, x_name="false positives", y_name="true positives", lines=(line("", lambda x: x**0.35),), ideal=diagonal, ideal_name="chance", points=(Point(name="chosen", x=0.2, y=0.57),)),
        Curve(kind=CurveKind.PR, x_name="recall", y_name="precision", lines=(line("", lambda x: 0.9 - 0.6 * x),)),
        Curve(kind=CurveKind.CALIBRATION, x_name="answer", y_name="share that came true", lines=(line("", lambda x: x + 0.04 * math.sin(6 * x), points=12),), ideal=diagonal, ideal_name="calibrated"),
        Curve(kind=CurveKind.SCORES, x_name="answer", y_name="share of rows", lines=(line("on time", lambda x: 0.3 * math.exp(-4 * x)), line("late", lambda x: 0.2 * math.exp(-8 * (x - 0.5) ** 2)))),
        Curve(kind=CurveKind.COST, x_name="threshold", y_name="cost per row", lines=(line("", lambda x: (x - 0.3) ** 2 + 0.1),), points=(Point(name="chosen", x=0.3, y=0.1),)),
    )  # fmt: skip
    return Curves(curves=found, confusion=Confusion(classes=("on time", "late"), counts=((13_200, 1_340), (1_600, 2_100))))


def explained():
    parts = tuple(
        FeatureParts(
            feature=name,
            size=0.5 / (1 + k),
            mean=0.0,
            points=tuple((n / 59, round(0.5 / (1 + k) * math.sin(7 * n + k) + (n / 59 - 0.5) / (1 + k), 4)) for n in range(60)),
        )
        for k, name in enumerate(FEATURES)
    )
    grid = tuple(float(5 * k) for k in range(12))
    moving = PartialDependence(
        feature="dep_delay",
        grid=grid,
        mean=tuple(round(0.15 + 0.5 / (1 + math.exp(3 - x / 8)), 4) for x in grid),
        single=tuple(tuple(round(0.1 + 0.02 * row + 0.5 / (1 + math.exp(3 - x / (6 + row))), 4) for x in grid) for row in range(12)),
        share=(1 / 12,) * 12,
        subject="late",
    )
    named = PartialDependence(
        feature="<b>carrier</b>",
        grid=("<i>AA</i>", "UA", "WN"),
        mean=(0.2, 0.24, 0.31),
        single=((0.1, 0.2, 0.2),),
        share=(0.3, 0.4, 0.3),
        subject="late",
    )
    return Explained(
        method="tree-shap",
        scale="log-odds",
        subject="late",
        background="sha256:" + "b9" * 32,
        rows=60,
        features=parts,
        partial=(moving, named),
    )


def examination(**more):
    when = [DAY - timedelta(days=30 * k) for k in range(6, 0, -1)]
    windows = tuple(
        BacktestWindow(start=at, end=at + timedelta(days=30), rows=18_000, trained_rows=80_000, mark=mark(0.74 + 0.004 * k), champion=mark(0.735), versus=mark(0.006), fair=k > 2)
        for k, at in enumerate(when)
    )  # fmt: skip
    ages = tuple(
        AgePoint(age_days=float(15 + 30 * k), windows=6 - k, mark=mark(0.75 - 0.006 * k), lost=mark(0.006 * k, 0.002 + 0.001 * k))
        for k in range(6)
    )
    values = {
        "made_from": ("sha256:" + "a1" * 32,),
        "curves": curves(),
        "explained": explained(),
        "threshold": ThresholdChoice(
            threshold=0.31, cost=mark(0.21), low=0.25, high=0.36, calibrated=0.3, rows=9_000, reason="At 0.31 a row costs least: 0.21.",
            judged=tuple(CostMark(name=name, threshold=at, cost=mark(cost), alerts=share) for name, at, cost, share in (("chosen", 0.31, 0.21, 0.22), ("half", 0.5, 0.26, 0.09), ("never", 1.01, 0.31, 0.0), ("always", 0.0, 0.8, 1.0))),
        ),
        "slices": SliceSearch(
            loss="log_loss", rows=18_240, columns=FEATURES, tested=212, shown=3, fdr=0.05, min_rows=200,
            found=tuple(
                FoundSlice(where=tuple(Condition(column=c, value=v) for c, v in where), mark=mark(0.6, n=n), rest=mark(0.43), gap=mark(gap, 0.03, n), p=1e-5, q=1e-3)
                for where, gap, n in (((("origin", "LGA"), ("carrier", "EV")), 0.17, 812), ((("visibility", "0 to 2"),), 0.11, 1_204), ((("hour", "21 to 23"),), 0.07, 2_310))
            ),
        ),
        "fairness": FairnessReport(
            favourable="on time", threshold=0.5, rows=18_240,
            groups=tuple(GroupMark(column="region", group=name, rows=6_000, positives=4_800, rates={"selection_rate": mark(0.8 - k / 20), "tpr": mark(0.9 - k / 30), "fpr": mark(0.3)}) for k, name in enumerate(("north", "south", "west"))),
            gaps=(Gap(column="region", measure="demographic_parity", rate="selection_rate", lowest="west", highest="north", difference=mark(0.1), ratio=mark(0.875), fewest=6_000), Gap(column="region", measure="equal_opportunity", rate="tpr", lowest="west", highest="north", difference=mark(0.066), ratio=mark(0.92), fewest=4_800)),
        ),
        "stress": Stress(
            metric="roc_auc", base={"roc_auc": mark(0.756)}, rows=4_000,
            strains=tuple(Strain(to=to, features=(feature,), severity=level, fall=mark(fall, 0.006), changed=0.1) for to, feature, level, fall in (("noise", "dep_delay", 0.5, 0.06), ("missing", "dep_delay", 0.3, 0.04), ("unseen", "carrier", 0.2, 0.012), ("noise", "*", 0.1, 0.004))),
            behaviours=(Behaviour(test="monotone", name="monotone('dep_delay', 'up')", subject="dep_delay", tried=2_000, violated=mark(0.012, 0.005), worst=(Example(key="f-1", change="dep_delay 10 → 20", before="0.41", after="0.39"),)),),
        ),
        "rivalry": Rivalry(first="candidate", second="champion", comparisons=(Comparison(metric="roc_auc", difference=mark(0.012, 0.0062), claim=Claim.BETTER),)),
        "baselines": Baselines(
            metric="roc_auc", best="linear",
            marks=tuple(BaselineMark(name=name, says=says, mark=mark(0.756 - gain), versus=mark(gain, 0.008), claim=Claim.BETTER, rows=80_000) for name, says, gain in (("linear", "logistic regression on all 8 features", 0.004), ("one-feature", "dep_delay alone", 0.05), ("constant", "the share of late flights", 0.256))),
        ),
        "importance": Importance(method="permutation", metric="roc_auc", rows=4_000, features=tuple(FeatureImportance(features=(name,), lost=mark(0.12 / (k + 1) ** 1.4, 0.006), share=0.4 / (k + 1)) for k, name in enumerate(FEATURES))),
        "backtest": Backtest(metric="roc_auc", windows=windows, mark=mark(0.748, 0.009), versus=mark(0.006)),
        "staleness": Staleness(metric="roc_auc", points=ages, lost_per_day=mark(0.0002, 0.0001), tolerance=0.02, advice="A model loses 0.02 of roc_auc in about 100 days."),
        "leakage": LeakageReport(rows=80_000, features=8, checked=("label-copy", "duplicates"), findings=(Finding(check="duplicates", severity="warn", column="", said="12 rows are twice in the table", mend="drop them in the source"),)),
        "untold": {"lofo": "it was not asked for"},
    }  # fmt: skip
    return Examination(**{**values, **more})
