"""All that was looked at behind a scorecard, in one value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Examination:
    """What gates, pages and reports may look into; one blob per candidate, named by `Scorecard.examination`.

    Every subject is bounded in size, and has a default, so that older examinations open.

    Attributes:
        made_from: Digests of the candidate and of the feature set: lineage is this line.
        untold: Subject to why nothing is known of it: it was not asked for, or it failed.
    """

    made_from: tuple[str, ...]
    untold: Mapping[str, str] = field(default_factory=dict)
