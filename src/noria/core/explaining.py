"""Values of explanations: what moved one answer, how answers move with a feature, and what would change one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from noria.core.traffic import Scalar


@dataclass(frozen=True, slots=True, kw_only=True)
class Contribution:
    """One feature's part in one answer, on the explanation's scale; positive parts raise it."""

    feature: str
    value: Scalar
    part: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Why a version answered one request as it did.

    The parts and the base add up to the margin: `gap` is by how much they miss it.

    Attributes:
        version: Which version answered, as `loop@3`.
        subject: What is explained: the positive class, the likeliest class, or "value".
        answer: The answer itself: a probability, or the value.
        scale: "log-odds" for probabilities, else "value"; margin, base and parts are on it.
        base: What the model answers on average over the background.
        parts: Largest first.
        method: "tree-shap" (of the trees themselves; the background is what they were trained on),
            "linear" (closed form) or "permutation" (sampled Shapley values).
        background: Digest of the rows that it is held against; "" = the training rows, as the trees count them.
        spread: Standard error of the sampled parts, the largest of them; 0 for exact methods.
    """

    version: str
    subject: str
    answer: float
    scale: str
    margin: float
    base: float
    parts: tuple[Contribution, ...]
    method: str
    background: str
    gap: float
    spread: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """One principal reason for an answer: a group of features that pushed it the wrong way.

    Attributes:
        code: The group's name, stable between versions.
        features: Its features, the one that moved most first.
        part: What they did together, on the explanation's scale, against the average of the background.
        text: The reason in words, from the library of texts.
    """

    code: str
    features: tuple[str, ...]
    part: float
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PartialDependence:
    """How answers move with one feature, all others as they are.

    Attributes:
        grid: Values that were tried: quantiles of the rows, or the most frequent texts, in order.
        mean: Mean answer at each of them.
        single: Of some single rows, the answers at each value (individual conditional expectation).
        share: Of the rows at or next to each value: where there are few, nothing is known.
    """

    feature: str
    grid: tuple[Scalar, ...]
    mean: tuple[float, ...]
    single: tuple[tuple[float, ...], ...]
    share: tuple[float, ...]
    subject: str = ""

    @property
    def reach(self) -> float:
        """How far the mean answer moves over the grid."""
        return max(self.mean) - min(self.mean) if self.mean else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One feature's other value."""

    feature: str
    before: Scalar
    after: Scalar


@dataclass(frozen=True, slots=True, kw_only=True)
class Counterfactual:
    """A nearby request that would have been answered otherwise.

    Attributes:
        answer: What the version answers to it.
        distance: From the request: changes in units of each number's median absolute deviation, 1 per changed text.
        plausible: Whether it lies among real rows: as near to its neighbours as 95 % of them are to theirs.
        found: "generated", or "row" for the nearest real one.
    """

    changes: tuple[Change, ...]
    answer: float
    distance: float
    plausible: bool
    found: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Constraints:
    """What may change, and how.

    Attributes:
        keep: Features that must stay as they are.
        up, down: Features that may only rise, or only fall.
        step: Feature to the unit that it changes by: 1 for whole numbers, say.
        most: Features that may change at once.
    """

    keep: frozenset[str] = frozenset()
    up: frozenset[str] = frozenset()
    down: frozenset[str] = frozenset()
    step: Mapping[str, float] = field(default_factory=dict)
    most: int = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """What other answer is looked for.

    Attributes:
        target: The answer to reach; for two classes the version's threshold, for several 0.5, for a value its median
            over held-out rows, when left out.
        up: Whether to reach it from below; the other side of where the answer is, when left out.
    """

    constraints: Constraints
    target: float | None = None
    up: bool | None = None
    count: int = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainedRequest:
    """One logged request, opened: what was asked, what was answered and why, and what really happened.

    Attributes:
        label: The answer as a class, where there are classes.
        outcome: What was told; None = nothing yet.
        kept: The explanation that was given with the answer, where one was.
        against: Feature to its mean part over the background: what reasons are relative to.
    """

    request_id: str
    loop: str
    role: str
    time: datetime
    inputs: Mapping[str, Scalar]
    outcome: Scalar
    label: str
    explanation: Explanation
    against: Mapping[str, float]
    counterfactuals: tuple[Counterfactual, ...] = ()
    kept: Explanation | None = None
