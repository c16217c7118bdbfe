"""What a model that somebody brings takes and gives: from the file itself, from example rows, or as a person wrote it down."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl

from noria.core.errors import DataInvalid, bounded
from noria.core.schema import Field, Kind, Signature
from noria.packaging.audit import audit
from noria.packaging.describing import of_estimator
from noria.packaging.encoding import learn_fields
from noria.packaging.opening import describe
from noria.ports import wire

_READERS: dict[str, Callable[[Path], pl.DataFrame]] = {
    ".parquet": pl.read_parquet,
    ".csv": pl.read_csv,
    ".json": pl.read_json,
    ".jsonl": pl.read_ndjson,
}
_MADE_UP = re.compile(r"x\d+|f\d+|Column_\d+")
"""Names that frameworks give to columns that had none."""


def infer_of(model: Any) -> Signature:
    """The signature of a model, fitted or as the bytes of its file, as it says itself.

    Raises:
        ArtifactRejected: it may not be opened, or does not say what it takes and gives.
    """
    if isinstance(model, (bytes, bytearray)):
        return describe(audit(bytes(model)), bytes(model))
    from noria.packaging import catboost_model, lightgbm_text, xgboost_model

    if lightgbm_text.is_lightgbm(model):
        told = describe("lightgbm", lightgbm_text.dump(model))
    elif xgboost_model.is_xgboost(model):
        told = describe("xgboost", xgboost_model.dump(model))
    elif catboost_model.is_catboost(model):
        told = describe("catboost", catboost_model.dump(model))
    else:
        return of_estimator(model)
    labels = getattr(model, "classes_", None)
    return told if labels is None or not len(labels) else replace(told, classes=tuple(map(str, labels)))


def shown(told: Signature, example: pl.DataFrame) -> Signature:
    """A signature with the kinds of an example's columns, which give their names too where the model has none.

    Columns that the model does not name are left aside. A field that is missing in one of the rows may be missing in a request.

    Raises:
        DataInvalid: the example lacks a feature, or holds text whose categories the model does not know.
    """
    names = [field.name for field in told.features]
    if all(map(_MADE_UP.fullmatch, names)) and not set(names) <= set(example.columns):
        if example.width != len(names):
            raise DataInvalid(
                f"the model takes {len(names)} features and does not name them; the example has {example.width} columns",
                fix="leave exactly the model's features in the example, in their order",
            )
        names = example.columns
    missing = [name for name in names if name not in example.columns]
    if missing:
        raise DataInvalid(f"the example has no column {', '.join(map(repr, missing[:10]))}", fix="give rows as callers will send them")
    known = [field.categories for field in told.features]
    features = tuple(map(_field, learn_fields(example, names), known, (example[name].null_count() > 0 for name in names)))
    return replace(told, inputs=tuple(replace(field, categories=()) for field in features), features=features)


def read_example(file: Path) -> pl.DataFrame:
    """Example rows from a Parquet, CSV, JSON or JSON lines file.

    Raises:
        DataInvalid: it is none, or cannot be read.
    """
    reader = _READERS.get(file.suffix.lower())
    if reader is None:
        raise DataInvalid(f"{file.name} is no table that Noria reads", fix=f"write the rows as one of {', '.join(_READERS)}")
    try:
        return reader(file)
    except (pl.exceptions.PolarsError, ValueError) as error:
        raise DataInvalid(f"{file.name} cannot be read: {bounded(str(error), 500)}") from error


def read_signature(content: bytes) -> Signature:
    """A signature as a person writes it: `inputs` alone suffice where the features are the inputs.

    Raises:
        DataInvalid: it is not JSON, or no signature.
    """
    try:
        told = json.loads(content)
    except ValueError as error:
        why = "it is not text" if isinstance(error, UnicodeDecodeError) else error
        fix = 'write {"inputs": [{"name", "kind"}, …], "task": …}, or leave it out and give --example'
        raise DataInvalid(f"the signature is not JSON: {why}", fix=fix) from error
    if isinstance(told, dict) and isinstance(told.get("inputs"), list):
        beside = {told.get("key"), told.get("time"), told.get("group")} - {None}
        told.setdefault("features", [one for one in told["inputs"] if not isinstance(one, dict) or one.get("name") not in beside])
    return wire.load(json.dumps(told), Signature)


def _field(seen: Field, categories: tuple[str, ...], optional: bool) -> Field:
    if seen.kind is not Kind.TEXT:
        return replace(seen, required=not optional)
    if not categories:
        raise DataInvalid(
            f"column {seen.name!r} is text, and the model does not say which code each value has",
            fix="say so with a signature file: its features carry `categories` in code order",
        )
    return replace(seen, required=not optional, categories=categories)
