"""Values of the data station: an immutable dataset version and the report on its expectations."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from noria.core.schema import ColumnProfile, Field


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One Parquet file of a dataset version, named by its content.

    Attributes:
        origin: "source" for rows read from the declared source, "traffic" for rows harvested
            from predictions and their outcomes.
    """

    digest: str
    rows: int
    size_bytes: int
    origin: str = "source"


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetVersion:
    """One immutable version of a dataset: same content, same digest.

    Attributes:
        digest: Digest of the manifest (name, schema and part digests; no clock in it).
        created_at: Event time at which it was taken; not part of the digest.
        parent: Digest of the version that it grew from.
    """

    name: str
    digest: str
    parts: tuple[Part, ...]
    schema: tuple[Field, ...]
    profile: tuple[ColumnProfile, ...]
    rows: int
    size_bytes: int
    created_at: datetime
    key: str = ""
    time: str = ""
    known: str = ""
    parent: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Miss:
    """One expectation that was not met."""

    expectation: str
    column: str
    found: str
    rows: int
    examples: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectationReport:
    """What was expected of a dataset version, and what was not met (bounded)."""

    dataset: str
    checked: int
    misses: tuple[Miss, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether every expectation was met."""
        return not self.misses
