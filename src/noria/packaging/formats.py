"""What a model can be: how each library's models are recognised, written, compiled and opened. A library's own file is imported only then."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from typing import Any

import numpy as np

from noria.core.errors import ArtifactRejected
from noria.core.schema import Signature
from noria.core.trusting import Trusted
from noria.packaging import networks, python_zip
from noria.packaging.audit import audit
from noria.packaging.networks import export, is_network
from noria.packaging.parity import TOLERANCE
from noria.packaging.python_zip import PythonModel
from noria.packaging.samples import Sample
from noria.packaging.scorers import asked

LIBRARIES: Mapping[str, tuple[str, ...]] = {
    "lightgbm": ("lightgbm", "numpy"),
    "xgboost": ("xgboost", "xgboost-cpu", "numpy", "onnx", "onnxruntime"),
    "catboost": ("catboost", "numpy", "onnx", "onnxruntime"),
    "skops": ("scikit-learn", "skops", "lightgbm", "numpy", "skl2onnx", "onnxruntime"),
    "onnx": ("onnxruntime", "numpy"),
    "python": ("numpy", "mlflow", "mlflow-skinny"),
}
"""Format to the distributions whose versions a package names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A model as bytes, and what it answered on the sample while it was still in memory.

    Attributes:
        answers: None for a model that came as bytes.
        compilers: Ways to make its graph, the quickest to answer first; the first that answers alike serves. None = it serves as it is.
        foreign: It was made elsewhere: it is opened in another process first (see `trial`).
        tolerance: How far the answers of what was saved may be from `answers`.
        libraries: That took part, beside those of the format.
    """

    format: str
    content: bytes
    answers: np.ndarray | None = None
    compilers: Sequence[Callable[[], bytes]] = ()
    foreign: bool = False
    tolerance: float = TOLERANCE
    libraries: tuple[str, ...] = ()


def write(model: object, signature: Signature, sample: Sample) -> Written:
    """Recognise a fitted model and write it in its library's own format.

    Raises:
        ArtifactRejected: nobody here knows it, or it cannot be written without pickle.
    """
    if isinstance(model, Trusted):
        model = python_zip.of_trusted(model)
    if isinstance(model, PythonModel):
        return Written(format=python_zip.FORMAT, content=model.content)
    if is_network(model):
        made = export(model, signature, sample)
        return Written(format="onnx", content=made.content, answers=made.answers, tolerance=networks.TOLERANCE, libraries=made.libraries)
    if isinstance(model, (bytes, bytearray)):
        return _foreign(bytes(model), signature)
    names = {kind.__module__.partition(".")[0] for kind in type(model).__mro__}
    if names & {"onnx", "onnx_ml_pb2"}:
        from noria.packaging import onnx_graph

        return Written(format="onnx", content=onnx_graph.dump(model), foreign=True)
    if not isinstance(sample, np.ndarray):
        raise ArtifactRejected(f"a {type(model).__name__} takes a matrix of numbers, not columns", fix="give the sample as one matrix")
    for name in ("lightgbm", "xgboost", "catboost"):
        if name in names:
            return _BOOSTERS[name](model, signature, sample)
    if any(kind.__module__ == "sklearn.base" for kind in type(model).__mro__):
        from noria.packaging import skops_zip

        return Written(
            format="skops",
            content=skops_zip.dump(model),
            answers=asked(lambda: skops_zip.predict(model, sample, signature.task)),
            compilers=[partial(_estimator, model, len(signature.features), double=double) for double in (False, True)],
        )
    raise ArtifactRejected(
        f"`train` returned a {type(model).__module__}.{type(model).__qualname__}, which Noria cannot save without pickle",
        fix="return a LightGBM, XGBoost, CatBoost or scikit-learn model, a PyTorch or Keras network, the bytes of an ONNX graph, "
        "or nr.trusted(model) for a class of your own that may run as it is",
    )


def _foreign(content: bytes, signature: Signature) -> Written:
    kind = audit(content)
    if kind == "catboost-binary":
        from noria.packaging import trial

        kind, content = "catboost", trial.converted(content)
    return Written(format=kind, content=content, compilers=_compilers(kind, content, len(signature.features)), foreign=True)


def _lightgbm(model: Any, signature: Signature, sample: np.ndarray) -> Written:
    from noria.packaging import lightgbm_text

    content = lightgbm_text.dump(model)
    answers = lightgbm_text.predict(model, sample)
    return Written(format="lightgbm", content=content, answers=answers, compilers=_compilers("lightgbm", content, len(signature.features)))


def _xgboost(model: Any, signature: Signature, sample: np.ndarray) -> Written:
    from noria.packaging import xgboost_model

    content = xgboost_model.dump(model)
    answers = asked(lambda: xgboost_model.predict(model, sample))
    return Written(format="xgboost", content=content, answers=answers, compilers=_compilers("xgboost", content, len(signature.features)))


def _catboost(model: Any, signature: Signature, sample: np.ndarray) -> Written:
    from noria.packaging import catboost_model, catboost_trees

    content = catboost_model.dump(model)
    catboost_trees.forest_of(content)
    answers = asked(lambda: catboost_model.predict(model, sample, signature.task))
    return Written(format="catboost", content=content, answers=answers, compilers=_compilers("catboost", content, len(signature.features)))


_BOOSTERS: Mapping[str, Callable[[Any, Signature, np.ndarray], Written]] = {
    "lightgbm": _lightgbm,
    "xgboost": _xgboost,
    "catboost": _catboost,
}


def _compilers(kind: str, content: bytes, width: int) -> Sequence[Callable[[], bytes]]:
    if kind == "skops":
        return [partial(_brought, content, width, double=double) for double in (False, True)]
    if kind == "lightgbm":
        from noria.packaging import lightgbm_trees

        return (lambda: lightgbm_trees.compile_document(content, width),) if lightgbm_trees.gains(content) else ()
    if kind not in ("xgboost", "catboost"):
        return ()
    return (lambda: import_module(f"noria.packaging.{kind}_model").compile_document(content, width),)


def _estimator(model: object, width: int, *, double: bool) -> bytes:
    from noria.packaging import onnx_compile

    return onnx_compile.compile_estimator(model, width, double=double)


def _brought(content: bytes, width: int, *, double: bool) -> bytes:
    from noria.packaging import skops_zip

    return _estimator(skops_zip.construct(content), width, double=double)
