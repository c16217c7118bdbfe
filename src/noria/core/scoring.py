"""Values of batch scoring: what a version answered to whole files."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoredInput:
    """One input file as it was when scoring began; a file that has changed since is another one."""

    path: str
    size_bytes: int
    changed_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoredPart:
    """One finished piece of the output.

    Attributes:
        input: Place of the file that its rows came from.
        start: Its first row in that file.
        rows: Rows that were read for it; `bad` of them stand in `quarantine`, with the reason.
        file, digest: The Parquet file of its answers; "" where no row had one.
        quarantine: The file of its bad rows; "" where there are none.
    """

    input: int
    start: int
    rows: int
    bad: int = 0
    file: str = ""
    digest: str = ""
    quarantine: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """One dataset scored by one version: kept beside the output, which is complete when this says so.

    Attributes:
        layout: Version of this record.
        model, version: Who answered; `artifact`, `code` and `form` say with what.
        as_of: The moment that feature views were seen at; None = each row's own time.
        views: Dataset name to the digest of the version that feature views were computed from.
        out: Where the answers are: a folder, or one Parquet file.
        rows: Rows with an answer.
        bad: Rows put aside.
        seconds: Spent on it, over all runs.
        threads: That scored at the same time, in the last run.
    """

    layout: int = 1
    model: str
    version: int
    artifact: str
    code: str = ""
    form: str = "serving"
    as_of: datetime | None = None
    views: dict[str, str]
    inputs: tuple[ScoredInput, ...]
    out: str
    parts: tuple[ScoredPart, ...] = ()
    complete: bool = False
    rows: int = 0
    bad: int = 0
    seconds: float = 0.0
    threads: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreProgress:
    """How far scoring is.

    Attributes:
        share: Of the input's bytes, 0 to 1.
        rows: Read so far, with those of earlier runs.
        rows_per_s: In this run; 0 as long as nobody can say.
        left_s: Until the end, at this rate; NaN as long as nobody can say.
    """

    share: float
    rows: int
    rows_per_s: float = 0.0
    left_s: float = float("nan")
