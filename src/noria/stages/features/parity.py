"""Shows that training and serving compute the same features: logged requests, computed again offline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from noria.core.data import DatasetVersion
from noria.core.declaration.dataset import Columns
from noria.core.declaration.features import Feature
from noria.core.errors import DataInvalid
from noria.core.schema import Field, Kind
from noria.ports.blobs import Blobs
from noria.ports.tables import DTYPES, TIME, as_kind
from noria.stages.features.assemble import feature_columns

_EXAMPLES = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class ParityReport:
    """How far serving and training agree.

    Attributes:
        rows: Requests compared.
        equal: Share of them whose whole feature vector is the same to the bit; 1.0 when there are none.
        differing: Feature name to requests that differ in it; only features that differ.
        examples: A few differences in words, of each feature that differs one before others get a second.
        features: All that were compared.
    """

    rows: int
    equal: float
    differing: Mapping[str, int]
    examples: tuple[str, ...] = ()
    features: tuple[str, ...] = ()


def recompute(
    predictions: pl.DataFrame,
    features: Sequence[Feature],
    versions: Mapping[str, DatasetVersion],
    *,
    blobs: Blobs,
    inputs: Sequence[Field],
) -> pl.DataFrame:
    """The features of logged requests by the offline path, as of each one's logged time.

    Args:
        predictions: Prediction log with `request_id`, `time` and the `in:` columns.
        features: As the version that answered declares them.
        versions: Dataset name to version.
        blobs: Where the parts are.
        inputs: The version's request fields.

    Returns:
        `request_id` and one `f:` column per looked-up or computed feature, a row per logged row, in its order.

    Raises:
        DataInvalid: a logged input does not fit its field, or a dataset has no version.
    """
    rows = pl.DataFrame([_logged(predictions, field) for field in inputs])
    made = [feature for feature in features if not isinstance(feature, Columns)]
    columns = feature_columns(made, rows, predictions["time"], versions, blobs=blobs, known_by=None)
    return pl.DataFrame([predictions["request_id"], *(column.alias(f"f:{column.name}") for column in columns)])


def compare(predictions: pl.DataFrame, recomputed: pl.DataFrame) -> ParityReport:
    """Hold what was served (`f:` columns) against what `recompute` made of the same rows, bit by bit.

    Missing is missing, as null or as NaN. Rows whose answer failed are left out. A feature that
    one side does not have at all counts as missing there.

    Raises:
        DataInvalid: the two tables are not of the same requests in the same order.
    """
    if not predictions["request_id"].equals(recomputed["request_id"]):
        raise DataInvalid("the recomputed rows are not the logged ones", fix="compare with what `recompute` made of the same rows")
    answered = predictions["error"] == "" if "error" in predictions.columns else pl.repeat(True, predictions.height, eager=True)
    served, again = predictions.filter(answered), recomputed.filter(answered)
    names = [name for name in dict.fromkeys([*recomputed.columns, *predictions.columns]) if name.startswith("f:")]
    differs = pl.DataFrame([_differs(served, again, name) for name in names])
    counts = {name.removeprefix("f:"): int(differs[name].sum()) for name in names}
    wrong = differs.select(pl.any_horizontal(names)).to_series() if names else pl.Series([False] * served.height)
    return ParityReport(
        rows=served.height,
        equal=1.0 - int(wrong.sum()) / served.height if served.height else 1.0,
        differing={name: count for name, count in counts.items() if count},
        examples=_examples(served, again, differs),
        features=tuple(counts),
    )


def _logged(predictions: pl.DataFrame, field: Field) -> pl.Series:
    column = f"in:{field.name}"
    if column not in predictions.columns:
        return pl.repeat(None, predictions.height, dtype=DTYPES[field.kind], eager=True).alias(field.name)
    try:
        return as_kind(predictions[column], field.kind).alias(field.name)
    except (ValueError, pl.exceptions.PolarsError) as error:
        raise DataInvalid(f"logged values of {field.name!r} are not {field.kind}: {error}") from error


def _differs(served: pl.DataFrame, again: pl.DataFrame, name: str) -> pl.Series:
    if name not in served.columns or name not in again.columns:
        present = served if name in served.columns else again
        return present[name].is_not_null()
    left, right = _bits(served[name], again[name].dtype), _bits(again[name], again[name].dtype)
    return left.ne_missing(right).alias(name)


def _bits(column: pl.Series, like: pl.DataType) -> pl.Series:
    """Values that are equal when, and only when, a model could not tell them apart."""
    if like == TIME:
        return as_kind(column, Kind.TIME)
    if like == pl.String:
        return column.cast(pl.String)
    return column.cast(pl.Float64).fill_nan(None)


def _examples(served: pl.DataFrame, again: pl.DataFrame, differs: pl.DataFrame) -> tuple[str, ...]:
    wrong = {name: differs[name].arg_true().head(_EXAMPLES).to_list() for name in differs.columns}
    turns = [(turn, name) for turn in range(_EXAMPLES) for name, places in wrong.items() if turn < len(places)]
    said = []
    for turn, name in turns[: max(_EXAMPLES, sum(bool(places) for places in wrong.values()))]:
        place = wrong[name][turn]
        values = [table.item(place, name) if name in table.columns else None for table in (served, again)]
        said.append(f"{served.item(place, 'request_id')}: {name.removeprefix('f:')} served {values[0]!r}, recomputed {values[1]!r}"[:200])
    return tuple(said)
