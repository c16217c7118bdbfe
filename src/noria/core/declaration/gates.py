"""Gates: what a candidate must show before a user meets it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """One gate.

    Attributes:
        check: "at-least", "at-most", "beats-champion", "not-worse-than-champion", "equivalent-to-champion",
            "beats-baselines", "no-slice-worse", "latency", "size" or "approval".
        limits: Metric name to limit, for at-least and at-most.
        margin: For comparisons, in units of the metric: how much worse is still good enough.
        bound: Which end of the interval must hold: "value" or "bound" (the cautious one).
        confidence: Of the interval that comparisons go by; it errs to each side in half of what is left.
    """

    check: str
    limits: Mapping[str, float] = field(default_factory=dict)
    metric: str = ""
    column: str = ""
    margin: float = 0.0
    by: str = ""
    min_rows: int = 200
    bound: str = "value"
    confidence: float = 0.95

    def __str__(self) -> str:
        words = [repr(word) for word in (self.metric, self.column) if word]
        words += [f"{name}={limit:g}" for name, limit in self.limits.items()]
        words += [f"{'by' if self.check == 'no-slice-worse' else 'margin'}={self.margin:g}"] if self.margin else []
        words += [f"by={self.by!r}"] if self.by else []
        words += [f"bound={self.bound!r}"] if self.bound != "value" else []
        words += [f"confidence={self.confidence:g}"] if self.confidence != 0.95 else []
        return f"{self.check.replace('-', '_')}({', '.join(words)})"


def at_least(*, bound: str = "value", **limits: float) -> Gate:
    """Require metrics of at least these values: `at_least(roc_auc=0.70)`."""
    return Gate(check="at-least", limits=limits, bound=bound)


def at_most(*, bound: str = "value", **limits: float) -> Gate:
    """Require metrics of at most these values: `at_most(mae=12)`."""
    return Gate(check="at-most", limits=limits, bound=bound)


def beats_champion(metric: str, *, margin: float = 0.0) -> Gate:
    """Require the candidate to beat the champion, paired on the same newest rows.

    Passes when the lower end of the difference's interval is above `-margin`; with the default
    margin of 0 the whole interval must lie above zero. Always passes at birth.
    """
    return Gate(check="beats-champion", metric=metric, margin=margin)


def not_worse_than_champion(metric: str, *, margin: float, confidence: float = 0.95) -> Gate:
    """Require the candidate to be shown not worse than the champion by `margin` or more, paired on the same newest rows.

    For a candidate that is wanted for another reason than its marks: it is smaller, fairer, or made
    from data that may be kept. Passes when the lower end of the difference's interval lies above
    `-margin`; a candidate that is truly worse by the margin passes in at most (1 − confidence) / 2 of
    cases: 2.5 % by default. Always passes at birth.
    """
    return Gate(check="not-worse-than-champion", metric=metric, margin=margin, confidence=confidence)


def equivalent_to_champion(metric: str, *, margin: float, confidence: float = 0.95) -> Gate:
    """Require the candidate to be shown to differ from the champion by less than `margin`, to either side.

    For a change that must change nothing: a new library, a rewritten feature. Passes when the whole
    interval lies within ± `margin`. Always passes at birth.
    """
    return Gate(check="equivalent-to-champion", metric=metric, margin=margin, confidence=confidence)


def beats_baselines(metric: str, *, margin: float = 0.0, confidence: float = 0.95) -> Gate:
    """Require the candidate to be shown better than every simple model (a constant, one feature, a linear one), by more than `margin`."""
    return Gate(check="beats-baselines", metric=metric, margin=margin, confidence=confidence)


def no_slice_worse(column: str, *, by: float, metric: str = "", min_rows: int = 200) -> Gate:
    """Forbid any slice of `column` in which the candidate is worse than the champion by more than `by`.

    A slice fails only when its whole interval lies below `-by` (Holm-adjusted over slices).
    """
    return Gate(check="no-slice-worse", column=column, margin=by, metric=metric, min_rows=min_rows)


def latency(*, p99_ms: float) -> Gate:
    """Require single-row answers within `p99_ms`, measured through the serving form."""
    return Gate(check="latency", limits={"p99_ms": p99_ms})


def size(*, mb: float) -> Gate:
    """Require a package of at most `mb` megabytes."""
    return Gate(check="size", limits={"mb": mb})


def approval(*, by: str = "") -> Gate:
    """Wait for a person: `noria approve`; `by` names who may (anyone when left out)."""
    return Gate(check="approval", by=by)
