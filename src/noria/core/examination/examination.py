"""All that was looked at behind a scorecard, in one value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from noria.core.examination.fairness import FairnessReport
from noria.core.examination.slices import SliceSearch
from noria.core.examination.stress import Stress


@dataclass(frozen=True, slots=True, kw_only=True)
class Examination:
    """What gates, pages and reports may look into; one blob per candidate, named by `Scorecard.examination`.

    Every subject is bounded in size, and has a default, so that older examinations open.

    Attributes:
        made_from: Digests of the candidate and of the feature set: lineage is this line.
        slices: Where it is weak, as a search found; None when none was made.
        fairness: How it treats the groups that the loop declares.
        stress: How it behaves when its inputs are not what they were.
        untold: Subject to why nothing is known of it: it was not asked for, or it failed.
    """

    made_from: tuple[str, ...]
    slices: SliceSearch | None = None
    fairness: FairnessReport | None = None
    stress: Stress | None = None
    untold: Mapping[str, str] = field(default_factory=dict)
