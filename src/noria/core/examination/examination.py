"""All that was looked at behind a scorecard, in one value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from noria.core.examination.backtest import Backtest, Staleness
from noria.core.examination.baselines import Baselines
from noria.core.examination.comparing import Rivalry
from noria.core.examination.curves import Curves
from noria.core.examination.explaining import Explained
from noria.core.examination.fairness import FairnessReport
from noria.core.examination.importance import Importance
from noria.core.examination.leakage import LeakageReport
from noria.core.examination.slices import SliceSearch
from noria.core.examination.stress import Stress
from noria.core.examination.threshold import ThresholdChoice


@dataclass(frozen=True, slots=True, kw_only=True)
class Examination:
    """What gates, pages and reports may look into; one blob per candidate, named by `Scorecard.examination`.

    Every subject is bounded in size, and has a default, so that older examinations open.

    Attributes:
        made_from: Digests of the candidate and of the feature set: lineage is this line.
        leakage: What was found wrong with its training table, and let pass.
        curves: What it does over the range of its answers.
        threshold: From which probability on it says yes, and what that costs; only where the loop states costs.
        slices: Where it is weak, as a search found; None when none was made.
        fairness: How it treats the groups that the loop declares.
        stress: How it behaves when its inputs are not what they were.
        rivalry: How it compares with the champion, by every test that fits.
        baselines: How it compares with simple models that were trained on the same rows.
        importance: What it leans on, by shuffling.
        lofo: What it leans on, by training again without a feature; only where the loop asks for it.
        backtest: How its recipe did on several recent windows; only where the loop asks for it.
        staleness: How fast a model of this loop ages, from the same trainings.
        explained: What it goes by, and the rows that single answers are explained against.
        untold: Subject to why nothing is known of it: it was not asked for, or it failed.
    """

    made_from: tuple[str, ...]
    leakage: LeakageReport | None = None
    curves: Curves | None = None
    threshold: ThresholdChoice | None = None
    slices: SliceSearch | None = None
    fairness: FairnessReport | None = None
    stress: Stress | None = None
    rivalry: Rivalry | None = None
    baselines: Baselines | None = None
    importance: Importance | None = None
    lofo: Importance | None = None
    backtest: Backtest | None = None
    staleness: Staleness | None = None
    explained: Explained | None = None
    untold: Mapping[str, str] = field(default_factory=dict)
