"""What was found wrong with a training table before anything was trained on it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that makes a model look better than it is, or its marks worth less.

    Attributes:
        check: "label-copy", "from-the-future", "known-late", "duplicates", "conflicting-labels", "id-like",
            "constant", "target-drift" or "groups-on-both-sides".
        severity: "stop" (the turn ends here) or "warn".
        said: What was found, with its numbers.
        mend: What to do about it.
        allowed: Whether the loop file says that it is meant to be so.
    """

    check: str
    severity: str
    column: str
    said: str
    mend: str
    numbers: Mapping[str, float] = field(default_factory=dict)
    allowed: bool = False

    def __str__(self) -> str:
        about = f" {self.column}" if self.column else ""
        return f"{self.check}{about}: {self.said} → {self.mend}"


@dataclass(frozen=True, slots=True, kw_only=True)
class LeakageReport:
    """All findings, the ones that stop first.

    Attributes:
        checked: The checks that were made.
        skipped: Check to the reason why it could not be made.
    """

    rows: int
    features: int
    checked: tuple[str, ...]
    findings: tuple[Finding, ...] = ()
    skipped: Mapping[str, str] = field(default_factory=dict)

    @property
    def stops(self) -> tuple[Finding, ...]:
        """What ends the turn."""
        return tuple(finding for finding in self.findings if finding.severity == "stop" and not finding.allowed)

    @property
    def warnings(self) -> tuple[Finding, ...]:
        """What a person should know."""
        return tuple(finding for finding in self.findings if finding.severity != "stop" or finding.allowed)
