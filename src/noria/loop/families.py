"""Raises a candidate's family: a model for each partition that is shown to need one of its own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl

from noria.core.declaration.loop import Loop
from noria.core.declaration.training import Split
from noria.core.errors import JobFailed, NoriaError
from noria.core.traffic import Family
from noria.core.training import Candidate, FeatureSet, Members
from noria.loop.native import native_score
from noria.loop.workshop import Bench
from noria.packaging import package
from noria.packaging.family_scorer import partitions_of
from noria.packaging.python_zip import FORMAT as PYTHON
from noria.ports import wire
from noria.ports.blobs import Blobs
from noria.stages.evaluation.membership import Rivals, joined, shown_better
from noria.stages.evaluation.slice_search import losses_of
from noria.stages.features import assemble
from noria.stages.training import fit, splits

CUTS = (0.4, 0.6, 0.8, 1.0)
"""Shares of the training rows, by time: models of the rows before a cut are compared on those up to the next."""
NAMED = 10
SAMPLE_ROWS = 2_000

FEW, UNSHOWN, UNCOMPARED, FAILED, UNPACKED, CODE = (
    "with too few rows",
    "not shown to be better than the parent",
    "that could not be compared: too few older rows, or not every class among them",
    "whose training failed",
    "that could not be packaged",
    "whose models would be code",
)

Rows = Mapping[str, np.ndarray]
"""Partition to the places of its rows."""


def raised(
    loop: Loop, features: FeatureSet, frame: pl.DataFrame, candidate: Candidate, blobs: Blobs, scratch: Path, bench: Bench
) -> Members:
    """Try a model of its own for each large partition, and package those that are shown to be better than the parent.

    Members and parent are compared on rows of the training part that came after those that either
    was trained on: the judging rows are not looked at, so the family's marks on them are honest.
    One model is held at a time.

    Raises:
        JobFailed: the user's train function failed on the rows of all.
    """
    wanted = loop.family
    assert wanted is not None
    older = splits.before_judging(features, with_beside(frame, features, blobs))
    every = _places(older, wanted.by)
    large = {name: rows for name, rows in every.items() if len(rows) >= wanted.min_rows}
    trying = _Trying(loop=loop, features=features, older=older, candidate=candidate, bench=bench)
    trying.left_out.update(dict.fromkeys(every.keys() - large.keys(), FEW))
    if candidate.format == PYTHON:
        trying.left_out.update(dict.fromkeys(large, CODE))
    elif large:
        trying.compare(large, least=wanted.min_rows)
    chosen = shown_better(trying.rivals(), keep=wanted.keep, fdr=wanted.fdr)
    members, size_bytes = trying.packaged({name: large[name] for name in chosen}, blobs, scratch)
    for name in large.keys() - members.keys():
        trying.left_out.setdefault(name, UNSHOWN if name in trying.losses else UNCOMPARED)
    return Members(
        family=blobs.put(wire.dump(Family(by=wanted.by, members=members))) if members else "",
        by=wanted.by,
        partitions=len(every),
        tried=len(large),
        kept=len(members),
        named=tuple(sorted(members)[:NAMED]),
        left_out=dict(sorted(Counter(trying.left_out.values()).items(), key=lambda told: (-told[1], told[0]))),
        size_bytes=size_bytes,
    )


def with_beside(frame: pl.DataFrame, features: FeatureSet, blobs: Blobs) -> pl.DataFrame:
    """The table with the columns that are kept beside it, where they are no features."""
    beside = assemble.load_groups(features, blobs=blobs)
    return frame.with_columns(column for column in beside.iter_columns() if column.name not in frame.columns)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Trying:
    """The training rows, in time order, and what is known of their partitions so far.

    Attributes:
        losses: Of each window that a partition was compared in: the member's, the parent's, and when.
        left_out: Partition to why it has no model of its own.
    """

    loop: Loop
    features: FeatureSet
    older: pl.DataFrame
    candidate: Candidate
    bench: Bench
    losses: dict[str, list[Rivals]] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)

    def compare(self, large: Rows, *, least: int) -> None:
        """Let the parent and each partition's own model learn from the rows before each cut, and answer those up to the next."""
        cuts = [_between_moments(self.older, share) for share in CUTS]
        for at, (cut, end) in enumerate(pairwise(cuts)):
            if not 0 < cut < end:
                continue
            window = f"window {at + 1} of {len(CUTS) - 1}"
            self.bench.say("family", f"{window}: the parent")
            parents = self._answers(splits.of_rows(self.features, self.older[:cut], self.older[cut:end]))
            for count, (name, rows) in enumerate(large.items(), 1):
                self.bench.say("family", f"{window}: model {count:,} of {len(large):,}")
                before, after = rows[rows < cut], rows[(rows >= cut) & (rows < end)]
                if name not in self.left_out and len(after) and len(before) >= max(2, least * CUTS[at] / 2):
                    self._compare_one(name, before, after, parents[after - cut])

    def rivals(self) -> dict[str, Rivals]:
        """Of each partition that nothing speaks against, all windows together."""
        return {name: joined(parts) for name, parts in self.losses.items() if name not in self.left_out}

    def packaged(self, chosen: Rows, blobs: Blobs, scratch: Path) -> tuple[dict[str, str], int]:
        """The chosen ones, trained on all of their rows: partition to package, and their size together."""
        members: dict[str, str] = {}
        size_bytes = 0
        for count, (name, rows) in enumerate(chosen.items(), 1):
            self.bench.say("family", f"keeping {count:,} of {len(chosen):,}")
            split = splits.of_rows(self.features, self.older[rows], None)
            try:
                packed = package.save(self._trained(split), self.candidate.signature, split.X[-SAMPLE_ROWS:], blobs=blobs, scratch=scratch)
            except NoriaError as error:
                self.left_out[name] = FAILED if isinstance(error, JobFailed) else UNPACKED
                continue
            if packed.format == PYTHON:
                self.left_out[name] = CODE
                continue
            members[name] = packed.artifact
            size_bytes += packed.size_bytes
        return members, size_bytes

    def _compare_one(self, name: str, before: np.ndarray, after: np.ndarray, parents: np.ndarray) -> None:
        features = self.features
        split = splits.of_rows(features, self.older[before], self.older[after])
        if not features.task.numeric and len(np.unique(split.y)) < max(2, len(features.classes)):
            return
        try:
            own = self._answers(split)
        except Exception as error:  # noqa: BLE001 - one partition must not cost the candidate its turn; it is recorded
            self._fails(name, str(error))
            return
        ours, theirs = losses_of(features.task, split.y_valid, own), losses_of(features.task, split.y_valid, parents)
        if own.shape != parents.shape or ours is None or theirs is None or not np.isfinite(ours[1]).all():
            self._fails(name, f"its answers have the shape {own.shape}, the parent's {parents.shape}, or are not finite")
            return
        times = self.older[after][splits.TIME].to_numpy().astype("datetime64[ms]")
        self.losses.setdefault(name, []).append(Rivals(member=ours[1], parent=theirs[1], times=times))

    def _fails(self, name: str, why: str) -> None:
        self.left_out[name] = FAILED
        self.bench.say("family", f"{name}: {why[:200]}")

    def _answers(self, split: Split) -> np.ndarray:
        return np.asarray(native_score(self._trained(split), split, self.features.task), dtype=np.float64)

    def _trained(self, split: Split) -> object:
        params = {**self.loop.params, **self.candidate.recipe.params}
        return fit.fit(self.loop.train, replace(split, X_valid=None, y_valid=None, groups_valid=None), params, seed=self.loop.seed)


def _places(rows: pl.DataFrame, by: str) -> dict[str, np.ndarray]:
    names = pl.DataFrame({"name": partitions_of(rows, by)}, schema={"name": pl.String}).with_row_index("row")
    grouped = names.filter(pl.col("name") != "").group_by("name", maintain_order=True).agg(pl.col("row"))
    return {name: np.asarray(places, dtype=np.intp) for name, places in grouped.iter_rows()}


def _between_moments(rows: pl.DataFrame, share: float) -> int:
    """The row at which a share of them is past; rows of one moment are not torn apart."""
    place = round(rows.height * share)
    return rows.height if place >= rows.height else int((rows[splits.TIME] < rows[splits.TIME][place]).sum())
