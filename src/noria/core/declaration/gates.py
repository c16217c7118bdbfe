"""Gates: what a candidate must show before a user meets it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """One gate.

    Attributes:
        check: "at-least", "at-most", "beats-champion", "no-slice-worse", "latency", "size" or "approval".
        limits: Metric name to limit, for at-least and at-most.
        margin: For comparisons, in units of the metric: how much worse is still good enough.
        bound: Which end of the interval must hold: "value" or "bound" (the cautious one).
    """

    check: str
    limits: Mapping[str, float] = field(default_factory=dict)
    metric: str = ""
    column: str = ""
    margin: float = 0.0
    by: str = ""
    min_rows: int = 200
    bound: str = "value"

    def __str__(self) -> str:
        words = [repr(word) for word in (self.metric, self.column) if word]
        words += [f"{name}={limit:g}" for name, limit in self.limits.items()]
        words += [f"{'by' if self.check == 'no-slice-worse' else 'margin'}={self.margin:g}"] if self.margin else []
        words += [f"by={self.by!r}"] if self.by else []
        words += [f"bound={self.bound!r}"] if self.bound != "value" else []
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
