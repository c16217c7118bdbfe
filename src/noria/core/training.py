"""Values of the features, tuning and training stations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from noria.core.examination.threshold import ThresholdChoice
from noria.core.schema import Field, Signature, Task

Param = bool | int | float | str


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureSet:
    """A point-in-time-correct training table.

    The blob is one Parquet file with the columns `__key`, `__time`, `__label`, where rows belong
    together `__group`, and then the features, raw (text not yet encoded), ordered by time.

    Attributes:
        made_from: Digests of the dataset versions and of the code that computed it.
        start, end: Event times of the first and the last row.
        train_until: Rows before this moment train; rows from it on judge (time-ordered split).
        together: The request field that `__group` comes from; "" = there is none.
        groups: Blob of columns that no model sees (whose groups are compared), for the same rows in the
            same order; "" = there are none.
    """

    digest: str
    made_from: tuple[str, ...]
    inputs: tuple[Field, ...]
    features: tuple[Field, ...]
    task: Task
    classes: tuple[str, ...]
    rows: int
    start: datetime
    end: datetime
    train_until: datetime
    groups: str = ""
    together: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One try of the tuner; `state` is complete, pruned or failed."""

    number: int
    params: Mapping[str, Param]
    value: float | None
    seconds: float
    state: str
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How the candidate will be trained: the best parameters and the trials behind them."""

    params: Mapping[str, Param]
    metric: str
    trials: tuple[Trial, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """What a run was made with, so that it can be made again.

    Attributes:
        code: Digest of the snapshot of the loop's source files.
        commit: Git commit, or "".
        diff: Digest of the uncommitted diff, or "".
        environment: Digest of the locked environment (`noria.core.environment.Environment`; of the first Noria, lines of `name==version`).
        seed: The seed set before user code ran.
    """

    code: str
    commit: str
    diff: str
    environment: str
    seed: int


class RunState(StrEnum):
    """Where a run is."""

    RUNNING = "running"
    COMPLETE = "complete"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One execution of user code: its parameters, metrics and traceback."""

    id: str
    loop: str
    turn: str
    kind: str
    state: RunState
    started_at: datetime
    ended_at: datetime | None = None
    params: Mapping[str, Param] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    provenance: Provenance | None = None
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Members:
    """What became of a candidate's family.

    Attributes:
        family: Digest of the `noria.core.traffic.Family`; "" = no member was kept, the candidate answers alone.
        by: The field that names the partition.
        partitions: How many there are in the training rows.
        tried: How many were large enough to be tried.
        kept: How many keep a model of their own.
        named: The first of those, by name.
        left_out: Why the others have none, and how many each.
        size_bytes: Of all members together.
    """

    family: str
    by: str
    partitions: int
    tried: int
    kept: int
    named: tuple[str, ...] = ()
    left_out: Mapping[str, int] = field(default_factory=dict)
    size_bytes: int = 0

    @property
    def said(self) -> str:
        """In one line.

        >>> Members(family="", by="shop", partitions=3, tried=2, kept=1, named=("ulm",), left_out={"too few rows": 1}).said
        'family by shop: 2 of 3 partitions tried, 1 kept (ulm); left out: 1 too few rows'
        """
        some = ", ".join(self.named) + (", …" if self.kept > len(self.named) else "")
        told = f"family by {self.by}: {self.tried:,} of {self.partitions:,} partitions tried, {self.kept:,} kept" + (
            f" ({some})" if some else ""
        )
        return told + ("; left out: " + ", ".join(f"{count:,} {why}" for why, count in self.left_out.items()) if self.left_out else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A trained, packaged model with its signature.

    Attributes:
        artifact: Digest of the package manifest (see `noria.packaging`).
        format: "lightgbm", "xgboost", "catboost", "skops", "onnx" or "python"; "graph" where it asks other deployments.
        serving_form: "onnx" when a compiled form passed its parity check, else the format.
        parity_max_diff: Largest difference between the model and its compiled form, on real rows.
        parity_mean_diff, parity_rows, parity_flipped: The mean difference, how many rows were compared, and the share of them whose label differs.
        choice: How the signature's threshold was chosen; None where the loop states no costs.
    """

    artifact: str
    made_from: tuple[str, ...]
    signature: Signature
    recipe: Recipe
    provenance: Provenance
    format: str
    serving_form: str
    size_bytes: int
    parity_max_diff: float
    run: str
    choice: ThresholdChoice | None = None
    parity_mean_diff: float = 0.0
    parity_rows: int = 0
    parity_flipped: float = 0.0
