"""A fitted model as a folder without pickle, in the layout of MLflow's models: what MLflow loads and `noria deploy` takes.

The layout and the flavours' fields are those of MLflow's documentation, "MLflow Models".
"""

from __future__ import annotations

import platform
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from typing import Any

import yaml

from noria.core.errors import ArtifactRejected
from noria.core.schema import Signature
from noria.packaging import describing
from noria.packaging.mlflow_written import signed

Files = dict[str, bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Written:
    """One model file and the flavour that reads it.

    Attributes:
        conf: The flavour's fields.
        libraries: Packages that its reader needs.
    """

    name: str
    content: bytes
    flavour: str
    conf: dict[str, Any]
    libraries: tuple[str, ...]
    signature: Signature | None = None


def folder(model: Any, *, run: str) -> Files:
    """The folder's files by their paths.

    Raises:
        ArtifactRejected: there is no way to write such a model without pickle.
    """
    written = _write(model)
    requirements = [f"{name}=={metadata.version(name)}" for name in written.libraries]
    python = platform.python_version()
    told: dict[str, Any] = {
        "flavors": {
            written.flavour: {**written.conf, "code": None},
            "python_function": {
                "loader_module": f"mlflow.{written.flavour}",
                "data": written.name,
                "model_path": written.name,
                "env": {"virtualenv": "python_env.yaml"},
                "python_version": python,
            },
        },
        "run_id": run,
        "utc_time_created": datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S.%f"),
    }
    signature = signed(written.signature, code=False) if written.signature is not None else None
    if signature:
        told["signature"] = {"inputs": signature["inputs"]}
    environment = {"python": python, "build_dependencies": ["pip"], "dependencies": ["-r requirements.txt"]}
    return {
        written.name: written.content,
        "requirements.txt": "\n".join(("mlflow", *requirements, "")).encode(),
        "python_env.yaml": yaml.safe_dump(environment).encode(),
        "MLmodel": yaml.safe_dump(told, sort_keys=False).encode(),
    }


def _write(model: Any) -> _Written:
    for kind, write in _WRITERS.items():
        if any(base.__module__.split(".")[0] == kind for base in type(model).__mro__):
            return write(model)
    raise ArtifactRejected(
        f"a {type(model).__module__}.{type(model).__qualname__} cannot be written without pickle",
        fix="save it in its library's own format and hand the file to run.log_file",
    )


def _lightgbm(model: Any) -> _Written:
    booster = getattr(model, "booster_", model)
    content = booster.model_to_string().encode()
    conf = {"data": "model.lgb", "model_class": "lightgbm.basic.Booster", "lgb_version": metadata.version("lightgbm")}
    return _Written(
        name="model.lgb",
        content=content,
        flavour="lightgbm",
        conf=conf,
        libraries=("lightgbm",),
        signature=describing.of_lightgbm(content),
    )


def _xgboost(model: Any) -> _Written:
    booster = model.get_booster() if hasattr(model, "get_booster") else model
    content = bytes(booster.save_raw("ubj"))
    package = next((name for name in ("xgboost", "xgboost-cpu") if _installed(name)), "xgboost")
    conf = {"data": "model.ubj", "model_class": "xgboost.core.Booster", "model_format": "ubj", "xgb_version": metadata.version(package)}
    return _Written(
        name="model.ubj",
        content=content,
        flavour="xgboost",
        conf=conf,
        libraries=(package,),
        signature=describing.of_xgboost(content),
    )


def _sklearn(model: Any) -> _Written:
    from skops.io import dumps, get_untrusted_types

    content = dumps(model)
    conf = {
        "pickled_model": "model.skops",
        "serialization_format": "skops",
        "skops_trusted_types": sorted(get_untrusted_types(data=content)),
        "sklearn_version": metadata.version("scikit-learn"),
    }
    try:
        signature = describing.of_estimator(model)
    except ArtifactRejected:
        signature = None
    return _Written(
        name="model.skops", content=content, flavour="sklearn", conf=conf, libraries=("scikit-learn", "skops"), signature=signature
    )


def _onnx(model: Any) -> _Written:
    conf = {"data": "model.onnx", "onnx_version": metadata.version("onnx"), "providers": ["CPUExecutionProvider"]}
    return _Written(name="model.onnx", content=model.SerializeToString(), flavour="onnx", conf=conf, libraries=("onnx", "onnxruntime"))


def _installed(package: str) -> bool:
    try:
        metadata.version(package)
    except metadata.PackageNotFoundError:
        return False
    return True


_WRITERS: dict[str, Callable[[Any], _Written]] = {"lightgbm": _lightgbm, "xgboost": _xgboost, "onnx": _onnx, "sklearn": _sklearn}
"""Top package of a model's class, or of one that it inherits from, to how it is written; the first that fits."""
