"""A version as MLflow's folder of a model: what its clients download, and open with one line.

The flavour `python_function` answers as the data plane does, with Noria's own code; where a whole model is one
file of a library, it has that library's flavour too, which needs no Noria. The layout is MLflow's ("MLflow Models").
"""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import yaml

from noria.core.schema import Field, Kind, Signature, Task
from noria.core.traffic import Family, ServedVersion
from noria.packaging import manifest as manifests
from noria.packaging.manifest import FILES, Manifest
from noria.packaging.mlflow_folder import DESCRIPTION
from noria.ports import wire
from noria.ports.blobs import Blobs

LOADER = "noria.app.pulled"
"""The module whose `_load_pyfunc` opens the folder."""

DATA, CARD = "noria", "card.json"
VERSION = 1

UNNEEDED = frozenset({"skl2onnx", "onnxmltools"})
"""Libraries that wrote a package and that serving it does not load."""

_TYPES = {
    Kind.BOOL: "boolean",
    Kind.INT: "long",
    Kind.FLOAT: "double",
    Kind.TEXT: "string",
    Kind.TIME: "datetime",
    Kind.BYTES: "binary",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """What the folder says to Noria.

    Attributes:
        files: Digest to the file's name beside this card.
    """

    version: int
    name: str
    served: ServedVersion
    files: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is told beside the model itself.

    Attributes:
        noria: The version of Noria that its reader must have.
        run: The run that made it, as MLflow's clients find it.
        told: More, for `metadata`.
    """

    name: str
    made_at: datetime
    noria: str
    run: str = ""
    told: Mapping[str, Any] | None = None


def folder(served: ServedVersion, facts: Facts, *, blobs: Blobs) -> dict[str, str]:
    """The folder's files, each by its path and digest; those that are not blobs yet are put. The same version gives the same files.

    Raises:
        BlobMissing: a file of the version is not there.
    """
    package = manifests.read(served.artifact, blobs=blobs)
    held = _held(served, package, blobs)
    card = Card(version=VERSION, name=facts.name, served=replace(served, background=""), files=held)
    requirements = [f"{name}=={number}" for name, number in sorted(package.libraries.items()) if name not in UNNEEDED]
    pip = ["mlflow", f"noria=={facts.noria}", *requirements]
    python = platform.python_version()
    texts: dict[str, bytes] = {
        f"{DATA}/{CARD}": wire.dump(card),
        "requirements.txt": "\n".join((*pip, "")).encode(),
        "conda.yaml": _yaml({"name": "mlflow-env", "channels": ["conda-forge"], "dependencies": [f"python={python}", "pip", {"pip": pip}]}),
        "python_env.yaml": _yaml({"python": python, "build_dependencies": ["pip"], "dependencies": ["-r requirements.txt"]}),
    }
    files = {f"{DATA}/{name}": digest for digest, name in held.items()} | {path: blobs.put(text) for path, text in texts.items()}
    files[DESCRIPTION] = blobs.put(_yaml(_described(served, package, facts, python, blobs)))
    return files


def _held(served: ServedVersion, package: Manifest, blobs: Blobs) -> dict[str, str]:
    """Digest to name of everything that answering needs."""
    held = {served.artifact: "manifest.json"} | {digest: name for name, digest in package.files.items()}
    if served.code:
        held[served.code] = "code.bin"
    if served.family:
        held[served.family] = "family.json"
        for artifact in wire.load(manifests.verified(served.family, blobs=blobs), Family).members.values():
            for digest in (artifact, *manifests.read(artifact, blobs=blobs).files.values()):
                held.setdefault(digest, f"members/{digest.removeprefix('sha256:')}")
    return held


def _described(served: ServedVersion, package: Manifest, facts: Facts, python: str, blobs: Blobs) -> dict[str, Any]:
    alone = not served.code and not served.family
    environment = {"conda": "conda.yaml", "virtualenv": "python_env.yaml"}
    ours = {"loader_module": LOADER, "data": DATA, "env": environment, "python_version": python}
    told: dict[str, Any] = {
        "flavors": {**(_native(package, blobs) if alone else {}), "python_function": ours},
        "metadata": {"noria": {"name": facts.name, "version": served.number, "artifact": served.artifact, **(facts.told or {})}},
        "utc_time_created": facts.made_at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f"),
    }
    if facts.run:
        told["run_id"] = facts.run
    signature = signed(served.signature, code=bool(served.code))
    return {**told, "signature": signature} if signature else told


def _native(package: Manifest, blobs: Blobs) -> dict[str, Any]:
    """Flavours of the libraries whose own files the package holds."""
    place = {format: f"{DATA}/{FILES[format]}" for format in FILES if FILES[format] in package.files}
    known: dict[str, dict[str, Any]] = {
        "lightgbm": {"model_class": "lightgbm.basic.Booster", "lgb_version": package.libraries.get("lightgbm", "")},
        "xgboost": {"model_class": "xgboost.core.Booster", "model_format": "ubj", "xgb_version": package.libraries.get("xgboost", "")},
        "catboost": {"model_type": "CatBoost", "save_format": "json", "catboost_version": package.libraries.get("catboost", "")},
        "onnx": {"onnx_version": package.libraries.get("onnx", ""), "providers": ["CPUExecutionProvider"]},
    }
    found = {format: {"data": place[format], "code": None, **told} for format, told in known.items() if format in place}
    if "skops" in place:
        found["sklearn"] = {
            "pickled_model": place["skops"],
            "serialization_format": "skops",
            "skops_trusted_types": _beyond_skops(manifests.verified(package.files[FILES["skops"]], blobs=blobs)),
            "sklearn_version": package.libraries.get("scikit-learn", ""),
            "code": None,
        }
    return found


def _beyond_skops(content: bytes) -> list[str]:
    """Types of a file that skops asks about; they passed our own list when the package was made."""
    from skops.io import get_untrusted_types

    return sorted(get_untrusted_types(data=content))


def signed(signature: Signature, *, code: bool) -> dict[str, Any] | None:
    """The signature in MLflow's words: what the model takes, and where it gives numbers and labels, those; None where it has no words for it.

    Args:
        code: Features are computed from inputs: either may be given.
    """
    if not code:
        fields = list(signature.features)
    else:
        own = {field.name for field in signature.features}
        fields = [replace(field, required=field.required and field.name in own) for field in signature.inputs]
        asked = {field.name for field in fields}
        fields += [replace(field, required=False) for field in signature.features if field.name not in asked]
    whole = [field.kind is Kind.TENSOR for field in fields]
    if any(whole) and not all(whole):
        return None
    inputs = [_tensor(field) if field.kind is Kind.TENSOR else _column(field) for field in fields]
    return {"inputs": json.dumps(inputs), **_outputs(signature)}


def _outputs(signature: Signature) -> dict[str, Any]:
    if signature.task is Task.BINARY and len(signature.classes) == 2:
        names: Sequence[tuple[str, str]] = (("prediction", "double"), ("label", "string"))
        return {"outputs": json.dumps([{"type": kind, "name": name, "required": True} for name, kind in names])}
    if signature.task.wide:
        return {}
    return {"outputs": json.dumps([{"type": "tensor", "tensor-spec": {"dtype": "float64", "shape": [-1]}}])}


def _column(field: Field) -> dict[str, Any]:
    """A number that may be missing is a double: MLflow's whole numbers have no word for that."""
    kind = "double" if field.kind in (Kind.INT, Kind.BOOL) and not field.required else _TYPES[field.kind]
    return {"type": kind, "name": field.name, "required": field.required}


def _tensor(field: Field) -> dict[str, Any]:
    return {"type": "tensor", "name": field.name, "tensor-spec": {"dtype": field.dtype, "shape": [-1, *field.shape]}}


def _yaml(told: Mapping[str, Any]) -> bytes:
    return yaml.safe_dump(dict(told), sort_keys=False, allow_unicode=True).encode()
