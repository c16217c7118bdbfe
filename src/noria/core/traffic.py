"""Values that flow through the data plane: the routing plan, predictions and outcomes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from noria.core.graphs import GraphForm
from noria.core.schema import Signature

Scalar = bool | int | float | str | None
Answer = float | tuple[float, ...]
"""Binary: P(positive). Regression: the value. Multi-class: probabilities in class order."""


class Role(StrEnum):
    """Why a version computed an answer.

    CHAMPION and CHALLENGER answers were given to a user; a SHADOW answer of the challenger, and a
    CONTROL answer of the champion, were only recorded. FALLBACK is the champion's answer given
    because the challenger failed on this request, or a graph's where not all whom it asked answered. ASKED is the answer of a version that the caller
    named: nobody dealt it, so it is evidence of nothing.
    """

    CHAMPION = "champion"
    CHALLENGER = "challenger"
    SHADOW = "shadow"
    FALLBACK = "fallback"
    CONTROL = "control"
    ASKED = "asked"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedVersion:
    """One version as the data plane needs it; nothing else is asked of the control plane.

    Attributes:
        artifact: Digest of the package manifest.
        code: Digest of the code snapshot with the on-demand transforms and feature views; "" = all inputs are plain.
        loop: The loop in that code whose features it is.
        fault: For drills only: "wrong", "slow" or "crash" is injected into this version's answers.
        isolated: Whether it answers from processes of its own also as champion; a challenger always does.
        background: Digest of the held-out rows that its answers are explained against; "" = none were kept.
        family: Digest of the `Family` of which this is the parent; "" = it answers alone.
        graph: Whom it asks instead of answering itself; None where it is a model.
    """

    number: int
    artifact: str
    code: str
    signature: Signature
    loop: str = ""
    fault: str = ""
    isolated: bool = False
    background: str = ""
    family: str = ""
    graph: GraphForm | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """Models of one version, each for one partition; kept as a blob.

    Attributes:
        by: The request field that names the partition.
        members: Partition, as text, to the digest of its package.
    """

    by: str
    members: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """How one deployment's traffic moves.

    Attributes:
        challenger_share: Share of requests, 0 to 1, that the challenger answers, sticky by key.
        shadow: Whether the challenger also computes (unseen by users) on the champion's requests.
        salt: Changes which keys fall on the challenger; a new one for every rollout.
        timeout_ms: The challenger has this long; then the champion answers.
        sample: Share of requests that the prediction log keeps.
        control: Whether the champion also computes (unseen by users) on the challenger's requests.
        interleave: Whether both versions draft one order for each query of a ranking.
        explain: Share of answers, 0 to 1, that are explained and kept with their reasons, without anybody waiting for them.
        before: The last good champion before this one, which a kill switch goes back to.
        pinned: Whether its champion is loaded at once and stays, however many other models there are.
    """

    deployment: str
    champion: ServedVersion
    challenger: ServedVersion | None = None
    challenger_share: float = 0.0
    shadow: bool = False
    salt: str = ""
    timeout_ms: float = 250.0
    sample: float = 1.0
    control: bool = False
    interleave: bool = False
    before: ServedVersion | None = None
    explain: float = 0.0
    pinned: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The routing plan: all that the data plane needs, kept on its own disk."""

    revision: int
    routes: Mapping[str, Route] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kill:
    """A person's order that versions of a deployment answer nobody, given where the data plane runs.

    Attributes:
        versions: Those that must not answer: the challenger, or with none the champion.
        at: When, as ISO 8601.
    """

    deployment: str
    versions: tuple[int, ...]
    by: str
    because: str
    at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Kills:
    """All orders of that kind that stand, by deployment."""

    orders: Mapping[str, Kill] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """One computed answer as the prediction log keeps it.

    Attributes:
        time_ms: Event time of the request.
        inputs: The request's raw fields.
        served: Features that were looked up or computed on demand, as the model saw them.
        error: Why this version failed ("" when it answered).
        propensity: The chance that this version was to answer, when the request was dealt; None where none was dealt.
    """

    request_id: str
    deployment: str
    version: int
    role: Role
    time_ms: int
    key: str
    inputs: Mapping[str, Scalar]
    served: Mapping[str, Scalar]
    answer: Answer | None
    latency_us: int
    error: str = ""
    propensity: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Feedback:
    """The outcome of one request, told later; the last one told for a request id counts.

    Attributes:
        value: What happened; None where only numbers of the business are told.
        metrics: Numbers of the business by name, such as revenue.
    """

    request_id: str
    deployment: str
    value: Scalar
    time_ms: int
    metrics: Mapping[str, float] = field(default_factory=dict)
