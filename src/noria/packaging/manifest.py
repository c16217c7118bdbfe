"""What a package says about itself: the blob that a candidate's `artifact` names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache

from noria.core.errors import ArtifactRejected
from noria.core.ids import digest_of
from noria.core.schema import Signature
from noria.ports import wire
from noria.ports.blobs import Blobs

VERSION = 1

GRAPH = "graph"
"""The format of what has no model of its own, and asks other deployments."""

FILES = {
    "lightgbm": "model.txt",
    "xgboost": "model.ubj",
    "catboost": "model.json",
    "skops": "model.skops",
    "onnx": "model.onnx",
    "python": "model.zip",
    GRAPH: "graph.json",
}
"""Format to the name of its file in the package."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """One package.

    Attributes:
        version: Of this layout.
        format: What the model was saved as.
        serving_form: The format that serves.
        files: File name to digest.
        libraries: Library to the version that wrote it.
        parity_max_diff: Largest difference between the model as it was given and what serves, on sample rows.
        parity_mean_diff: Mean difference.
        parity_rows: Sample rows that both answered; 0 where there was nothing to compare, or nobody counted.
        parity_flipped: Share of them whose label differs.
        note: Why there is no compiled form, if one was tried.
    """

    version: int = VERSION
    format: str
    serving_form: str
    files: Mapping[str, str]
    signature: Signature
    libraries: Mapping[str, str]
    parity_max_diff: float = 0.0
    note: str = ""
    parity_mean_diff: float = 0.0
    parity_rows: int = 0
    parity_flipped: float = 0.0

    def file(self, form: str) -> str:
        """Digest of the file of a form: "serving", "native" or a format.

        Raises:
            ArtifactRejected: the package has no such form.
        """
        kind = {"serving": self.serving_form, "native": self.format}.get(form, form)
        digest = self.files.get(FILES.get(kind, ""))
        if digest is None:
            raise ArtifactRejected(
                f"the package has no {form!r} form; it holds {', '.join(sorted(self.files))}", fix="save the model again"
            )
        return digest


def read(artifact: str, *, blobs: Blobs) -> Manifest:
    """The manifest of a package.

    Raises:
        BlobMissing: it is not there.
        ArtifactRejected: its bytes are not what its digest says, or a newer Noria wrote it.
    """
    manifest = wire.load(verified(artifact, blobs=blobs), Manifest)
    if manifest.version > VERSION:
        raise ArtifactRejected(f"package {artifact} has layout {manifest.version}; this Noria reads up to {VERSION}", fix="upgrade Noria")
    return manifest


def verified(digest: str, *, blobs: Blobs) -> bytes:
    """The bytes of a blob, checked here too: whoever keeps them, what is opened is what was named.

    Raises:
        BlobMissing: it is not there.
        ArtifactRejected: the bytes are not what the digest says.
    """
    content = blobs.read(digest)
    if digest_of(content) != digest:
        raise ArtifactRejected(f"blob {digest} does not hold what its name says", fix="restore the blob store from a copy")
    return content


def versions(names: Iterable[str]) -> dict[str, str]:
    """Installed versions of libraries; those that are not installed are left out."""
    return {name: found for name in names if (found := _version(name))}


@cache
def _version(name: str) -> str:
    from importlib.metadata import PackageNotFoundError, version  # it loads the standard library's mail: nobody who serves needs it

    try:
        return version(name)
    except PackageNotFoundError:
        return ""
