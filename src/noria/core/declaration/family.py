"""Which partitions of a loop's rows may get a model of their own."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Family:
    """Let each shop, meter or customer have a model of its own, where that is shown to be better than one for all.

    The same `train`, with the same parameters, learns from the rows of one partition. Which
    partitions keep theirs is decided on rows that train neither model and judge none.

    Args:
        by: The field that names the partition: a column of the label's dataset, of texts or whole numbers.
            Requests carry it, whether a model sees it or not.
        min_rows: Training rows that a partition must have.
        keep: The share of the parent's loss, 0 to 1, that a member must be shown to spare.
        fdr: Of the members that are kept, the expected share that are no better, at most.
    """

    by: str
    min_rows: int = field(default=500, kw_only=True)
    keep: float = field(default=0.0, kw_only=True)
    fdr: float = field(default=0.1, kw_only=True)
