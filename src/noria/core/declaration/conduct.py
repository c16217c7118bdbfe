"""Gates on how a candidate behaves: fair to groups, steady under strain, and sensible case by case."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from noria.core.declaration.gates import Gate

SEVERITY: Mapping[str, float] = {"noise": 0.3, "missing": 0.2, "unseen": 0.2, "scaled": 10.0, "swapped": 1.0}
"""What a candidate is strained with, and the severity that a gate asks about when it names none."""

JOINED = " × "
"""Between the columns of an intersection, and between its groups."""

ACTIONS = ("block", "approve", "report")
UNSURE = ("approve", "pass", "fail")


@dataclass(frozen=True, slots=True, kw_only=True)
class FairGate(Gate):
    """A limit on a gap between groups, or a policy of several.

    Attributes:
        measure: One of `noria.core.examination.fairness.MEASURES`.
        policy: Name of a policy that Noria ships, or one of your own; then the other fields say nothing.
        action: What follows when the gap is shown: "block", "approve" (a person decides) or "report".
        unsure: What follows when it is not shown to be within its limit: "approve", "pass" or "fail".
    """

    measure: str = ""
    policy: str | Mapping[str, Any] = ""
    action: str = "block"
    unsure: str = "approve"

    def __str__(self) -> str:
        if self.policy:
            named = self.policy if isinstance(self.policy, str) else str(self.policy.get("name", "own"))
            return f"fair(policy={named!r}{f', column={self.column!r}' if self.column else ''})"
        words = [repr(self.measure), *([f"column={self.column!r}"] if self.column else []), f"limit={self.margin:g}"]
        words += [f"action={self.action!r}"] if self.action != "block" else []
        words += [f"unsure={self.unsure!r}"] if self.unsure != "approve" else []
        return f"fair({', '.join(words)})"


@dataclass(frozen=True, slots=True, kw_only=True)
class RobustGate(Gate):
    """A limit on how far a metric falls under strain; `column` "" = all features at once."""

    to: str = ""
    severity: float = 0.0

    def __str__(self) -> str:
        words = [*([repr(self.metric)] if self.metric else []), f"to={self.to!r}", f"by={self.margin:g}", f"severity={self.severity:g}"]
        words += [f"feature={self.column!r}"] if self.column else []
        words += [f"bound={self.bound!r}"] if self.bound != "value" else []
        return f"robust({', '.join(words)})"


@dataclass(frozen=True, slots=True, kw_only=True)
class BehaviourGate(Gate):
    """A test of behaviour: "invariant" or "monotone" in `column`, or "expected" answers to cases.

    Attributes:
        values: For invariant: what the column is set to; its own frequent values when empty.
        direction: For monotone: "up" or "down".
        of: For tasks with several classes: the class whose probability is asked about.
        cases: For expected: the cases, or the file that holds them.
        tolerance: Changes up to this do not count; None = 0.01 for probabilities, 1 % of the
            answers' standard deviation for numbers.
        share: At most this share of rows or cases may miss it.
    """

    test: str
    values: tuple[Any, ...] = ()
    direction: str = ""
    of: str = ""
    cases: str | tuple[Mapping[str, Any], ...] = ()
    tolerance: float | None = None
    share: float = 0.0
    named: str = ""

    def __str__(self) -> str:
        if self.named:
            return f"{self.test}({self.named!r})"
        if self.test == "expected":
            return f"expected({self.cases!r})" if isinstance(self.cases, str) else f"expected({len(self.cases)} cases)"
        words = [repr(self.column), *([repr(self.direction)] if self.direction else [])]
        words += [f"of={self.of!r}"] if self.of else []
        words += [f"share={self.share:g}"] if self.share else []
        return f"{self.test}({', '.join(words)})"


def fair(
    measure: str = "",
    *,
    column: str | Sequence[str] = "",
    limit: float = 0.0,
    policy: str | Mapping[str, Any] = "",
    action: str = "block",
    unsure: str = "approve",
) -> Gate:
    """Limit a gap between the groups of `nr.Fairness`: `fair("equal_opportunity", column="sex", limit=0.1)`.

    Fails when the lower end of the gap's interval is above the limit: harm is shown. When only the
    upper end is, or a group has fewer than 30 rows to tell by, it is not shown to be safe: a person
    decides (`unsure`). For "four_fifths" the limit is the smallest ratio that is borne, 0.8.

    Args:
        measure: "demographic_parity", "four_fifths", "equal_opportunity", "predictive_equality",
            "equalised_odds", "predictive_parity" or "calibration"; for numbers "mean_answer", "calibration" or "error".
        column: One column, several (their intersection), or every one that is declared and all intersections.
        limit: Largest difference that is borne.
        policy: In place of all that: "us-2026-07", "eu", "internal-four-fifths", or a mapping like them.
        action: "block", "approve" or "report".
        unsure: "approve", "pass" or "fail".
    """
    chosen = column if isinstance(column, str) else JOINED.join(column)
    return FairGate(check="fair", measure=measure, column=chosen, margin=limit, policy=policy, action=action, unsure=unsure)


def robust(metric: str = "", *, to: str, by: float, severity: float | None = None, feature: str = "", bound: str = "value") -> Gate:
    """Limit how far a metric falls under strain: `robust("roc_auc", to="missing", by=0.03)`.

    Args:
        metric: The loop's main metric when left out.
        to: "noise" (in standard deviations), "missing", "unseen" (share of rows), "scaled" (by a factor) or "swapped".
        by: Largest fall that is borne, in units of the metric.
        severity: 0.3 for noise, 0.2 for missing and unseen, 10 for scaled, when left out.
        feature: One feature; when left out, all of them at once (scaled, swapped: each one).
        bound: Whether the "value" of the fall must keep within, or the upper end of its interval ("bound").
    """
    chosen = SEVERITY.get(to, 0.0) if severity is None else severity
    return RobustGate(check="robust", metric=metric, to=to, margin=by, severity=chosen, column=feature, bound=bound)


def invariant(
    column: str, *, values: Sequence[Any] = (), tolerance: float | None = None, share: float = 0.0, of: str = "", name: str = ""
) -> Gate:
    """Require that the answer stays when this feature alone changes: `invariant("title", values=["Mr", "Ms"])`."""
    return BehaviourGate(
        check="behaves", test="invariant", column=column, values=tuple(values), tolerance=tolerance, share=share, of=of, named=name
    )


def monotone(
    column: str, direction: str = "up", *, tolerance: float | None = None, share: float = 0.0, of: str = "", name: str = ""
) -> Gate:
    """Require that the answer moves one way with this feature: `monotone("income", "up")`, all else as it is."""
    return BehaviourGate(
        check="behaves", test="monotone", column=column, direction=direction, tolerance=tolerance, share=share, of=of, named=name
    )


def expected(
    cases: str | Path | Sequence[Mapping[str, Any]], *, tolerance: float | None = None, share: float = 0.0, name: str = ""
) -> Gate:
    """Require these answers to these cases: a list of rows, or a CSV, Parquet or JSON-lines file beside the loop file.

    A case holds values of features (what it lacks is missing), and what is expected: `expect` (a
    class, or a number within the tolerance), or `at_least` and `at_most` for the probability or number.
    """
    kept: str | tuple[Mapping[str, Any], ...] = str(cases) if isinstance(cases, (str, Path)) else tuple(dict(case) for case in cases)
    return BehaviourGate(check="behaves", test="expected", cases=kept, tolerance=tolerance, share=share, named=name)
