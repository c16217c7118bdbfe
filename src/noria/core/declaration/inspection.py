"""What is looked at beside the marks: groups that must be treated alike, and traces of the label before training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

LEAKAGE_CHECKS = (
    "label-copy",
    "from-the-future",
    "known-late",
    "duplicates",
    "conflicting-labels",
    "id-like",
    "constant",
    "target-drift",
    "groups-on-both-sides",
)
"""What is checked before training, see `Leakage`."""


@dataclass(frozen=True, slots=True, init=False)
class Fairness:
    """The groups that a candidate's answers are compared for.

    The columns are of the label's dataset. They are kept apart and joined only to judge: no model
    sees one unless it is among the features too. A request may carry them, and need not.

    Args:
        columns: Columns that make the groups; numbers with many values are cut into five parts.
        favourable: The class that is good to get; the positive class when left out.
        threshold: From this probability of the favourable class on, an answer counts as selected; as the
            version itself answers when left out.
        intersections: Whether columns are also looked at two by two, and all together.
        min_rows: Smaller groups are left out, and listed.
    """

    columns: tuple[str, ...]
    favourable: str
    threshold: float | None
    intersections: bool
    min_rows: int

    def __init__(
        self,
        columns: Sequence[str],
        *,
        favourable: object = "",
        threshold: float | None = None,
        intersections: bool = True,
        min_rows: int = 100,
    ) -> None:
        object.__setattr__(self, "columns", (columns,) if isinstance(columns, str) else tuple(columns))
        object.__setattr__(self, "favourable", str(favourable).lower() if isinstance(favourable, bool) else str(favourable))
        object.__setattr__(self, "threshold", threshold)
        object.__setattr__(self, "intersections", intersections)
        object.__setattr__(self, "min_rows", min_rows)


@dataclass(frozen=True, slots=True, init=False)
class Leakage:
    """What the check before training lets pass: it runs always, and ends a turn whose features hold the answer.

    Args:
        allow: What is meant to be so: a check ("duplicates"), or a check of one column ("label-copy:late_minutes").
        groups: Columns of the label's dataset whose values must not be on both sides of the split, such as a customer's id.
    """

    allow: tuple[str, ...] = field(default=())
    groups: tuple[str, ...] = field(default=())

    def __init__(self, *, allow: Sequence[str] = (), groups: Sequence[str] = ()) -> None:
        object.__setattr__(self, "allow", (allow,) if isinstance(allow, str) else tuple(allow))
        object.__setattr__(self, "groups", (groups,) if isinstance(groups, str) else tuple(groups))

    def allows(self, check: str, column: str) -> bool:
        """Whether a finding of this check, about this column, is meant to be so."""
        return check in self.allow or f"{check}:{column}" in self.allow
