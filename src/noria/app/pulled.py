"""Opens a version that MLflow's client pulled: `mlflow.pyfunc.load_model("models:/late-arrival@champion")` calls this.

It answers as the data plane does: the same package, the same encoding, the same on-demand code.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from noria.core.errors import ArtifactRejected, BlobMissing, RequestInvalid
from noria.core.ids import digest_of
from noria.core.rows import Rows
from noria.core.schema import Task
from noria.core.traffic import Scalar, ServedVersion
from noria.packaging import package
from noria.packaging.family_scorer import FamilyScorer
from noria.packaging.mlflow_written import CARD, VERSION, Card
from noria.packaging.scorer import Scorer
from noria.ports import wire
from noria.stages.serving.model import Served, speaking

AT_ONCE = 1_000
"""Rows that are answered together."""


class FolderBlobs:
    """`Blobs` of a folder whose card names its files; nothing can be put."""

    def __init__(self, folder: Path, files: Mapping[str, str]) -> None:
        self._folder, self._files = folder.resolve(), files

    def put(self, content: bytes | Path) -> str:
        """Refused: the folder is what it is."""
        raise BlobMissing("a pulled model keeps nothing new")

    def path(self, digest: str) -> Path:
        """A file of the folder."""
        name = self._files.get(digest)
        place = (self._folder / name).resolve() if name else self._folder
        if not place.is_file() or not place.is_relative_to(self._folder):
            raise BlobMissing(f"blob {digest} is not in {self._folder}", fix="download the model again")
        return place

    def read(self, digest: str) -> bytes:
        """The content, verified against its digest."""
        content = self.path(digest).read_bytes()
        if digest_of(content) != digest:
            raise BlobMissing(f"{self.path(digest)} does not hold what its name says", fix="download the model again")
        return content

    def has(self, digest: str) -> bool:
        """Whether it is there."""
        return digest in self._files

    def digests(self) -> Iterator[str]:
        """All digests."""
        return iter(self._files)


class Pulled:
    """A version as `mlflow.pyfunc` asks it."""

    def __init__(self, folder: Path) -> None:
        card = wire.load((folder / CARD).read_bytes(), Card)
        if card.version > VERSION:
            raise ArtifactRejected(f"{folder} is of format {card.version}; this Noria knows {VERSION}", fix="install a newer noria here")
        blobs = FolderBlobs(folder, card.files)
        self.card, served = card, card.served
        self.signature = served.signature
        self._family = FamilyScorer(served.artifact, served.family, blobs=blobs, python=True) if served.family else None
        scorer: Scorer = self._family or package.load(served.artifact, blobs=blobs, python=True)
        self._lookup = _Computed(served, blobs) if served.code else None
        self._served = Served(served, scorer=scorer, lookup=self._lookup)
        self._say = speaking(served.signature)

    def predict(self, model_input: Any, params: Mapping[str, Any] | None = None) -> Any:
        """Answers to a data frame (or columns): one number per row, or a frame with `prediction` and `label` of a classifier.

        Raises:
            RequestInvalid: a column is missing that the model needs.
        """
        columns = _columns(model_input, [field.name for field in self.signature.features])
        self._check(columns)
        rows = len(next(iter(columns.values()), ()))
        names = list(columns)
        answers: list[Any] = []
        for start in range(0, rows, AT_ONCE):
            some = [columns[name][start : start + AT_ONCE] for name in names]
            asked = [dict(zip(names, row, strict=True)) for row in zip(*some, strict=True)]
            answers += self._answers(asked)
        return _given(answers, self.signature.task)

    def _answers(self, asked: list[dict[str, Any]]) -> list[Any]:
        now_ms = int(time.time() * 1000)
        if self._family is None:
            return [self._say(answer) for answer in self._served.answer(asked, now_ms)[0]]
        by, found = self._family.by, dict[int, Any]()
        partitions = [str(row[by]) if row.get(by) is not None else "" for row in asked]
        for partition in dict.fromkeys(partitions):
            places = [place for place, one in enumerate(partitions) if one == partition]
            served = Served(self.card.served, scorer=_OfPartition(self._family, partition), lookup=self._lookup)
            answers, _ = served.answer([asked[place] for place in places], now_ms)
            found |= {place: self._say(answer) for place, answer in zip(places, answers, strict=True)}
        return [found[place] for place in range(len(asked))]

    def _check(self, columns: Mapping[str, Sequence[Any]]) -> None:
        known = set(columns) | ({field.name for field in self.signature.features} if self.card.served.code else set())
        gone = [field.name for field in self.signature.features if field.required and field.name not in known]
        if gone:
            raise RequestInvalid(f"there is no column {', '.join(gone)[:300]}", fix="name the columns as the model's signature does")


class _OfPartition:
    """A family's answers to rows of one partition."""

    takes = "matrix"

    def __init__(self, family: FamilyScorer, partition: str) -> None:
        self._family, self._partition = family, partition

    def score(self, matrix: Any, /) -> Any:
        return self._family.answer(matrix, [self._partition] * len(matrix))


class _Computed:
    """On-demand features, computed by the code that came with the version; what a feature view gives must come with the rows."""

    def __init__(self, served: ServedVersion, blobs: FolderBlobs) -> None:
        self._served, self._blobs = served, blobs
        self._transforms: list[Any] | None = None

    def served(self, rows: Rows, now_ms: int, /) -> Mapping[str, Sequence[Scalar]]:
        """What the rows do not carry themselves."""
        from noria.stages.features.online import Lookup

        given = set(rows.columns)
        signature = self._served.signature
        wanted = {field.name for field in signature.features} - given
        if not wanted:
            return {}
        lookup = Lookup(self._on_demand(), online=_Nothing(), inputs=signature.inputs)
        found = {name: values for name, values in lookup.served(rows, now_ms).items() if name not in given}
        gone = sorted(wanted - set(found))
        if gone:
            raise RequestInvalid(
                f"{', '.join(gone)[:300]} come from feature views, which a pulled model has not",
                fix="give them as columns; `noria score` and the data plane look them up",
            )
        return found

    def _on_demand(self) -> list[Any]:
        if self._transforms is None:
            from noria.core.declaration.features import OnDemand
            from noria.loop.source import load, named
            from noria.stages.training.snapshot import restore_code

            place = Path(tempfile.mkdtemp(prefix="noria-pulled-")) / "code"
            loop = named(load(restore_code(self._served.code, place, blobs=self._blobs)), self._served.loop)
            self._transforms = [feature for feature in loop.features if isinstance(feature, OnDemand)]
        return self._transforms


class _Nothing:
    """`Online` with nothing in it."""

    def write(self, view: str, rows: Any, *, watermark: str = "") -> int:
        return 0

    def read(self, view: str, entities: Sequence[str]) -> list[Any]:
        return [None] * len(entities)

    def watermark(self, view: str) -> str:
        return ""

    def clear(self, view: str) -> None:
        return None


def _columns(given: Any, names: Sequence[str]) -> dict[str, list[Any]]:
    """A data frame, a mapping of columns, or a matrix in the order of the features, as plain columns; missing values are None."""
    if hasattr(given, "columns") and hasattr(given, "to_dict"):
        return {str(name): _plain(given[name].tolist()) for name in given.columns}
    if isinstance(given, Mapping):
        return {str(name): _plain(list(column)) for name, column in given.items()}
    matrix = np.asarray(given)
    if matrix.ndim != 2 or matrix.shape[1] != len(names):
        raise RequestInvalid(f"the model takes {len(names)} columns, not an array of shape {matrix.shape}", fix="give a data frame")
    return {name: _plain(matrix[:, place].tolist()) for place, name in enumerate(names)}


def _plain(values: list[Any]) -> list[Any]:
    """Missing values as None: NaN, NaT and NA are the only scalars that do not equal themselves."""
    return [None if _missing(value) else value for value in values]


def _missing(value: Any) -> bool:
    if value is None or isinstance(value, (str, bytes, bool, int)):
        return value is None
    same = value == value
    return not hasattr(value, "shape") and not (isinstance(same, (bool, np.bool_)) and bool(same))


def _given(answers: Sequence[tuple[Any, str | None]], task: Task) -> Any:
    predictions = [prediction for prediction, _ in answers]
    if any(label is not None for _, label in answers):
        import pandas as pd

        return pd.DataFrame({"prediction": predictions, "label": [label for _, label in answers]})
    if predictions and isinstance(predictions[0], dict):
        import pandas as pd

        return pd.DataFrame(predictions)
    return np.asarray(predictions, dtype=np.float64)


def _load_pyfunc(path: str) -> Pulled:
    """What MLflow calls with the folder's `data`."""
    return Pulled(Path(path))
