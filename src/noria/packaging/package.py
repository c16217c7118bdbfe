"""A model on disk: save it, load it, ask what matters to it. No code runs from a model file, unless it is Python that somebody trusts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import numpy as np

from noria.core.errors import ArtifactRejected
from noria.core.examination.threshold import ThresholdChoice
from noria.core.schema import Signature
from noria.core.training import Candidate, Provenance, Recipe
from noria.packaging import manifest as manifests
from noria.packaging import python_trial, python_zip, trial
from noria.packaging.audit import audit
from noria.packaging.formats import LIBRARIES, write
from noria.packaging.manifest import FILES, Manifest
from noria.packaging.parity import Parity, compared, fit_signature
from noria.packaging.samples import Sample
from noria.packaging.scorer import Scorer
from noria.packaging.scorers import asked, open_scorer
from noria.ports import wire
from noria.ports.blobs import Blobs

_TRIES = 7
_TOGETHER = 16
"""Rows that come together under load."""


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
    parity_mean_diff: float = 0.0
    parity_rows: int = 0
    parity_flipped: float = 0.0

    def candidate(
        self,
        signature: Signature,
        *,
        recipe: Recipe,
        provenance: Provenance,
        made_from: tuple[str, ...] = (),
        run: str = "",
        choice: ThresholdChoice | None = None,
    ) -> Candidate:
        """The candidate that this package is, with what it was made from and by."""
        return Candidate(
            artifact=self.artifact,
            made_from=made_from,
            signature=signature,
            recipe=recipe,
            provenance=provenance,
            format=self.format,
            serving_form=self.serving_form,
            size_bytes=self.size_bytes,
            parity_max_diff=self.parity_max_diff,
            parity_mean_diff=self.parity_mean_diff,
            parity_rows=self.parity_rows,
            parity_flipped=self.parity_flipped,
            run=run,
            choice=choice,
        )


def save(model: object, signature: Signature, sample: Sample, *, blobs: Blobs, scratch: Path) -> Packed:
    """Keep a fitted model under its digest, with a compiled form if that answers alike on `sample`.

    Args:
        model: A model of LightGBM, XGBoost or CatBoost (their Booster, or a scikit-learn style
            class), a scikit-learn estimator or pipeline, a PyTorch module or Keras model (kept as the
            ONNX graph that it becomes), an ONNX ModelProto, or the bytes of a LightGBM text, an
            XGBoost JSON or UBJ, a CatBoost JSON or cbm, a skops or ONNX file; a `Trusted` Python class or
            object, or a `PythonModel`, which answers the sample in another process.
        signature: What it takes and gives.
        sample: Real rows, float64, shape (n, features), or for fields that are arrays one array per field;
            the more, the better the parity check.
        scratch: For formats that can only be written through a file; none of today's is.

    Raises:
        ArtifactRejected: it cannot be saved without pickle, or does not answer as its signature says.
    """
    written = write(model, signature, sample)
    if written.foreign:
        trial.tried(written.format, written.content, signature, sample)
    native = None if written.format == python_zip.FORMAT else open_scorer(written.format, written.content, signature)
    answers = python_trial.answers(written.content, signature, sample) if native is None else _answers(native, sample)
    fit_signature(answers, signature)
    forms, parity, note = {written.format: written.content}, Parity(), ""
    if written.answers is not None:
        parity = compared(written.answers, answers, signature.task, signature.threshold, tolerance=written.tolerance)
        if not parity.alike:
            raise ArtifactRejected(f"the saved model answers differently from the one in memory: {parity}", fix="save it as ONNX")
    if written.compilers and native is not None and isinstance(sample, np.ndarray):
        compiled, parity, note = _compiled(written.compilers, native, answers, sample)
        forms |= {"onnx": compiled} if compiled else {}
    manifest = Manifest(
        format=written.format,
        serving_form="onnx" if "onnx" in forms else written.format,
        files={FILES[form]: blobs.put(content) for form, content in forms.items()},
        signature=signature,
        libraries=manifests.versions((*LIBRARIES[written.format], *written.libraries)),
        parity_max_diff=parity.max_diff,
        parity_mean_diff=parity.mean_diff,
        parity_rows=parity.rows,
        parity_flipped=parity.flipped,
        note=note,
    )
    return Packed(
        artifact=blobs.put(wire.dump(manifest)),
        format=manifest.format,
        serving_form=manifest.serving_form,
        size_bytes=sum(map(len, forms.values())),
        parity_max_diff=parity.max_diff,
        note=note,
        parity_mean_diff=parity.mean_diff,
        parity_rows=parity.rows,
        parity_flipped=parity.flipped,
    )


def load(artifact: str, *, blobs: Blobs, form: str = "serving", python: bool = False) -> Scorer:
    """Open a package to score with: the "serving" form, or the "native" one that was saved.

    Args:
        python: Whether this process may run a Python model's own code: a job, or a process that serves this one version.

    Raises:
        BlobMissing: a file of the package is not there.
        ArtifactRejected: a file is not what its digest says, or may not be opened (here).
    """
    package = manifests.read(artifact, blobs=blobs)
    if package.format == manifests.GRAPH:
        raise ArtifactRejected("a graph has no model of its own: its members answer", fix="ask the data plane, or take one of its members")
    if package.format == python_zip.FORMAT:
        if not python:
            raise ArtifactRejected("the model is Python code, which runs only in processes of its own", fix="let the data plane answer")
        return open_scorer(python_zip.FORMAT, manifests.verified(package.file(form), blobs=blobs), package.signature)
    return scorer_of(manifests.verified(package.file(form), blobs=blobs), package.signature)


def scorer_of(content: bytes, signature: Signature) -> Scorer:
    """A model file opened to score with.

    Raises:
        ArtifactRejected: it may not be opened, or does not fit the signature.
    """
    return open_scorer(audit(content), content, signature)


def importance(artifact: str, *, blobs: Blobs) -> dict[str, float]:
    """Share of each feature in what the model goes by, by name; they add up to 1. Empty where the model does not say."""
    if manifests.read(artifact, blobs=blobs).format == python_zip.FORMAT:
        return {}
    scorer = load(artifact, blobs=blobs, form="native")
    weights = scorer.importance()
    names = [feature.name for feature in scorer.signature.features]
    total = float(weights.sum())
    if len(weights) != len(names) or not total > 0:
        return {}
    return {name: float(weight) / total for name, weight in zip(names, weights, strict=True)}


def answers(artifact: str, sample: Sample, *, blobs: Blobs) -> np.ndarray:
    """What a package answers to a sample; a Python model does so in another process.

    Raises:
        ArtifactRejected: it fails, or may not be opened.
    """
    package = manifests.read(artifact, blobs=blobs)
    if package.format == python_zip.FORMAT:
        return python_trial.answers(manifests.verified(package.file("serving"), blobs=blobs), package.signature, sample)
    return _answers(load(artifact, blobs=blobs), sample)


def manifest(artifact: str, *, blobs: Blobs) -> Manifest:
    """What the package says about itself."""
    return manifests.read(artifact, blobs=blobs)


def files(artifact: str, *, blobs: Blobs) -> tuple[str, ...]:
    """Digests of every blob that serving this package needs, the manifest's first."""
    return artifact, manifests.read(artifact, blobs=blobs).file("serving")


def _compiled(
    compilers: Sequence[Callable[[], bytes]], native: Scorer, answers: np.ndarray, sample: np.ndarray
) -> tuple[bytes, Parity, str]:
    """The first compiled form that answers alike and is not slower, or empty bytes and the reason why the model serves as it was saved."""
    if not len(sample):
        return b"", Parity(), "not compiled to ONNX: there were no rows to compare the answers on"
    notes = []
    signature = native.signature
    for compile in compilers:
        try:
            content = compile()
            scorer = open_scorer("onnx", content, signature)
            compiled = scorer.score(sample)
        except Exception as error:  # noqa: BLE001  (a converter fails in any way it likes; the reason is kept in the manifest)
            notes.append(f"{type(error).__name__}: {error}")
            continue
        parity = compared(answers, compiled, signature.task, signature.threshold)
        if not parity.alike:
            notes.append(str(parity))
        elif slower(scorer, native, sample[:_TOGETHER]):
            notes.append("its graph is slower than the model itself")
        else:
            return content, parity, ""
    return b"", Parity(), f"not compiled to ONNX: {notes[0]}"[:500]


def slower(one: Scorer, other: Scorer, rows: np.ndarray, *, clock: Callable[[], float] = perf_counter) -> bool:
    """Whether `one` takes more than twice as long as `other` for a row alone and rows together, by the best of several tries.

    What is near is left to chance.
    """
    best = []
    for scorer in (one, other):
        spent = []
        for _ in range(_TRIES):
            began = clock()
            scorer.score(rows[:1])
            scorer.score(rows)
            spent.append(clock() - began)
        best.append(min(spent))
    return best[0] > 2 * best[1]


def _answers(scorer: Scorer, sample: Sample) -> np.ndarray:
    rows = sample if isinstance(sample, np.ndarray) else next(iter(sample.values()), ())
    return asked(lambda: scorer.score(sample) if len(rows) else np.empty(0))
