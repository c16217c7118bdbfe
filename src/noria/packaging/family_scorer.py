"""A family as one scorer: each row is answered by its partition's own model, where it has one."""

from __future__ import annotations

from collections.abc import Sequence
from threading import Lock

import numpy as np
import polars as pl

from noria.core.schema import Kind, Signature
from noria.core.traffic import Family
from noria.packaging import package
from noria.packaging.manifest import verified
from noria.packaging.scorer import Scorer
from noria.ports import wire
from noria.ports.blobs import Blobs

OPEN = 1_000
"""Members that are kept open."""


class FamilyScorer:
    """Scores matrices as the data plane would, one member after another. Thread-safe.

    Where the partition is a feature, `score` reads it from the matrix; where it is not, only
    `answer` knows it, and `score` is the parent's. A member that fails leaves its rows to the parent.

    Attributes:
        failed: Partition to why its model could not answer when it was last asked.
    """

    explained_by = ""

    def __init__(self, artifact: str, family: str, *, blobs: Blobs, form: str = "serving", python: bool = False) -> None:
        self._parent = package.load(artifact, blobs=blobs, form=form, python=python)
        self._blobs, self._form = blobs, form
        self._open: dict[str, Scorer] = {}
        self._lock = Lock()
        self.failed: dict[str, str] = {}
        self.family = wire.load(verified(family, blobs=blobs), Family)
        self.signature: Signature = self._parent.signature
        self.format = self._parent.format

    @property
    def by(self) -> str:
        """The field that names the partition."""
        return self.family.by

    def score(self, X: np.ndarray) -> np.ndarray:
        """As `Scorer.score`, for rows that say themselves whose they are."""
        place = next((at for at, field in enumerate(self.signature.features) if field.name == self.by), None)
        if place is None:
            return self._parent.score(X)
        return self.answer(X, _names(X[:, place], self.signature.features[place].categories, self.signature.features[place].kind))

    def answer(self, X: np.ndarray, partitions: Sequence[str]) -> np.ndarray:
        """The family's answers, shape (rows,) or (rows, classes); `partitions` names each row's, "" = none."""
        score = np.array(self._parent.score(X), dtype=np.float64)
        names = np.asarray(partitions, dtype=object)
        for name in sorted(set(partitions) & set(self.family.members)):
            rows = np.flatnonzero(names == name)
            try:
                own = np.asarray(self._member(name).score(np.ascontiguousarray(X[rows])), dtype=np.float64)
                if own.shape != score[rows].shape or not np.isfinite(own).all():
                    raise ArithmeticError("its answers are no finite numbers")
            except Exception as error:  # noqa: BLE001 - as in the data plane: the parent answers, on the record
                self.failed[name] = f"{type(error).__name__}: {error}"
            else:
                score[rows] = own
        return score

    def importance(self) -> np.ndarray:
        """The parent's."""
        return self._parent.importance()

    def contributions(self, X: np.ndarray, background: np.ndarray) -> np.ndarray | None:
        """None: several models have no exact method in common."""
        return None

    def _member(self, name: str) -> Scorer:
        with self._lock:
            if name not in self._open:
                if len(self._open) >= OPEN:
                    del self._open[next(iter(self._open))]
                self._open[name] = package.load(self.family.members[name], blobs=self._blobs, form=self._form)
            return self._open[name]


def partitions_of(frame: pl.DataFrame, by: str) -> list[str]:
    """Each row's partition in words, "" where it names none."""
    return frame[by].cast(pl.String).fill_null("").to_list()


def _names(codes: np.ndarray, categories: Sequence[str], kind: Kind) -> list[str]:
    """What the column of a matrix says in words; "" where it says nothing that was seen in training."""
    known = np.isfinite(codes)
    whole = np.where(known, codes, -1.0).astype(np.int64).tolist()
    if kind is Kind.TEXT:
        return [categories[code] if code >= 0 else "" for code in whole]
    return [str(number) if there else "" for number, there in zip(whole, known.tolist(), strict=True)]
