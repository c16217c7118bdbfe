import numpy as np
import pytest
from made_up import rows_of
from scipy import stats
from sklearn import metrics as sk
from sklearn.calibration import calibration_curve

from noria.core.examination.curves import MOST_POINTS, CurveKind, Curves
from noria.core.schema import MARKED_TASKS, Task
from noria.ports import wire
from noria.stages.evaluation.curves import confusion, curves_of
from noria.stages.evaluation.given import Given
from noria.stages.evaluation.score_curves import roc, swept


def drawn(task: Task, seed: int = 1, rows: int = 2_000) -> Curves:
    y, score, told = rows_of(task, seed, rows)
    times = np.datetime64("2026-01-01", "ms") + np.arange(rows) * np.timedelta64(1, "h")
    return curves_of(task, y, score, given=told, times=times, seed=seed)


@pytest.mark.parametrize("task", [task for task in MARKED_TASKS if task is not Task.CLUSTERING])
def test_curves_are_few_points_with_bands_around_them_and_can_be_kept(task: Task) -> None:
    found = drawn(task)
    assert found.curves
    for curve in found.curves:
        for line in curve.lines:
            assert 1 <= len(line.x) == len(line.y) <= MOST_POINTS, curve.kind
            assert len(line.low) == len(line.high) in (0, len(line.x))
            for value, low, high in zip(line.y, line.low, line.high, strict=bool(line.low)) if line.low else ():
                assert low <= value + 1e-12 and value <= high + 1e-12, (curve.kind, line.name)
    assert wire.load(wire.dump(found), Curves) == found
    assert len(wire.dump(found)) < 150_000


def test_the_roc_curve_is_that_of_scikit_learn() -> None:
    y, score, _ = rows_of(Task.BINARY, 3, 1_500)
    score = np.round(score, 1)
    curve = curves_of(Task.BINARY, y, score).of(CurveKind.ROC)
    assert curve is not None
    wasted, found, _ = sk.roc_curve(y, score, drop_intermediate=False)
    assert curve.lines[0].y == pytest.approx(np.interp(curve.lines[0].x, wasted, found))
    assert np.trapezoid(curve.lines[0].y, curve.lines[0].x) == pytest.approx(sk.roc_auc_score(y, score))


def test_precision_recall_and_gain_are_those_of_scikit_learn() -> None:
    y, score, told = rows_of(Task.BINARY, 4, 1_500)
    score = np.round(score, 1)
    found = curves_of(Task.BINARY, y, score, given=told)
    pr, gain, cut = found.of(CurveKind.PR), found.of(CurveKind.GAIN), found.of(CurveKind.CUTOFF)
    assert pr is not None and gain is not None and cut is not None
    precision, recall, thresholds = sk.precision_recall_curve(y, score)
    assert pr.lines[0].y == pytest.approx(np.interp(pr.lines[0].x, recall[::-1], precision[::-1]), abs=1e-9)
    by_name = {line.name: line for line in cut.lines}
    assert by_name["precision"].x == pytest.approx(thresholds)
    assert by_name["precision"].y == pytest.approx(precision[:-1])
    assert by_name["recall"].y == pytest.approx(recall[:-1])
    looked = [(score >= at).mean() for at in thresholds]
    assert np.interp(looked, gain.lines[0].x, gain.lines[0].y) == pytest.approx(recall[:-1])


def test_the_calibration_curve_has_bins_of_equally_many_rows() -> None:
    random = np.random.default_rng(5)
    score = random.random(3_000)
    y = (random.random(3_000) < score).astype(float)
    curve = curves_of(Task.BINARY, y, score).of(CurveKind.CALIBRATION)
    assert curve is not None
    line = curve.lines[0]
    shares, means = calibration_curve(y, score, n_bins=15, strategy="quantile")
    assert line.y == pytest.approx(shares) and line.x == pytest.approx(means)
    assert sum(line.rows) == 3_000 and max(line.rows) - min(line.rows) <= 1
    theirs = stats.binomtest(round(line.y[3] * line.rows[3]), line.rows[3]).proportion_ci(method="wilson")
    assert (line.low[3], line.high[3]) == pytest.approx((theirs.low, theirs.high), abs=6e-3)


@pytest.mark.parametrize("days", [0, 25])
def test_bands_of_a_roc_curve_cover_the_true_one(days: int) -> None:
    random, trials, covered = np.random.default_rng(6), 120, 0
    wasted = 0.2
    spread = np.sqrt(1.25) if days else 1.0
    truth = float(stats.norm.sf(stats.norm.isf(wasted) - 1.0 / spread))
    for seed in range(trials):
        y = (random.random(600) < 0.4).astype(float)
        day = random.integers(0, days, size=600) if days else None
        score = random.normal(size=600) + y + (random.normal(0, 0.5, size=days)[day] if day is not None else 0.0)
        at = swept(y, score, clusters=day, seed=seed)
        assert at is not None
        line = roc(at)
        low, high = (np.interp(wasted, line.x, ends) for ends in (line.low, line.high))
        covered += low - 0.01 <= truth <= high + 0.01
    assert covered >= stats.binom.ppf(0.001, trials, 0.92), f"{covered} of {trials}"


def test_costs_lie_over_the_threshold_and_the_chosen_one_is_marked() -> None:
    y, score, told = rows_of(Task.BINARY, 7, 2_000)
    curve = curves_of(Task.BINARY, y, score, given=told).of(CurveKind.COST)
    assert curve is not None
    line = curve.lines[0]
    for at, cost in zip(line.x[::7], line.y[::7], strict=True):
        said = score >= at
        assert cost == pytest.approx((1 * (said & (y == 0)) + 4 * (~said & (y == 1))).mean())
    assert [point.name for point in curve.points] == ["chosen", "calibrated", "half"]
    assert curve.points[0].x == told.threshold


def test_a_confusion_matrix_counts_outcomes_by_answers_at_the_threshold() -> None:
    y, score, told = rows_of(Task.BINARY, 8, 500)
    found = curves_of(Task.BINARY, y, score, given=told, classes=("no", "yes")).confusion
    assert found is not None
    assert found.counts == tuple(map(tuple, sk.confusion_matrix(y, score >= told.threshold).tolist()))
    assert found.classes == ("no", "yes") and found.threshold == told.threshold
    assert [sum(row) for row in found.shares()] == pytest.approx([1.0, 1.0])


def test_of_many_classes_the_rarest_are_counted_together() -> None:
    random = np.random.default_rng(9)
    y = random.integers(0, 30, size=5_000)
    y[random.random(5_000) < 0.5] = 17
    said = random.integers(0, 30, size=5_000)
    found = confusion(y, said, [f"class {code}" for code in range(30)])
    assert len(found.classes) == 12 and found.classes[0] == "class 17" and found.classes[-1] == "other"
    assert sum(map(sum, found.counts)) == 5_000
    assert sum(found.counts[0]) == (y == 17).sum()


def test_a_useless_score_is_shown_as_it_is_and_one_class_alone_too() -> None:
    assert [curve.kind for curve in curves_of(Task.BINARY, np.zeros(50), np.linspace(0, 1, 50)).curves] == [CurveKind.SCORES]
    constant = curves_of(Task.BINARY, np.tile([0.0, 1.0], 50), np.full(100, 0.3))
    assert constant.of(CurveKind.ROC) is not None
    assert curves_of(Task.REGRESSION, np.arange(30.0), np.full(30, 3.0)).of(CurveKind.RESIDUALS) is not None
    assert curves_of(Task.BINARY, [], []).curves == ()


def test_quantiles_that_hold_lie_on_the_diagonal() -> None:
    random = np.random.default_rng(12)
    levels = (0.1, 0.5, 0.9)
    y = random.normal(size=4_000)
    score = np.tile(stats.norm.ppf(levels), (4_000, 1))
    curve = curves_of(Task.QUANTILE, y, score, given=Given(levels=levels)).of(CurveKind.COVERAGE)
    assert curve is not None
    assert curve.lines[0].y == pytest.approx(levels, abs=0.025)
    assert all(low <= level <= high for low, level, high in zip(curve.lines[0].low, levels, curve.lines[0].high, strict=True))
