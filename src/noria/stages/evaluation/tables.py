"""All metrics, one line each, and families of them that take a number: `lift_10`, `ndcg_5`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from math import inf
from types import MappingProxyType

from noria.core.schema import Task
from noria.stages.evaluation import (
    anomalies,
    binary,
    clusters,
    forecasts,
    multiclass,
    multilabel,
    quantiles,
    queries,
    ranking,
    regression,
)
from noria.stages.evaluation.given import Given
from noria.stages.evaluation.measured import Array, Formula, Measured
from noria.stages.evaluation.metric import Informed, Metric, plain

POSITIVE, ANY = (0.0, inf), (-inf, inf)


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """Metrics that differ by a number between `least` and `most`, which ends their name."""

    make: Callable[[int], Metric]
    least: int = 1
    most: int = 100


def _tasks(*tasks: Task) -> frozenset[Task]:
    return frozenset(tasks)


def _decided(flat: Callable[[Array, Array, float], Measured], wide: Formula | None = None) -> Informed:
    """A formula of yes and no at the threshold that was given; of class probabilities by the likeliest class."""

    def formula(y: Array, score: Array, given: Given) -> Measured:
        return flat(y, score, given.threshold) if wide is None or score.ndim == 1 else wide(y, score)

    return formula


def _by_shape(flat: Formula | None, wide: Formula, labels: Formula | None = None) -> Informed:
    """One formula for scores of shape (rows,), of (rows, classes), and for outcomes of (rows, labels)."""

    def formula(y: Array, score: Array, given: Given) -> Measured:
        if y.ndim == 2 and labels is not None:
            return labels(y, score)
        return flat(y, score) if score.ndim == 1 and flat is not None else wide(y, score)

    return formula


def _macro_f1(y: Array, score: Array, given: Given) -> Measured:
    return multilabel.macro_f1(y, score, given.threshold) if y.ndim == 2 else multiclass.macro_f1(y, score)


def _cost(y: Array, score: Array, given: Given) -> Measured:
    assert given.costs is not None
    return binary.expected_cost(y, score, given.costs, given.threshold)


_YES_NO, _SEVERAL, _CLASSES = _tasks(Task.BINARY), _tasks(Task.MULTICLASS), _tasks(Task.BINARY, Task.MULTICLASS)
_ORDER, _LABELS = _tasks(Task.BINARY, Task.ANOMALY), _tasks(Task.MULTILABEL)
_NUMBERS, _VALUES = _tasks(Task.REGRESSION), _tasks(Task.REGRESSION, Task.FORECAST)
_QUERIES, _SERIES, _QUANTILES = _tasks(Task.RANKING), _tasks(Task.FORECAST), _tasks(Task.QUANTILE)
_CLUSTERS, _STRANGE = _tasks(Task.CLUSTERING), _tasks(Task.ANOMALY)
_KNOWN, _LEVELS = frozenset({"outcomes"}), frozenset({"levels"})


def _up(name: str, tasks: frozenset[Task], formula: Informed, **more: object) -> Metric:
    return replace(Metric(name=name, tasks=tasks, higher_is_better=True, formula=formula), **more)  # type: ignore[arg-type]


def _down(name: str, tasks: frozenset[Task], formula: Informed, **more: object) -> Metric:
    return replace(Metric(name=name, tasks=tasks, higher_is_better=False, formula=formula, bounds=POSITIVE), **more)  # type: ignore[arg-type]


def _of_queries(name: str, per_query: queries.PerQuery) -> Metric:
    return _up(name, _QUERIES, queries.over_queries(per_query), needs=frozenset({"groups"}), grouped=True, bounds=(0.0, 1.0))


def _shape(name: str, shape: clusters.Shape, *, most: int | None = None, **more: object) -> Metric:
    return _up(name, _CLUSTERS, clusters.of_shape(shape, most=most), needs=frozenset({"points"}), **more)


def _truth(name: str, table: clusters.Table, **more: object) -> Metric:
    return _up(name, _CLUSTERS, clusters.against_truth(table), needs=_KNOWN, **more)


FAMILIES: Mapping[str, Family] = MappingProxyType(
    {
        "lift": Family(make=lambda k: _up(f"lift_{k}", _YES_NO, plain(ranking.lift(k)), bounds=POSITIVE), most=99),
        "top_accuracy": Family(make=lambda k: _up(f"top_accuracy_{k}", _SEVERAL, plain(multiclass.top(k)), partial=True)),
        "ae": Family(make=lambda k: _down(f"ae_{k}", _VALUES, plain(regression.high_ae(k))), most=99),
        "ndcg": Family(make=lambda k: _of_queries(f"ndcg_{k}", queries.ndcg(k))),
        "map": Family(make=lambda k: _of_queries(f"map_{k}", queries.mean_precision(k))),
        "precision": Family(make=lambda k: _of_queries(f"precision_{k}", queries.precision(k))),
        "recall": Family(make=lambda k: _of_queries(f"recall_{k}", queries.recall(k))),
        "pinball": Family(make=lambda k: _down(f"pinball_{k}", _QUANTILES, quantiles.pinball_at(k), needs=_LEVELS, partial=True), most=99),
        "coverage": Family(make=lambda k: _up(f"coverage_{k}", _QUANTILES, quantiles.coverage(k), needs=_LEVELS, partial=True), most=99),
        "width": Family(make=lambda k: _down(f"width_{k}", _QUANTILES, quantiles.width(k), needs=_LEVELS, partial=True), most=99),
    }
)

TABLE: tuple[Metric, ...] = (
    _up("roc_auc", _CLASSES | _LABELS | _STRANGE, _by_shape(ranking.roc_auc, multiclass.roc_auc, multilabel.roc_auc), needs=_KNOWN),
    _up("pr_auc", _CLASSES | _LABELS | _STRANGE, _by_shape(ranking.average_precision, multiclass.pr_auc, multilabel.pr_auc), needs=_KNOWN),
    _down("log_loss", _CLASSES | _LABELS, _by_shape(binary.log_loss, multiclass.log_loss, multilabel.log_loss)),
    _down("brier", _YES_NO, plain(binary.brier)),
    _up("accuracy", _CLASSES, _decided(binary.accuracy, multiclass.accuracy)),
    _up("balanced_accuracy", _CLASSES, _decided(binary.balanced_accuracy, multiclass.balanced_accuracy)),
    _up("micro_f1", _LABELS, _decided(multilabel.micro_f1)),
    _up("macro_f1", _SEVERAL | _LABELS, _macro_f1),
    _up("precision", _YES_NO, _decided(binary.precision)),
    _up("recall", _YES_NO, _decided(binary.recall)),
    _up("specificity", _YES_NO, _decided(binary.specificity)),
    _up("f1", _YES_NO, _decided(binary.f1)),
    _down("ece", _YES_NO, plain(binary.ece), resampled=binary.resampled_ece, bounds=(0.0, 1.0)),
    _up("mcc", _YES_NO, _decided(binary.mcc), bounds=(-1.0, 1.0)),
    _up("kappa", _CLASSES, _decided(binary.kappa, lambda y, s: multiclass.kappa(y, s.argmax(axis=1).astype(float))), bounds=(-1.0, 1.0)),
    _up("ks", _YES_NO, plain(ranking.ks)),
    _up("gini", _YES_NO, plain(ranking.gini), bounds=(-1.0, 1.0)),
    FAMILIES["lift"].make(10),
    _down("expected_cost", _YES_NO, _cost, needs=frozenset({"costs"}), bounds=ANY),
    FAMILIES["top_accuracy"].make(3),
    _down("rmse", _VALUES, plain(regression.rmse)),
    _down("mae", _VALUES, plain(regression.mae)),
    _up("r2", _NUMBERS, plain(regression.r2), bounds=(-inf, 1.0)),
    _up("explained_variance", _NUMBERS, plain(regression.explained_variance), bounds=(-inf, 1.0)),
    _down("mape", _NUMBERS, plain(regression.mape)),
    _down("median_ae", _NUMBERS, plain(regression.median_ae)),
    FAMILIES["ae"].make(90),
    _down("bias", _VALUES, plain(regression.bias), bounds=ANY, signed=True),
    _down("poisson_deviance", _NUMBERS, plain(regression.poisson_deviance), partial=True),
    _down("tweedie_deviance", _NUMBERS, plain(regression.tweedie_deviance), partial=True),
    FAMILIES["ndcg"].make(10),
    FAMILIES["map"].make(10),
    _of_queries("mrr", queries.reciprocal_rank),
    FAMILIES["precision"].make(10),
    FAMILIES["recall"].make(10),
    _down("wape", _SERIES, plain(forecasts.wape)),
    _down("smape", _SERIES, plain(forecasts.smape)),
    _down("mase", _SERIES, forecasts.mase, needs=frozenset({"scale"})),
    _down("rmsse", _SERIES, forecasts.rmsse, needs=frozenset({"rms_scale"})),
    _up("skill", _SERIES, forecasts.skill, needs=frozenset({"baseline"}), bounds=(-inf, 1.0)),
    _up("subset_accuracy", _LABELS, _decided(multilabel.subset_accuracy)),
    _down("hamming_loss", _LABELS, _decided(multilabel.hamming_loss), bounds=(0.0, 1.0)),
    _up("ranking_precision", _LABELS, plain(multilabel.ranking_precision)),
    _down("pinball", _QUANTILES, quantiles.pinball, needs=_LEVELS),
    _down("crps", _QUANTILES, quantiles.crps, needs=_LEVELS),
    _up("coverage", _QUANTILES, quantiles.coverage(), needs=_LEVELS, partial=True),
    _down("coverage_gap", _QUANTILES, quantiles.coverage_gap, needs=_LEVELS, partial=True, bounds=(-1.0, 1.0), signed=True),
    _down("width", _QUANTILES, quantiles.width(), needs=_LEVELS, partial=True),
    _down("crossing", _QUANTILES, quantiles.crossing, needs=_LEVELS, bounds=(0.0, 1.0)),
    _shape("silhouette", clusters.silhouette, most=clusters.MOST_ROWS, bounds=(-1.0, 1.0)),
    _shape("davies_bouldin", clusters.davies_bouldin, bounds=POSITIVE, higher_is_better=False),
    _shape("calinski_harabasz", clusters.calinski_harabasz, bounds=POSITIVE),
    _truth("adjusted_rand", clusters.adjusted_rand, bounds=(-1.0, 1.0)),
    _truth("homogeneity", clusters.homogeneity),
    _truth("completeness", clusters.completeness),
    _truth("v_measure", clusters.v_measure),
    _up("alert_precision", _STRANGE, anomalies.precision, needs=_KNOWN),
    _up("alert_recall", _STRANGE, anomalies.recall, needs=_KNOWN),
    _down("alert_rate", _STRANGE, anomalies.alert_rate, needs=frozenset({"alarm"}), bounds=(0.0, 1.0)),
    _up("separation", _STRANGE, anomalies.separation, bounds=POSITIVE),
)
