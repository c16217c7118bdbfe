"""MLflow's model folders: read by their own description, without MLflow, and opened only where no pickle is needed.

The layout is that of MLflow's documentation, "MLflow Models": an `MLmodel` file in YAML names the
flavours that a folder can be opened as, its signature and an input example.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from noria.core.errors import ArtifactRejected
from noria.core.schema import Field, Kind, Signature
from noria.packaging.describing import unnamed

DESCRIPTION = "MLmodel"
_DESCRIPTION_LIMIT = 1 << 20
_EXAMPLE_LIMIT = 16 << 20

_FILES = {"onnx": "data", "lightgbm": "data", "xgboost": "data", "catboost": "data", "sklearn": "pickled_model"}
"""Flavours that a file of a safe format may lie behind, best first, and the key that names it."""

HOW = "`noria deploy … --trust`, or nr.deploy(…, trust=True)"
_PICKLES = (".pkl", ".pickle", ".joblib", ".pth", ".pt", ".bin")
_KINDS = {
    "boolean": Kind.BOOL,
    "integer": Kind.INT,
    "long": Kind.INT,
    "float": Kind.FLOAT,
    "double": Kind.FLOAT,
    "string": Kind.TEXT,
    "datetime": Kind.TIME,
    "binary": Kind.BYTES,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class MlflowModel:
    """An MLflow model as its folder describes it.

    Attributes:
        flavours: Names of all, as MLflow spells them.
        file: The model file that can be opened without running anything; None where there is only pickle or code.
        inputs: Fields of the signature; none where the folder has no signature.
        outputs: Kinds of its outputs; TENSOR where each row has several numbers.
        example: Rows of the input example; none where there is none, or it is no table.
    """

    flavours: tuple[str, ...]
    file: Path | None
    inputs: tuple[Field, ...] = ()
    outputs: tuple[Kind, ...] = ()
    example: tuple[Mapping[str, Any], ...] = ()


def read(folder: Path) -> MlflowModel:
    """What the folder of an MLflow model says. Nothing in it is run.

    Raises:
        ArtifactRejected: the description cannot be read, or names a place outside the folder.
    """
    told = _description(folder / DESCRIPTION)
    flavours = told.get("flavors")
    if not isinstance(flavours, dict) or not flavours or not all(isinstance(one, (dict, type(None))) for one in flavours.values()):
        raise ArtifactRejected(f"{folder / DESCRIPTION} names no flavours", fix="save the model again with mlflow")
    inputs, outputs = _fields(told.get("signature"), "inputs"), _fields(told.get("signature"), "outputs")
    return MlflowModel(
        flavours=tuple(map(str, flavours)),
        file=_safe_file(folder, flavours),
        inputs=inputs,
        outputs=tuple(Kind.FLOAT if one.kind is Kind.TENSOR and one.shape in ((), (1,)) else one.kind for one in outputs),
        example=_example(folder, told.get("saved_input_example_info"), inputs),
    )


def refusal(folder: Path, found: MlflowModel) -> ArtifactRejected:
    """Why a folder without a file in a safe format is not opened, and what can be done."""
    skops = " (for scikit-learn: serialization_format='skops')" if "sklearn" in found.flavours else ""
    return ArtifactRejected(
        f"the MLflow model in {folder} ({', '.join(found.flavours)}) can only be opened by running the code or the pickle in it",
        fix=f"save it in a format without pickle{skops}, or trust it: it then runs in a process of its own, where mlflow must be installed ({HOW})",
    )


def joined(own: Signature, found: MlflowModel) -> Signature:
    """The model's own signature with the names, kinds and duties of the folder's.

    Raises:
        ArtifactRejected: the two do not fit each other.
    """
    if not found.inputs:
        return own
    if len(found.inputs) != len(own.features):
        if len(found.inputs) == 1 and found.inputs[0].kind.whole:
            return own
        raise ArtifactRejected(
            f"the MLflow signature has {len(found.inputs)} inputs, the model in the folder {len(own.features)}", fix="save the model again"
        )
    told = {field.name: field for field in found.inputs}
    features = tuple(
        _joined(feature, told.get(feature.name) or found.inputs[place] if _alike(own, found) else told.get(feature.name))
        for place, feature in enumerate(own.features)
    )
    return replace(own, inputs=features, features=features)


def _alike(own: Signature, found: MlflowModel) -> bool:
    """Whether names go by place: the model has none, or wrote them without the characters that its format does not take."""
    names = [field.name for field in own.features]
    return names == unnamed(len(names)) or [_plain(name) for name in names] == [_plain(field.name) for field in found.inputs]


def _plain(name: str) -> str:
    return "".join(letter if letter.isalnum() else "_" for letter in name)


def _joined(feature: Field, told: Field | None) -> Field:
    if told is None:
        raise ArtifactRejected(f"the MLflow signature does not have the model's input {feature.name!r}", fix="save the model again")
    if (told.kind is Kind.TEXT) != (feature.kind is Kind.TEXT) or told.kind.whole != feature.kind.whole:
        raise ArtifactRejected(
            f"the MLflow signature says {told.name!r} is {told.kind}, and the model takes {feature.kind}",
            fix="encode text inside a model that Noria can open whole, or trust the folder's own code",
        )
    kept = feature if told.kind.whole else replace(feature, kind=told.kind)
    return replace(kept, name=told.name, required=told.required)


def _description(file: Path) -> dict[str, Any]:
    if file.stat().st_size > _DESCRIPTION_LIMIT:
        raise ArtifactRejected(f"{file} is larger than any description of a model")
    try:
        told = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise ArtifactRejected(f"{file} is not YAML: {error}", fix="copy the folder again") from error
    if not isinstance(told, dict):
        raise ArtifactRejected(f"{file} describes no model", fix="copy the folder again")
    return told


def _safe_file(folder: Path, flavours: Mapping[str, Any]) -> Path | None:
    for flavour, key in _FILES.items():
        told = flavours.get(flavour) or {}
        name = told.get(key)
        if not isinstance(name, str) or name.endswith(_PICKLES) or (flavour == "sklearn" and told.get("serialization_format") != "skops"):
            continue
        if told.get("onnx_data"):
            raise ArtifactRejected("the ONNX model keeps tensors in other files", fix="save it with all tensors inside")
        file = inside(folder, name)
        if file.is_dir() and (file / "model.onnx").is_file():
            file = file / "model.onnx"
        if file.is_file():
            return file
    return None


def inside(folder: Path, name: str) -> Path:
    """A place that a description names, seen from its folder.

    Raises:
        ArtifactRejected: it lies outside.
    """
    place = (folder / name).resolve()
    if not place.is_relative_to(folder.resolve()):
        raise ArtifactRejected(f"the MLmodel file names a place outside its folder: {name[:100]!r}")
    return place


def _fields(signature: Any, side: str) -> tuple[Field, ...]:
    told = signature.get(side) if isinstance(signature, dict) else None
    if not told:
        return ()
    try:
        specs = json.loads(told) if isinstance(told, str) else told
        return tuple(_field(spec, place) for place, spec in enumerate(specs))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ArtifactRejected(f"the MLmodel file's signature cannot be read: {error}", fix="save the model again with mlflow") from error


def _field(spec: Mapping[str, Any], place: int) -> Field:
    name, required = str(spec.get("name") or f"x{place}"), bool(spec.get("required", True))
    if spec["type"] == "tensor":
        tensor = spec["tensor-spec"]
        shape = tuple(int(size) for size in tensor["shape"][1:])
        return Field(name=name, kind=Kind.TENSOR, required=required, dtype=str(tensor["dtype"]), shape=shape)
    kind = _KINDS.get(str(spec["type"]))
    if kind is None:
        raise ArtifactRejected(
            f"the MLflow signature's {name!r} is of type {str(spec['type'])[:40]}, which no request of Noria's carries",
            fix="sign the model with plain columns or tensors",
        )
    return Field(name=name, kind=kind, required=required)


def _example(folder: Path, told: Any, inputs: Sequence[Field]) -> tuple[Mapping[str, Any], ...]:
    """Rows of a table that was kept as an example; none where it is something else."""
    if not isinstance(told, dict) or not isinstance(told.get("artifact_path"), str):
        return ()
    file = inside(folder, told["artifact_path"])
    if told.get("type") not in ("dataframe", "ndarray") or not file.is_file() or file.stat().st_size > _EXAMPLE_LIMIT:
        return ()
    try:
        kept = json.loads(file.read_bytes())
    except ValueError as error:
        raise ArtifactRejected(f"{file} is not JSON: {error}", fix="copy the folder again") from error
    rows = kept.get("data", kept.get("inputs")) if isinstance(kept, dict) else kept
    if not isinstance(rows, list) or not all(isinstance(row, list) for row in rows):
        return ()
    names = kept.get("columns") if isinstance(kept, dict) else None
    if not isinstance(names, list):
        names = [field.name for field in inputs] if not any(field.kind.whole for field in inputs) else unnamed(len(rows[0]) if rows else 0)
    return tuple(dict(zip(map(str, names), row, strict=False)) for row in rows)
