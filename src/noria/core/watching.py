"""Values of the monitoring station: readings, monitor states, incidents, references."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class Level(StrEnum):
    """What one reading says."""

    OK = "ok"
    BREACH = "breach"
    NOT_ENOUGH = "not-enough-data"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One measurement of one monitor over one chunk of time.

    Attributes:
        monitor: "drift", "prediction-drift", "quality", "estimated-quality", "freshness", "missing", …
        subject: The feature, metric or dataset measured.
        time: End of the chunk, event time.
        threshold: The calibrated limit that `value` is held against (NaN when none).
        low, high: Interval of `value` where it has one.
        effect: How far beyond its limit, in units that compare across monitors (0 = at the limit).
        explained: Of a breach of several features together: each of them that has a part in it, to its share.
        numbers: What else was measured beside `value`, a dozen at most ("js", "ks_p", "expected", …).
    """

    loop: str
    monitor: str
    subject: str
    time: datetime
    value: float
    threshold: float
    level: Level
    rows: int
    low: float = float("nan")
    high: float = float("nan")
    effect: float = 0.0
    note: str = ""
    explained: Mapping[str, float] = field(default_factory=dict)
    numbers: Mapping[str, float] = field(default_factory=dict)


class MonitorPhase(StrEnum):
    """ok → pending (k of m breaches) → firing → recovering (k clean) → ok."""

    OK = "ok"
    PENDING = "pending"
    FIRING = "firing"
    RECOVERING = "recovering"


@dataclass(frozen=True, slots=True, kw_only=True)
class MonitorState:
    """Where one monitor of one subject stands; `recent` holds its last m levels, newest last."""

    loop: str
    monitor: str
    subject: str
    phase: MonitorPhase = MonitorPhase.OK
    recent: tuple[Level, ...] = ()
    since: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """One thing that was found when a cause was looked for.

    Attributes:
        kind: "late", "stale", "new-value", "unit", "slice", "moved", "promotion", …
        text: What was found, in a sentence with its numbers.
        explains: Share of the alarm that it accounts for, 0 to 1; the largest is the likely cause.
    """

    kind: str
    text: str
    explains: float = 0.0
    numbers: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """Alerts that belong together: one thing for a person to look at.

    Attributes:
        severity: "page" (somebody must look) or "notice".
        subjects: "monitor:subject" of each alert in it, largest effect first.
        cause: A likely cause in words, with the numbers behind it.
        closed_at: When all its monitors had recovered, or a promotion answered it.
        trouble: The kind of trouble ("data", "model", …) that its alerts have in common.
        source: The dataset that its features come from; "" where it is about none.
        hushed: Those of `subjects` that an alert of the whole dataset explains: nobody is told of them.
        rank: Effect × importance of its gravest alert: which of several to look at first.
        evidence: What was found when its cause was looked for, most telling first.
    """

    id: str
    loop: str
    severity: str
    title: str
    cause: str
    subjects: tuple[str, ...]
    opened_at: datetime
    closed_at: datetime | None = None
    closed_because: str = ""
    numbers: Mapping[str, float] = field(default_factory=dict)
    trouble: str = ""
    source: str = ""
    hushed: tuple[str, ...] = ()
    rank: float = 0.0
    evidence: tuple[Evidence, ...] = ()
    acknowledged_at: datetime | None = None
    acknowledged_by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Extent:
    """Where the numbers of a reference lie.

    Attributes:
        low, high: Smallest and largest finite number.
        spread: Standard deviation of the finite numbers.
        centres: Mean of the numbers in each bin (without missing), ascending.
    """

    low: float
    high: float
    spread: float
    centres: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Seasonal:
    """How one feature looks in each phase of a season (each day of a week, say), where there are enough chunks of it.

    Attributes:
        counts: Reference counts per bin, one row per phase; an empty row = too few chunks of this phase.
        limits: Statistic to its limit for a chunk that is held against its own phase.
    """

    counts: tuple[tuple[int, ...], ...]
    limits: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureReference:
    """One feature's reference distribution with its calibrated limits.

    Attributes:
        edges: Inner bin edges for numbers (ascending); empty for text.
        categories: Values counted one by one for text; the rest fall into "other".
        counts: Reference counts per bin: the bins, then other/unseen (text), then missing.
        threshold: Limit for the debiased PSI of one chunk.
        chunk_mean, chunk_sd: Of the debiased PSI over reference chunks.
        chunks: How many reference chunks calibrated it (0 = analytic null).
        importance: Share of the model's importance, 0 to 1.
        missing_limit: Largest share of missing values that is usual for one chunk.
        kind: A `noria.core.schema.Kind`; "" in references of older versions, which know nothing from here on.
        extent: For numbers: where they lie.
        known: For text: the values that are not unseen.
        limits: Calibrated limit by name: of the other statistics ("js", …) and monitors ("range", …).
        usual: What is usual for a monitor: shares, and for "cardinality" the log2 of seen to expected.
        distinct: (rows, different values among so many rows drawn at random), ascending.
    """

    name: str
    edges: tuple[float, ...]
    categories: tuple[str, ...]
    counts: tuple[int, ...]
    threshold: float
    chunk_mean: float
    chunk_sd: float
    chunks: int
    importance: float = 0.0
    missing_limit: float = 1.0
    kind: str = ""
    extent: Extent | None = None
    known: tuple[str, ...] = ()
    limits: Mapping[str, float] = field(default_factory=dict)
    usual: Mapping[str, float] = field(default_factory=dict)
    distinct: tuple[tuple[float, float], ...] = ()
    seasonal: Seasonal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """What chance a score stands for: straight lines between knots; without knots a score is its chance.

    Attributes:
        scores: Ascending.
        chances: Of a positive outcome at each of `scores`, 0 to 1.
        doubt: Covariance (2 × 2, row by row) of what was learnt: of a shift and a stretch of the
            log-odds of all chances. Empty = the calibration is taken as known.
        doubt_per_day: The same of one day by itself, beyond what its rows explain: days differ.
    """

    scores: tuple[float, ...] = ()
    chances: tuple[float, ...] = ()
    doubt: tuple[float, ...] = ()
    doubt_per_day: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LossModels:
    """Small models of the loss that a row's answer will have, learnt on held-out rows; stored as a blob with the reference.

    Attributes:
        texts: Loss ("absolute", "squared", "relative") to LightGBM's own text; its columns are the model's features, then its answer.
        columns: How many columns there are.
        doubt: Loss to the variance of its mean error on held-out rows, rows of one day taken together.
        doubt_per_day: The same of one day by itself, beyond what its rows explain.
        doubt_per_row: Variance of a single row's loss around what its model says.
    """

    texts: Mapping[str, str]
    columns: int
    doubt: Mapping[str, float]
    doubt_per_day: Mapping[str, float]
    doubt_per_row: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftReference:
    """What the world looked like when the version was made; stored as a blob with the version.

    Attributes:
        features: One reference per feature.
        score: The reference of the model's own answers on held-out rows.
        outcome: The reference of what really happened, under the name "outcome"; None in older versions.
        season: Length of the season whose phases `FeatureReference.seasonal` holds; "" = none.
        quality: Metric name to its value on held-out rows.
        quality_chunk_sd: Metric name to its standard deviation over held-out chunks, times how much alike neighbours are.
        quality_se: Metric name to the standard error of `quality`, likewise.
        calibration: Learnt on held-out rows, for estimates before outcomes come; None = there are none.
        class_calibrations: For multi-class: one per class, against the rest.
        losses: For regression: digest of a blob with `LossModels`; "" = there is none.
        sample: Digest of a Parquet blob with some of those rows' features; "" = there is none.
        judged: Digest of a Parquet blob with what came of the same rows, in the same order; "" = there is none.
        beside: What some watches compare with beyond this, each a blob of its own: name ("joint") to digest.
    """

    chunk: str
    rows: int
    features: tuple[FeatureReference, ...]
    score: FeatureReference | None
    quality: Mapping[str, float] = field(default_factory=dict)
    quality_chunk_sd: Mapping[str, float] = field(default_factory=dict)
    quality_se: Mapping[str, float] = field(default_factory=dict)
    calibration: Calibration | None = None
    sample: str = ""
    class_calibrations: tuple[Calibration, ...] = ()
    losses: str = ""
    judged: str = ""
    outcome: FeatureReference | None = None
    season: str = ""
    beside: Mapping[str, str] = field(default_factory=dict)
