"""Opens a model file from elsewhere in a process of its own first: a file that ends that process ends nobody else's."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from noria.core.errors import ArtifactRejected, NoriaError
from noria.core.schema import Signature
from noria.packaging.networks import Sample
from noria.ports import wire

TIMEOUT_S = 120.0
_REFUSED = 3
_MATRIX = "noria:matrix"


def tried(kind: str, content: bytes, signature: Signature, sample: Sample) -> None:
    """Open the file and let it answer the sample, in another process.

    Raises:
        ArtifactRejected: it refuses, ends that process, or is not done in time.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "model").write_bytes(content)
        (folder / "signature").write_bytes(wire.dump(signature))
        arrays = {_MATRIX: sample} if isinstance(sample, np.ndarray) else dict(sample)
        np.savez(str(folder / "rows.npz"), allow_pickle=False, **arrays)
        _run(kind, folder)


def converted(content: bytes) -> bytes:
    """A CatBoost binary file as CatBoost's JSON, converted in another process.

    Raises:
        ArtifactRejected: CatBoost cannot open it, or it ends that process.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "model").write_bytes(content)
        _run("catboost-binary", folder)
        return (folder / "out").read_bytes()


def _run(kind: str, folder: Path) -> None:
    command = [sys.executable, "-m", "noria.packaging.trial", kind, str(folder)]
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=TIMEOUT_S)
    except subprocess.TimeoutExpired as error:
        raise ArtifactRejected(f"the model file was not open after {TIMEOUT_S:.0f} s", fix="copy the file again") from error
    if done.returncode == _REFUSED:
        raise ArtifactRejected(
            done.stdout.decode(errors="replace").strip()[:500] or "the model file was refused", fix="copy the file again"
        )
    if done.returncode:
        raise ArtifactRejected(f"the model file ends the process that opens it (exit code {done.returncode})", fix="copy the file again")


def main(kind: str, folder: Path) -> int:
    """The other process."""
    content = (folder / "model").read_bytes()
    try:
        if kind == "catboost-binary":
            from noria.packaging import catboost_model

            (folder / "out").write_bytes(catboost_model.dump(catboost_model.opened(content, "cbm")))
            return 0
        from noria.packaging import scorers

        signature = wire.load((folder / "signature").read_bytes(), Signature)
        scorer = scorers.open_scorer(kind, content, signature)
        with np.load(folder / "rows.npz", allow_pickle=False) as kept:
            arrays = {name: kept[name] for name in kept.files}
        rows: Sample = arrays[_MATRIX] if list(arrays) == [_MATRIX] else arrays
        if all(len(array) for array in arrays.values()):
            scorers.asked(lambda: scorer.score(rows))
    except NoriaError as error:
        sys.stdout.write(f"{error.message}\0{error.fix}")
        return _REFUSED
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], Path(sys.argv[2])))
