"""A model on disk: save it, load it, ask what matters to it. No code ever runs from a model file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from noria.core.errors import ArtifactRejected, NoriaError
from noria.core.schema import Signature
from noria.packaging import manifest as manifests
from noria.packaging import networks
from noria.packaging.audit import audit
from noria.packaging.manifest import FILES, Manifest
from noria.packaging.networks import Sample, export, is_network
from noria.packaging.parity import TOLERANCE, alike, fit_signature, largest_difference
from noria.packaging.scorer import Scorer
from noria.ports import wire
from noria.ports.blobs import Blobs

_LIBRARIES = {
    "lightgbm": ("lightgbm", "numpy"),
    "skops": ("scikit-learn", "skops", "lightgbm", "numpy", "skl2onnx", "onnxruntime"),
    "onnx": ("onnxruntime", "numpy"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Packed:
    """A saved model.

    Attributes:
        artifact: Digest of the manifest.
        size_bytes: Of all its model files.
        note: Why there is no compiled form, if one was tried.
    """

    artifact: str
    format: str
    serving_form: str
    size_bytes: int
    parity_max_diff: float
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Written:
    """A model as bytes, and what it answered on the sample while it was still in memory."""

    format: str
    content: bytes
    answers: np.ndarray | None = None
    compile: Callable[[], bytes] | None = None
    tolerance: float = TOLERANCE
    libraries: tuple[str, ...] = ()


def save(model: object, signature: Signature, sample: Sample, *, blobs: Blobs, scratch: Path) -> Packed:
    """Keep a fitted model under its digest, with a compiled form if that answers alike on `sample`.

    Args:
        model: LightGBM (Booster, LGBMClassifier, LGBMRegressor), a scikit-learn estimator or
            pipeline, a PyTorch module or Keras model (kept as the ONNX graph that it becomes), an ONNX
            ModelProto, or the bytes of a LightGBM text, skops or ONNX file.
        signature: What it takes and gives.
        sample: Real rows, float64, shape (n, features), or for fields that are arrays one array per field;
            the more, the better the parity check.
        scratch: For formats that can only be written through a file; none of today's is.

    Raises:
        ArtifactRejected: it cannot be saved without pickle, or does not answer as its signature says.
    """
    written = _write(model, signature, sample)
    native = _open(written.format, written.content, signature)
    answers = _answers(native, sample)
    fit_signature(answers, signature)
    forms, parity, note = {written.format: written.content}, 0.0, ""
    if written.answers is not None:
        if not alike(written.answers, answers, signature.task, signature.threshold, tolerance=written.tolerance):
            raise ArtifactRejected("the saved model answers differently from the one in memory", fix="save it as ONNX")
        parity = largest_difference(written.answers, answers)
    if written.compile is not None and isinstance(sample, np.ndarray):
        compiled, parity, note = _compiled(written.compile, answers, signature, sample)
        forms |= {"onnx": compiled} if compiled else {}
    manifest = Manifest(
        format=written.format,
        serving_form="onnx" if "onnx" in forms else written.format,
        files={FILES[form]: blobs.put(content) for form, content in forms.items()},
        signature=signature,
        libraries=manifests.versions((*_LIBRARIES[written.format], *written.libraries)),
        parity_max_diff=parity,
        note=note,
    )
    return Packed(
        artifact=blobs.put(wire.dump(manifest)),
        format=manifest.format,
        serving_form=manifest.serving_form,
        size_bytes=sum(map(len, forms.values())),
        parity_max_diff=parity,
        note=note,
    )


def load(artifact: str, *, blobs: Blobs, form: str = "serving") -> Scorer:
    """Open a package to score with: the "serving" form, or the "native" one that was saved.

    Raises:
        BlobMissing: a file of the package is not there.
        ArtifactRejected: a file is not what its digest says, or may not be opened.
    """
    package = manifests.read(artifact, blobs=blobs)
    return scorer_of(manifests.verified(package.file(form), blobs=blobs), package.signature)


def scorer_of(content: bytes, signature: Signature) -> Scorer:
    """A model file opened to score with.

    Raises:
        ArtifactRejected: it may not be opened, or does not fit the signature.
    """
    return _open(audit(content), content, signature)


def importance(artifact: str, *, blobs: Blobs) -> dict[str, float]:
    """Share of each feature in what the model goes by, by name; they add up to 1. Empty where the model does not say."""
    scorer = load(artifact, blobs=blobs, form="native")
    weights = scorer.importance()
    names = [feature.name for feature in scorer.signature.features]
    total = float(weights.sum())
    if len(weights) != len(names) or not total > 0:
        return {}
    return {name: float(weight) / total for name, weight in zip(names, weights, strict=True)}


def manifest(artifact: str, *, blobs: Blobs) -> Manifest:
    """What the package says about itself."""
    return manifests.read(artifact, blobs=blobs)


def files(artifact: str, *, blobs: Blobs) -> tuple[str, ...]:
    """Digests of every blob that serving this package needs, the manifest's first."""
    return artifact, manifests.read(artifact, blobs=blobs).file("serving")


def _write(model: object, signature: Signature, sample: Sample) -> _Written:
    """Recognise the framework and write its own format; each framework's file is imported only here and in `_open`."""
    if is_network(model):
        made = export(model, signature, sample)
        return _Written(format="onnx", content=made.content, answers=made.answers, tolerance=networks.TOLERANCE, libraries=made.libraries)
    if isinstance(model, (bytes, bytearray)):
        return _brought(bytes(model), len(signature.features))
    if type(model).__module__.partition(".")[0] in ("onnx", "onnx_ml_pb2"):
        from noria.packaging import onnx_graph

        return _Written(format="onnx", content=onnx_graph.dump(model))
    if not isinstance(sample, np.ndarray):
        raise ArtifactRejected(f"a {type(model).__name__} takes a matrix of numbers, not columns", fix="give the sample as one matrix")
    from noria.packaging import lightgbm_text

    if lightgbm_text.is_lightgbm(model):
        content = lightgbm_text.dump(model)
        return _Written(format="lightgbm", content=content, answers=lightgbm_text.predict(model, sample))
    if any(kind.__module__ == "sklearn.base" for kind in type(model).__mro__):
        from noria.packaging import skops_zip

        return _Written(
            format="skops",
            content=skops_zip.dump(model),
            answers=_asked(lambda: skops_zip.predict(model, sample, signature.task)),
            compile=lambda: _onnx_of(model, len(signature.features)),
        )
    raise ArtifactRejected(
        f"`train` returned a {type(model).__module__}.{type(model).__qualname__}, which Noria cannot save without pickle",
        fix="return a LightGBM or scikit-learn model, a PyTorch or Keras network, or the bytes of an ONNX graph",
    )


def _brought(content: bytes, width: int) -> _Written:
    """A file that somebody brings: what can be compiled is, as if it had just been fitted."""
    kind = audit(content)
    if kind != "skops":
        return _Written(format=kind, content=content)
    from noria.packaging import skops_zip

    return _Written(format=kind, content=content, compile=lambda: _onnx_of(skops_zip.construct(content), width))


def _onnx_of(model: object, width: int) -> bytes:
    from noria.packaging import onnx_compile

    return onnx_compile.compile_estimator(model, width)


def _open(kind: str, content: bytes, signature: Signature) -> Scorer:
    if kind == "lightgbm":
        from noria.packaging.lightgbm_text import LightgbmScorer

        return LightgbmScorer(content, signature)
    if kind == "onnx":
        from noria.packaging.onnx_graph import OnnxScorer

        return OnnxScorer(content, signature)
    from noria.packaging.skops_zip import SkopsScorer

    return SkopsScorer(content, signature)


def _compiled(compile: Callable[[], bytes], answers: np.ndarray, signature: Signature, sample: np.ndarray) -> tuple[bytes, float, str]:
    """The compiled form, or empty bytes and the reason why the model serves as it was saved."""
    try:
        content = compile()
        compiled = _open("onnx", content, signature).score(sample)
    except Exception as error:  # noqa: BLE001  (a converter fails in any way it likes; the reason is kept in the manifest)
        return b"", 0.0, f"not compiled to ONNX: {type(error).__name__}: {error}"[:500]
    if not len(sample):
        return b"", 0.0, "not compiled to ONNX: there were no rows to compare the answers on"
    if not alike(answers, compiled, signature.task, signature.threshold):
        return b"", 0.0, "not compiled to ONNX: on real rows its answers differ"
    return content, largest_difference(answers, compiled), ""


def _answers(scorer: Scorer, sample: Sample) -> np.ndarray:
    rows = sample if isinstance(sample, np.ndarray) else next(iter(sample.values()), ())
    return _asked(lambda: scorer.score(sample) if len(rows) else np.empty(0))


def _asked(ask: Callable[[], np.ndarray]) -> np.ndarray:
    try:
        return ask()
    except NoriaError:
        raise
    except Exception as error:
        raise ArtifactRejected(
            f"the model fails on real rows: {type(error).__name__}: {error}",
            fix="let it take missing values (NaN): put a SimpleImputer in front, or use a model that handles them",
        ) from error
