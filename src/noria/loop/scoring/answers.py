"""What a version answers to a piece of a file: a table of keys, times, predictions and labels, and the rows that have none."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import polars as pl
import pyarrow as pa

from noria.core.declaration.dataset import Columns
from noria.core.declaration.features import Feature
from noria.core.errors import ArtifactRejected, DataInvalid, NoriaError
from noria.core.moments import to_ms
from noria.core.schema import Field, Signature, Task
from noria.loop.scoring.inputs import Chunk
from noria.loop.scoring.intake import taken
from noria.packaging.encoding import encode
from noria.packaging.family_scorer import FamilyScorer, partitions_of
from noria.packaging.scorer import Scorer
from noria.ports.tables import TIME
from noria.stages.features.prepared import PreparedFeatures

ALONE_LIMIT = 200
"""Rows of one piece that may fail by themselves; more, and it is not the rows that are wrong."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Answers:
    """What became of one chunk.

    Attributes:
        table: A row per answer, in the order of the file.
        bad: Row number in the file, its key and the reason, of each row that has no answer.
        rows: Rows of the chunk.
    """

    start: int
    rows: int
    share: float
    table: pa.Table
    bad: Sequence[tuple[int, str, str]]


class Answerer:
    """Scores chunks. Thread-safe: features that users wrote are computed by one thread at a time, the model by all."""

    def __init__(
        self,
        scorer: Scorer,
        version: int,
        wanted: Sequence[Field],
        prepared: PreparedFeatures | None,
        features: Sequence[Feature],
        as_of: datetime | None,
    ) -> None:
        self._scorer, self._version, self._wanted = scorer, version, wanted
        self._signature: Signature = scorer.signature
        # Columns alone are taken as they are: no user code, nothing to wait for.
        self._prepared = prepared if any(not isinstance(feature, Columns) for feature in features) else None
        self._as_of = as_of
        self._lock = threading.Lock()

    def answer(self, chunk: Chunk) -> Answers:
        """Every row's answer, or the reason why it has none.

        Raises:
            DataInvalid: the file lacks a column, or not one row fits.
        """
        frame, bad = taken(chunk, self._wanted)
        if frame.height and len(bad) == frame.height and chunk.start == 0:
            place, reason = next(iter(bad.items()))
            raise DataInvalid(f"not one of the first {frame.height:,} rows can be scored; row {place}: {reason}", fix="mend the input")
        good = np.setdiff1d(np.arange(frame.height), np.fromiter(bad, dtype=np.int64, count=len(bad))) if bad else None
        rows = frame if good is None else frame[good]
        scores, failed = self._scored(rows)
        if failed:
            places = good if good is not None else np.arange(frame.height)
            bad |= {int(places[place]): reason for place, reason in failed.items()}
            kept = np.setdiff1d(np.arange(rows.height), np.fromiter(failed, dtype=np.int64, count=len(failed)))
            rows, scores = rows[kept], scores[kept]
            good = places[kept]
        key = self._signature.key
        told = [
            (chunk.start + place, str(frame[key][place]) if key in frame.columns else "", reason) for place, reason in sorted(bad.items())
        ]
        numbers = np.arange(frame.height) if good is None else good
        return Answers(
            start=chunk.start, rows=frame.height, share=chunk.share, table=self._table(rows, scores, numbers + chunk.start), bad=told
        )

    def _scored(self, rows: pl.DataFrame) -> tuple[np.ndarray, dict[int, str]]:
        """Scores of all rows, and place to reason of those that failed."""
        failed: dict[int, str] = {}
        scores = self._halved(rows, 0, failed) if rows.height else self._nothing()
        finite = np.isfinite(scores) if scores.ndim == 1 else np.isfinite(scores).all(axis=1)
        if not finite.all():
            for place in np.flatnonzero(~finite).tolist():
                failed.setdefault(place, f"the model answered {scores[place]}")
        return scores, failed

    def _halved(self, rows: pl.DataFrame, at: int, failed: dict[int, str]) -> np.ndarray:
        """Score rows together; when that fails, in halves, until the row that is to blame stands alone."""
        try:
            matrix, scorer = self._matrix(rows), self._scorer
            if isinstance(scorer, FamilyScorer):
                return scorer.answer(matrix, partitions_of(rows, scorer.by))
            return np.asarray(scorer.score(matrix), dtype=np.float64)
        except Exception as error:
            if rows.height > 1:
                half = rows.height // 2
                return np.concatenate([self._halved(rows[:half], at, failed), self._halved(rows[half:], at + half, failed)])
            reason = error.message if isinstance(error, NoriaError) else f"{type(error).__name__}: {error}"
            failed[at] = reason[:300]
            if len(failed) > ALONE_LIMIT:
                raise DataInvalid(f"more than {ALONE_LIMIT} rows fail, the last with: {reason[:500]}") from error
            empty = self._nothing()
            return np.full((1, *empty.shape[1:]), np.nan)

    def _nothing(self) -> np.ndarray:
        width = len(self._signature.classes) or self._signature.width
        return np.empty((0, width) if self._signature.task.wide else 0)

    def _matrix(self, rows: pl.DataFrame) -> np.ndarray:
        if self._prepared is None:
            return encode(rows, self._signature.features)
        with self._lock:
            columns = self._prepared.columns(rows, self._moments(rows))
        return encode(pl.DataFrame(columns), self._signature.features)

    def _moments(self, rows: pl.DataFrame) -> pl.Series:
        if self._as_of is None and self._signature.time in rows.columns:
            return rows[self._signature.time]
        at = None if self._as_of is None else to_ms(self._as_of)
        return pl.repeat(at, rows.height, dtype=pl.Int64, eager=True).cast(TIME)

    def _table(self, rows: pl.DataFrame, scores: np.ndarray, numbers: np.ndarray) -> pa.Table:
        signature = self._signature
        columns: dict[str, pa.Array] = {}
        for name in (signature.key, signature.time):
            if name and name in rows.columns:
                columns[name] = rows[name].to_arrow()
        if signature.key not in columns:
            columns["row"] = pa.array(numbers)
        columns |= predictions(signature, scores)
        columns["version"] = pa.array(np.full(len(scores), self._version, dtype=np.int32))
        return pa.table(columns)


def predictions(signature: Signature, scores: np.ndarray) -> Mapping[str, pa.Array]:
    """Answers as columns: `prediction`, or one per class, quantile or number; and the label that a classifier names.

    Raises:
        ArtifactRejected: the answers are not what the signature says.
    """
    classes = signature.classes
    if scores.ndim == 1:
        told = {"prediction": pa.array(scores)}
        if signature.task is Task.BINARY and len(classes) == 2:
            told["label"] = _labels((scores >= signature.threshold).astype(np.int32), classes)
        return told
    if len(classes) != scores.shape[1] and signature.task is Task.MULTICLASS:
        raise ArtifactRejected(f"the model gives {scores.shape[1]} answers for {len(classes)} classes", fix="train it again")
    names = classes if len(classes) == scores.shape[1] else tuple(map(str, range(scores.shape[1])))
    columns: dict[str, pa.Array] = {
        f"prediction_{name}": pa.array(np.ascontiguousarray(scores[:, place])) for place, name in enumerate(names)
    }
    if signature.task is Task.MULTICLASS:
        columns["label"] = _labels(scores.argmax(axis=1).astype(np.int32), classes)
    return columns


def _labels(codes: np.ndarray, classes: Sequence[str]) -> pa.Array:
    return pa.DictionaryArray.from_arrays(pa.array(codes), pa.array(classes))
