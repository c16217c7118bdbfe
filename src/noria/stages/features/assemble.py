"""Assembles the training table: label rows, what was known at each one's moment, and a split by time."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path

import polars as pl

from noria.core.data import DatasetVersion
from noria.core.declaration.dataset import Label
from noria.core.declaration.features import Feature, FeatureView, OnDemand
from noria.core.errors import DataInvalid
from noria.core.moments import from_ms, to_ms
from noria.core.schema import Field, Task
from noria.core.training import FeatureSet
from noria.packaging.encoding import learn_fields
from noria.ports.blobs import Blobs
from noria.ports.tables import moment, scan
from noria.stages.features.labels import encoded
from noria.stages.features.prepared import PreparedFeatures, version_of

KEY, TIME, LABEL, GROUP = "__key", "__time", "__label", "__group"


def assemble(
    features: Sequence[Feature],
    label: Label,
    versions: Mapping[str, DatasetVersion],
    *,
    blobs: Blobs,
    code: str,
    now: datetime,
    window: timedelta | None,
    test: float,
    task: Task | None,
    scratch: Path,
    groups: Sequence[str] = (),
) -> FeatureSet:
    """Make the point-in-time-correct training table and keep it as one Parquet blob.

    Rows are those of the label's dataset whose outcome is known: time + delay ≤ `now`. Each sees
    every feature view as it was known at the row's own time. Text categories are learned from
    training rows only.

    Args:
        features: Columns, views and on-demand transforms, in matrix order.
        label: What to predict.
        versions: Dataset name to version.
        blobs: Where the parts are, and where the table goes.
        code: Digest of the code that declares the features.
        now: Event time of the turn.
        window: How far back rows reach; None = all.
        test: Share of the newest rows that judge; rows of one moment are never torn apart.
        task: What to answer; found from the label when None.
        scratch: Folder for the file on its way to the store.
        groups: Columns of the label's dataset to keep beside the table, in a blob of their own: to judge by, never to learn from.

    Raises:
        DataInvalid: there is nothing to learn from, or two features have the same name.
    """
    base = version_of(versions, label.columns.dataset.name)
    asked = request_names(features, base, label.column, also=[label.together] if label.together else [])
    wanted = list(dict.fromkeys([*asked, *_held(groups, base, label.column)]))
    rows = _base_rows(base, label, wanted, blobs=blobs, now=now, window=window)
    answers, task, classes = encoded(rows[label.column], task)
    table = pl.DataFrame(
        [
            rows[base.key].alias(KEY),
            rows[base.time].alias(TIME),
            answers.alias(LABEL),
            *([rows[label.together].alias(GROUP)] if label.together else []),
            *feature_columns(features, rows, rows[base.time], versions, blobs=blobs, known_by=now),
        ]
    )
    train_until = _boundary(table[TIME], test)
    trains = table.filter(pl.col(TIME) < train_until)
    if trains.is_empty() or (not task.numeric and trains[LABEL].n_unique() < 2):
        raise DataInvalid(
            f"the {trains.height} training rows hold {'one class only' if trains.height else 'nothing'}", fix="widen the retrain window"
        )
    names = [name for name in table.columns if name not in (KEY, TIME, LABEL, GROUP)]
    return FeatureSet(
        digest=_keep(table, blobs, scratch),
        made_from=(*dict.fromkeys(version.digest for version in _used(features, base, versions)), code),
        inputs=_inputs(base, asked, wanted, rows),
        features=learn_fields(trains, names),
        task=task,
        classes=classes,
        rows=table.height,
        start=from_ms(to_ms(table.item(0, TIME))),
        end=from_ms(to_ms(table.item(-1, TIME))),
        train_until=train_until,
        together=label.together,
        groups=_keep(rows.select(groups), blobs, scratch) if groups else "",
    )


def load_groups(feature_set: FeatureSet, *, blobs: Blobs) -> pl.DataFrame:
    """The columns kept beside the table, for the same rows in the same order; an empty frame when there are none."""
    return pl.read_parquet(blobs.path(feature_set.groups)) if feature_set.groups else pl.DataFrame()


def load(feature_set: FeatureSet, *, blobs: Blobs) -> pl.DataFrame:
    """The table: `__key`, `__time`, `__label` and the raw features, ordered by time."""
    return pl.read_parquet(blobs.path(feature_set.digest))


def request_names(features: Sequence[Feature], base: DatasetVersion, label: str, *, also: Sequence[str] = ()) -> list[str]:
    """Columns that a request carries, each once: key and time first, then in the order features ask for them, then others.

    Raises:
        DataInvalid: a feature asks for the label, for another dataset's column, or for one that is not there.
    """
    asked = [base.key, base.time]
    for feature in features:
        asked += _asked(feature, base)
    asked += also
    held = {field.name for field in base.schema}
    for name in asked:
        if name == label:
            raise DataInvalid(f"{name!r} is the label, so no feature may read it", fix="leave it out of the features")
        if name not in held:
            raise DataInvalid(f"dataset {base.name!r} has no column {name!r}; it has {', '.join([f.name for f in base.schema][:40])}")
    return list(dict.fromkeys(asked))


def feature_columns(
    features: Sequence[Feature],
    rows: pl.DataFrame,
    moments: pl.Series,
    versions: Mapping[str, DatasetVersion],
    *,
    blobs: Blobs,
    known_by: datetime | None,
) -> list[pl.Series]:
    """The features of `rows` (request columns) as of `moments`, NaN as null, in declaration order.

    Raises:
        DataInvalid: two features have the same name.
    """
    return PreparedFeatures(features, versions, blobs=blobs, known_by=known_by).columns(rows, moments)


def _asked(feature: Feature, base: DatasetVersion) -> Sequence[str]:
    if isinstance(feature, FeatureView):
        return [feature.key]
    if isinstance(feature, OnDemand):
        return feature.inputs
    if feature.dataset.name != base.name:
        raise DataInvalid(
            f"columns of {feature.dataset.name!r} cannot be features of {base.name!r} rows as they are",
            fix="declare a feature view of that dataset",
        )
    return feature.names


def _base_rows(
    base: DatasetVersion, label: Label, asked: Sequence[str], *, blobs: Blobs, now: datetime, window: timedelta | None
) -> pl.DataFrame:
    since = None if window is None else now - window
    told = pl.col(label.column).is_not_null() & (pl.col(base.time) <= moment(now - label.delay))
    if not any(field.name == label.column for field in base.schema):
        raise DataInvalid(f"dataset {base.name!r} has no label column {label.column!r}")
    rows = scan(base, blobs=blobs, known_by=now, since=since).filter(told)
    rows = rows.select([*asked, label.column]).sort(base.time, maintain_order=True)
    found = rows.collect()
    if found.is_empty():
        raise DataInvalid(
            f"no row of {base.name!r} has a known label {label.column!r} at {now.isoformat()}",
            fix="widen the retrain window, or wait until outcomes have come in",
        )
    return found


def _boundary(times: pl.Series, test: float) -> datetime:
    """The moment from which rows judge: the newest `test` share, and whatever shares its first moment."""
    place = math.ceil(times.len() * (1 - test))
    moments_ms = times.to_physical()
    return from_ms(moments_ms[place] if place < times.len() else moments_ms[-1] + 1)


def _inputs(base: DatasetVersion, asked: Sequence[str], wanted: Sequence[str], rows: pl.DataFrame) -> tuple[Field, ...]:
    """Request fields; one that training rows go without now and then is optional, and so is one that is only judged by."""
    kinds = {field.name: field.kind for field in base.schema}
    always = (base.key, base.time)
    return tuple(
        Field(name=name, kind=kinds[name], required=name in always or (name in asked and rows[name].null_count() == 0)) for name in wanted
    )


def _held(groups: Sequence[str], base: DatasetVersion, label: str) -> Sequence[str]:
    held = {field.name for field in base.schema}
    for name in groups:
        if name == label or name not in held:
            raise DataInvalid(f"{name!r} cannot make groups: {'it is the label' if name == label else f'{base.name!r} has no such column'}")
    return groups


def _used(features: Sequence[Feature], base: DatasetVersion, versions: Mapping[str, DatasetVersion]) -> Iterable[DatasetVersion]:
    yield base
    for feature in features:
        if isinstance(feature, FeatureView):
            yield version_of(versions, feature.dataset.name)


def _keep(table: pl.DataFrame, blobs: Blobs, scratch: Path) -> str:
    scratch.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=scratch, suffix=".parquet") as file:
        table.write_parquet(file.name, compression="zstd", compression_level=3)
        return blobs.put(Path(file.name))
