"""How much memory a served package takes, told from the size of its file."""

from __future__ import annotations

from noria.packaging import manifest as manifests
from noria.packaging.manifest import FILES
from noria.ports.blobs import Blobs

_OWN = {"lightgbm": (40_000, 1.2), "onnx": (150_000, 6.0), "graph": (10_000, 4.0)}
"""Form to bytes that each model takes whatever its size, and bytes for each byte of its file.

Measured by what a process grew by per model that it loaded (`bench/fleet.py` holds it against the truth again):
LightGBM of 5 to 200 trees took 13 kB + 1.0 to 1.1 times its text, ONNX of 0.3 to 220 kB 100 kB + 5 to 6 times its
graph; a deployment's own objects take some 20 kB more.
"""

_OTHERS = (1_000_000, 4.0)


def footprint_bytes(artifact: str, *, blobs: Blobs) -> int:
    """Bytes of memory that a package takes when it is loaded, about.

    Raises:
        BlobMissing: a file of the package is not there.
        ArtifactRejected: its manifest is not what its digest says.
    """
    package = manifests.read(artifact, blobs=blobs)
    each, per_byte = _OWN.get(package.serving_form, _OTHERS)
    size = blobs.path(package.file("serving")).stat().st_size if package.serving_form in FILES else 0
    return each + int(per_byte * size)
