"""Assertions for a test suite: the failure's message is the report, bounded.

from noria.checks.pytest import assert_no_drift, assert_scorecard

Plain functions that raise `AssertionError`, so they serve under any runner. Under pytest, the plugin that comes
with Noria gives the fixture `noria_check` besides, and `--noria-reports DIR` keeps the HTML of what failed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isnan
from typing import Any

from noria.checks.check import check
from noria.checks.conduct import check_fairness, check_leakage
from noria.checks.report import Report
from noria.core.checking import Group
from noria.core.declaration.conduct import fair
from noria.core.errors import NotFound
from noria.core.examination.examination import Examination
from noria.core.examination.fairness import MEASURES, FairnessReport
from noria.core.examination.leakage import LeakageReport
from noria.core.judging import GateResult, Outcome, Scorecard
from noria.core.schema import Estimate
from noria.stages.evaluation.metrics import METRICS, Metric
from noria.stages.governance.fairness import fair as fair_gate

SHOWN = 10


def assert_nothing_found(reference: Any, current: Any, **asked: Any) -> Report:
    """Fail when a check finds anything: data problems, drift, or quality that fell.

    Args:
        reference, current, asked: As `noria.check` takes them.

    Returns:
        The report, when nothing was found.

    Raises:
        AssertionError: with the verdict and the findings; its `report` is the whole report.
        DataInvalid: a side cannot be read.
    """
    __tracebackhide__ = True
    return _asserted(check(reference, current, **asked), tuple(Group))


def assert_no_drift(reference: Any, current: Any, **asked: Any) -> Report:
    """Fail when columns, answers or correlations drifted; see `assert_nothing_found`."""
    __tracebackhide__ = True
    return _asserted(check(reference, current, **asked), (Group.DRIFT,))


def assert_sound_data(reference: Any, current: Any, **asked: Any) -> Report:
    """Fail when columns are gone or of another kind, or values are missing, unseen or out of range; see `assert_nothing_found`."""
    __tracebackhide__ = True
    return _asserted(check(reference, current, **asked), (Group.DATA,))


def assert_quality_kept(reference: Any, current: Any, *, label: str, score: Any, **asked: Any) -> Report:
    """Fail when the answers got worse; see `assert_nothing_found`."""
    __tracebackhide__ = True
    return _asserted(check(reference, current, label=label, score=score, **asked), (Group.QUALITY,))


def assert_scorecard(card: Scorecard | Report | Mapping[str, Any], *, surely: bool = False, **limits: float) -> None:
    """Fail when a mark is worse than its limit: `assert_scorecard(card, roc_auc=0.75, log_loss=0.5)`.

    Args:
        card: A scorecard, a finished check (its current side counts), or metric to number or `Estimate`.
        surely: Whether the worse end of the interval must keep the limit, not only the value.
        limits: Metric to the worst value that passes: at least it, or at most it for losses; for `bias` at most this far from 0.

    Raises:
        AssertionError: names each mark with its interval and its limit.
        NotFound: a metric is not on the card.
    """
    __tracebackhide__ = True
    marks = _marks(card)
    absent = [name for name in limits if name not in marks or name not in METRICS]
    if absent:
        raise NotFound(f"the scorecard has no {', '.join(absent)}", fix=f"it has {', '.join(marks)}")
    missed = [
        _line(METRICS[name], marks[name], limit)
        for name, limit in limits.items()
        if not _kept(METRICS[name], marks[name], limit, surely=surely)
    ]
    if missed:
        raise AssertionError("\n".join([f"{len(missed)} of {len(limits)} marks are worse than they may be", *missed]))


def assert_no_leakage(train: Any, judge: Any, *, label: str, **asked: Any) -> LeakageReport:
    """Fail when a feature holds the label, or rows that judge were trained on; warnings pass, and are in the report.

    Args:
        train, judge, label, asked: As `noria.check_leakage` takes them.

    Raises:
        AssertionError: with every finding that stops.
        DataInvalid: a side cannot be read.
    """
    __tracebackhide__ = True
    report = check_leakage(train, judge, label=label, **asked)
    if report.stops:
        raise AssertionError("\n".join([f"{len(report.stops)} finding(s)", *(f"  {finding}" for finding in report.stops[:SHOWN])]))
    return report


def assert_fair(
    rows: Any,
    columns: str | Sequence[str],
    *,
    label: str,
    score: str | Sequence[str],
    limits: Mapping[str, float],
    surely: bool = False,
    **asked: Any,
) -> FairnessReport:
    """Fail when a gap between groups is shown to be beyond its limit: `assert_fair(rows, "sex", …, limits={"four_fifths": 0.8})`.

    Args:
        rows, columns, label, score, asked: As `noria.check_fairness` takes them.
        limits: Measure to the largest difference that is borne; for "four_fifths" the smallest ratio.
        surely: Whether each gap must also be shown to be within its limit, so that too few rows fail.

    Raises:
        AssertionError: names each gap with its interval and its limit.
        DataInvalid: the table cannot be read.
        NotFound: there is no such measure.
    """
    __tracebackhide__ = True
    report = check_fairness(rows, columns, label=label, score=score, **asked)
    found = Examination(made_from=(), fairness=report)
    unsure = "fail" if surely else "pass"
    results = [_gate_on(measure, limit, unsure, found) for measure, limit in limits.items()]
    missed = [f"  {result.reason}" for result in results if result.outcome is Outcome.FAIL]
    if missed:
        raise AssertionError("\n".join([f"{len(missed)} of {len(limits)} gaps are wider than they may be", *missed]))
    return report


def _gate_on(measure: str, limit: float, unsure: str, found: Examination) -> GateResult:
    if measure not in MEASURES:
        raise NotFound(f"there is no measure {measure!r}", fix=f"there are {', '.join(MEASURES)}")
    return fair_gate(fair(measure, limit=limit, unsure=unsure), found)


class ReportFailed(AssertionError):
    """A check that found what must not be; `report` is all of it."""

    def __init__(self, report: Report) -> None:
        self.report = report
        super().__init__(str(report))


def _asserted(report: Report, groups: tuple[Group, ...]) -> Report:
    __tracebackhide__ = True
    if report.value.of(*groups):
        raise ReportFailed(report)
    return report


def _marks(card: Scorecard | Report | Mapping[str, Any]) -> dict[str, Estimate]:
    if isinstance(card, Scorecard):
        return dict(card.metrics)
    if isinstance(card, Report):
        return {one.metric: one.now for one in card.value.marks}
    return {name: one if isinstance(one, Estimate) else Estimate(value=one, low=one, high=one, n=0) for name, one in card.items()}


def _kept(known: Metric, mark: Estimate, limit: float, *, surely: bool) -> bool:
    if isnan(mark.value):
        return False
    if known.signed:
        return max(abs(mark.low), abs(mark.high)) <= abs(limit) if surely else abs(mark.value) <= abs(limit)
    if known.higher_is_better:
        return (mark.low if surely else mark.value) >= limit
    return (mark.high if surely else mark.value) <= limit


def _line(known: Metric, mark: Estimate, limit: float) -> str:
    asked = f"at most ±{abs(limit):g}" if known.signed else f"at least {limit:g}" if known.higher_is_better else f"at most {limit:g}"
    return f"  {known.name}  {mark.value:.4f} [{mark.low:.4f}, {mark.high:.4f}], {asked} was asked"
