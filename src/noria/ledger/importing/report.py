"""What an import has done, counted on both sides."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

KINDS = ("experiments", "runs", "params", "tags", "points", "logged models", "registered models", "versions", "aliases", "files")
_REASONS = 200


@dataclass(slots=True)
class Report:
    """Counts by kind.

    Attributes:
        there: What was read of the other server.
        here: What of that is in this store, asked of it afterwards.
        skipped: Runs that were brought over before and have not changed.
        left: What was not brought, and why; the first 200.
    """

    there: Counter[str] = field(default_factory=Counter)
    here: Counter[str] = field(default_factory=Counter)
    skipped: int = 0
    bytes: int = 0
    left: list[str] = field(default_factory=list)
    left_count: int = 0

    def leave(self, what: str, why: str) -> None:
        """Note what was not brought."""
        self.left_count += 1
        if len(self.left) < _REASONS:
            self.left.append(f"{what}: {why}")

    @property
    def whole(self) -> bool:
        """Whether both sides count the same and nothing was left."""
        return not self.left_count and all(self.there[kind] == self.here[kind] for kind in KINDS)
