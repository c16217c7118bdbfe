"""Opens a model that somebody already has: a file, a folder, or a class, with what it takes and gives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from noria.core.errors import ArtifactRejected, NotFound
from noria.core.schema import Field, Kind, Signature
from noria.packaging import describing, opening_code, package, trial
from noria.packaging.audit import audit
from noria.packaging.parity import fit_signature
from noria.packaging.row_encoding import RowEncoder

FILE_LIMIT = 4 << 30
"""Bytes of the largest model file that is read."""

Example = Sequence[Mapping[str, Any]]
"""Rows as a caller would send them."""


def read_model(
    path: str | Path,
    *,
    signature: Signature | None = None,
    example: Example | None = None,
    trust: bool = False,
    files: str | Path | None = None,
) -> tuple[object, Signature]:
    """A model for `package.save`, and its signature: the one given, or the one that the model itself tells.

    Args:
        path: A LightGBM text, XGBoost JSON or UBJ, CatBoost JSON or cbm, ONNX or skops file, an MLflow model's folder,
            or a Python class as "path/to/file.py:Class" or "module:Class".
        example: Rows with names: where a model's inputs have none, they get these, in order.
        trust: Whether code that the model brings may run, in a process of its own.
        files: A folder that is kept with a Python class.

    Raises:
        NotFound: there is nothing at `path`.
        ArtifactRejected: it is no model that is safe to open, or does not say what it takes.
    """
    if opening_code.is_named_class(path):
        return opening_code.named_class(path, signature, trust=trust, files=files)
    place = Path(path)
    if place.is_dir():
        return _folder(place, signature, example, trust=trust)
    if not place.is_file():
        raise NotFound(f"there is no model at {place.resolve()}", fix="name a model file, or the folder of an MLflow model")
    content = _readable(content_of(place))
    return content, signature or named(describe(audit(content), content), example)


def content_of(file: Path) -> bytes:
    """The bytes of a model file.

    Raises:
        ArtifactRejected: it is larger than any model that is read whole.
    """
    if file.stat().st_size > FILE_LIMIT:
        raise ArtifactRejected(f"{file.name} is larger than {FILE_LIMIT >> 30} GiB")
    return file.read_bytes()


def _readable(content: bytes) -> bytes:
    """CatBoost's binary form as its JSON; everything else as it is."""
    return trial.converted(content) if audit(content) == "catboost-binary" else content


def describe(format: str, content: bytes) -> Signature:
    """The signature that a file of this format implies. Inputs without names are called x0, x1 and so on.

    Raises:
        ArtifactRejected: the file does not say enough, or may not be opened.
    """
    if format == "lightgbm":
        return describing.of_lightgbm(content)
    if format == "xgboost":
        return describing.of_xgboost(content)
    if format == "catboost":
        return describing.of_catboost(content)
    if format == "onnx":
        from noria.packaging.onnx_described import described

        return described(content)
    if format == "skops":
        from noria.packaging.skops_zip import construct

        return describing.of_estimator(construct(content))
    raise ArtifactRejected(f"a {format} file does not say what it takes and gives", fix=describing.GIVE_ONE)


def named(signature: Signature, example: Example | None) -> Signature:
    """The signature with the names and kinds of an example's columns, where the model has no names of its own.

    Raises:
        ArtifactRejected: the example has other columns than the model has inputs.
    """
    if not example:
        return signature
    names = list(example[0])
    own = [field.name for field in signature.features]
    if set(names) >= set(own):
        return signature
    if len(names) != len(own) or own != describing.unnamed(len(own)):
        raise ArtifactRejected(
            f"the example has {len(names)} columns ({', '.join(names)[:200]}), the model takes {len(own)} ({', '.join(own)[:200]})",
            fix="give an example with the model's own columns",
        )
    fields = tuple(_field(name, [row.get(name) for row in example]) for name in names)
    return _with_fields(signature, fields)


def _field(name: str, values: Sequence[Any]) -> Field:
    known = [value for value in values if value is not None]
    required = len(known) == len(values)
    if known and all(isinstance(value, (bool, np.bool_)) for value in known):
        return Field(name=name, kind=Kind.BOOL, required=required)
    return Field(name=name, kind=Kind.FLOAT, required=required)


def _with_fields(signature: Signature, fields: tuple[Field, ...]) -> Signature:
    return replace(signature, inputs=fields, features=fields)


def _folder(folder: Path, signature: Signature | None, example: Example | None, *, trust: bool) -> tuple[object, Signature]:
    from noria.packaging import mlflow_folder

    if not (folder / mlflow_folder.DESCRIPTION).is_file():
        raise ArtifactRejected(f"the folder {folder} holds no MLmodel file", fix="name a model file, or the folder of an MLflow model")
    found = mlflow_folder.read(folder)
    if found.file is None:
        if trust:
            return opening_code.mlflow(folder, found, signature)
        raise mlflow_folder.refusal(folder, found)
    content = _readable(content_of(found.file))
    if signature is None:
        signature = mlflow_folder.joined(named(describe(audit(content), content), example), found)
    _try(content, signature, found.example)
    return content, signature


def _try(content: bytes, signature: Signature, rows: Example) -> None:
    """Let the model answer the rows that came with it: what is wrong with it is known before it is served."""
    if not rows or any(field.kind.whole for field in signature.features):
        return
    columns = {name: [row.get(name) for row in rows] for name in rows[0]}
    scorer = package.scorer_of(content, signature)
    try:
        fit_signature(scorer.score(RowEncoder(signature.features).encode(columns, len(rows))), signature)
    except ArtifactRejected:
        raise
    except Exception as error:
        raise ArtifactRejected(f"the model fails on its own input example: {type(error).__name__}: {error}") from error
