"""`noria.evaluate` on every task, as a user calls it."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import polars as pl
import pytest

import noria as nr
from noria.core.errors import DataInvalid, NotFound
from noria.core.examination.curves import CurveKind

RANDOM = np.random.default_rng(1)
DAYS = np.datetime64("2026-01-01") + np.arange(600).astype("timedelta64[D]")


def test_a_yes_or_no_model_is_marked_with_intervals_and_curves() -> None:
    score = RANDOM.random(2_000)
    y = RANDOM.random(2_000) < score
    found = nr.evaluate(y, score)
    assert found.value.task == "binary"
    assert found["roc_auc"].low < found["roc_auc"].value < found["roc_auc"].high
    assert {curve.kind for curve in found.curves.curves} >= {CurveKind.ROC, CurveKind.PR, CurveKind.CALIBRATION, CurveKind.GAIN}
    assert found.table.columns == ["metric", "value", "low", "high", "se", "rows"]
    assert json.loads(found.to_json())["rows"] == 2_000
    assert str(found).startswith("binary, 2,000 rows, rows taken as independent\nroc_auc")


def test_costs_move_the_threshold_that_metrics_are_measured_at() -> None:
    score = RANDOM.random(2_000)
    y = RANDOM.random(2_000) < score
    found = nr.evaluate(pl.Series(y), pl.Series(score), costs=nr.Costs(false_positive=1, false_negative=4))
    assert found["recall"].value == pytest.approx((score[y] >= 0.2).mean())
    assert found.value.threshold is not None and found.value.threshold.calibrated == 0.2
    assert found.curves.confusion is not None and found.curves.confusion.threshold == 0.2
    assert nr.evaluate(y, score, threshold=0.9)["recall"].value == pytest.approx((score[y] >= 0.9).mean())


def test_classes_may_be_names() -> None:
    names = np.array(["ash", "beech", "oak"])
    score = RANDOM.dirichlet([1, 1, 1], size=500)
    y = names[score.argmax(axis=1)]
    assert nr.evaluate(y, score)["accuracy"].value == 1.0
    turned = nr.evaluate(y, score[:, ::-1], classes=("oak", "beech", "ash"))
    assert turned["accuracy"].value == 1.0 and turned.value.classes == ("oak", "beech", "ash")
    two = nr.evaluate(np.where(score[:, 0] > 0.5, "yes", "no"), score[:, 0])
    assert two.value.classes == ("no", "yes") and two["accuracy"].value == 1.0
    with pytest.raises(DataInvalid, match="none of the classes"):
        nr.evaluate(["elm"], [[0.1, 0.2, 0.7]], classes=("ash", "beech", "oak"))


def test_days_are_what_is_independent_where_times_are_given() -> None:
    day = np.repeat(np.arange(30), 50)
    y = RANDOM.normal(size=1_500) + RANDOM.normal(size=30)[day]
    times = np.datetime64("2026-01-01") + day.astype("timedelta64[D]")
    found, plain = nr.evaluate(y, np.zeros(1_500), times=times), nr.evaluate(y, np.zeros(1_500))
    assert found.value.clusters == 30 and found["bias"].se > 3 * plain["bias"].se
    assert found.curves.of(CurveKind.RESIDUALS_OVER_TIME) is not None


def test_a_ranking_is_judged_within_queries() -> None:
    query = np.repeat(np.arange(80), 10)
    y = RANDOM.integers(0, 3, size=800)
    found = nr.evaluate(y, y + RANDOM.normal(0, 1, size=800), groups=query, metrics=["ndcg_5", "mrr"])
    assert found.value.task == "ranking" and list(found.metrics) == ["ndcg_5", "mrr"] and found.value.clusters == 80
    with pytest.raises(DataInvalid, match="groups"):
        nr.evaluate(y, y, task="ranking")


def test_forecasts_are_held_against_the_value_one_season_ago() -> None:
    step, series = np.tile(np.arange(200), 2), np.repeat(["a", "b"], 200)
    y = 20 + 5 * np.sin(2 * np.pi * step / 7) + RANDOM.normal(size=400)
    found = nr.evaluate(y, y + RANDOM.normal(0, 0.5, size=400), series=series, times=DAYS[step], horizon=1 + step % 3, season=7)
    assert found.value.task == "forecast" and found.value.serial and found.value.clusters == 200
    assert found["skill"].low > 0.3 and found["mase"].high < 0.7 and found["rmsse"].value > 0
    curve = found.curves.of(CurveKind.HORIZON)
    assert curve is not None and [line.name for line in curve.lines] == ["forecast", "one season ago"]
    bare = nr.evaluate(y, y, task="forecast", series=series)
    assert "mase" not in bare.metrics and "give `season`" in bare.value.notes[-1]


def test_quantiles_labels_clusters_and_anomalies_too() -> None:
    y = RANDOM.normal(size=1_000)
    quantiles = nr.evaluate(y, np.tile([-1.64, 0.0, 1.64], (1_000, 1)), levels=(0.05, 0.5, 0.95))
    assert quantiles.value.task == "quantile" and quantiles["coverage"].low < 0.9 < quantiles["coverage"].high
    chance = RANDOM.random((500, 3))
    labels = nr.evaluate(RANDOM.random((500, 3)) < chance, chance, classes=("a", "b", "c"))
    assert labels.value.task == "multilabel" and set(labels.value.by_label) == {"a", "b", "c"}
    points = RANDOM.normal(size=(200, 2)) + 9.0 * (np.arange(200) % 2)[:, None]
    side = lambda rows: (rows.sum(axis=1) > 9).astype(int)  # noqa: E731
    clusters = nr.evaluate(None, side(points), points=points, assign=side)
    assert clusters["silhouette"].value > 0.6 and clusters["stability"].value == 1.0 and "v_measure" not in clusters.metrics
    assert nr.evaluate(["x", "y"] * 100, np.array(["p", "q"] * 100), points=points)["v_measure"].value == pytest.approx(1.0)
    strange = nr.evaluate(None, RANDOM.exponential(size=1_000), budget=0.05)
    assert list(strange.metrics) == ["separation"]
    assert nr.evaluate(None, np.arange(100), task="anomaly", threshold=90)["alert_rate"].value == 0.1
    known = nr.evaluate(y > 1.5, y, task="anomaly", budget=0.05)
    assert known["alert_precision"].value == 1.0 and known.curves.of(CurveKind.ROC) is not None


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"y": [0, 1], "score": [0.1, 0.2], "task": "guessing"}, "is no task"),
        ({"y": None, "score": [0.1, 0.2], "task": "binary"}, "judged by outcomes"),
        ({"y": [0, 1, 1], "score": [0.1, 0.2]}, "y has 3 rows"),
        ({"y": [1.0], "score": [[1.0, 2.0]], "task": "quantile"}, "levels"),
        ({"y": [0, 1], "score": ["a", "b"], "task": "regression"}, "not numbers"),
        ({"y": [0, 1], "score": [0.1, 0.2], "clusters": [1]}, "clusters has 1 rows"),
    ],
)
def test_what_does_not_fit_is_refused_with_the_reason(how: dict, said: str) -> None:
    with pytest.raises(DataInvalid, match=said):
        nr.evaluate(how.pop("y"), how.pop("score"), **how)


def test_a_metric_of_another_task_is_refused() -> None:
    with pytest.raises(NotFound, match="not a metric of binary tasks"):
        nr.evaluate([0, 1], [0.2, 0.8], metrics=["ndcg_10"])


def test_naming_it_loads_nothing_before_it_is_called_for() -> None:
    code = "import sys, noria; assert 'noria.checks' not in sys.modules and 'numpy' not in sys.modules; print(noria.evaluate.__name__)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "evaluate"


def test_an_evaluation_draws_itself_as_a_file_a_cell_and_a_table(tmp_path) -> None:
    score = RANDOM.random((400, 3))
    found = nr.evaluate(RANDOM.random((400, 3)) < score, score, classes=("<script>", "b", "c"))
    page = found.to_html(tmp_path / "found.html")
    assert (tmp_path / "found.html").read_text(encoding="utf-8") == page
    assert "macro_f1" in page and "<svg" in page and "<script>" not in page.replace("<script>", "", 0).split("<h2>By label")[1]
    assert found._repr_html_().count("<figure") == 3
    assert "| macro_f1 |" in found.to_markdown()


def test_five_rows_are_evaluated_without_a_word_of_warning():
    found = nr.evaluate([0, 1, 1, 0, 1], [0.2, 0.9, 0.6, 0.4, 0.3], task="binary")
    assert found["roc_auc"].value == pytest.approx(5 / 6)
    assert found.curves
