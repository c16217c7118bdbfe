"""Lets a trusted Python model answer in a process that is started for it alone, and ends with it: what it leaves behind meets nobody."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from noria.core.errors import ArtifactRejected, NoriaError
from noria.core.schema import Signature
from noria.packaging import samples
from noria.packaging.samples import Sample
from noria.ports import wire

TIMEOUT_S = 300.0


def answers(content: bytes, signature: Signature, sample: Sample) -> np.ndarray:
    """What a Python archive's model answers to a sample, none to no rows.

    Raises:
        ArtifactRejected: it fails, ends its process, or is not done in time.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        samples.put(sample, folder)
        _run(content, signature, folder)
        return np.asarray(np.load(folder / "answers.npy", allow_pickle=False))


def classes(content: bytes, signature: Signature) -> tuple[str, ...]:
    """Class labels of a Python archive's model, as it tells them itself; none where it is no classifier.

    Raises:
        ArtifactRejected: it cannot be opened.
    """
    with tempfile.TemporaryDirectory() as name:
        _run(content, signature, Path(name))
        return tuple(json.loads(Path(name, "classes.json").read_bytes()))


def _run(content: bytes, signature: Signature, folder: Path) -> None:
    (folder / "model").write_bytes(content)
    (folder / "signature").write_bytes(wire.dump(signature))
    command = [sys.executable, "-m", "noria.packaging.python_trial", str(folder)]
    quiet = subprocess.DEVNULL
    try:
        done = subprocess.run(command, stdin=quiet, stdout=quiet, stderr=quiet, timeout=TIMEOUT_S)
    except subprocess.TimeoutExpired as error:
        raise ArtifactRejected(f"the Python model had not answered after {TIMEOUT_S:.0f} s", fix="let it load less") from error
    refusal = folder / "refusal.json"
    if refusal.exists():
        said, fix = json.loads(refusal.read_bytes())
        raise ArtifactRejected(said, fix=fix or "mend its code")
    if done.returncode:
        raise ArtifactRejected(f"the Python model ends the process that runs it (exit code {done.returncode})", fix="mend its code")


def main(folder: Path) -> None:
    """The other process."""
    from noria.packaging.python_class import PythonScorer
    from noria.packaging.scorers import asked

    try:
        scorer = PythonScorer((folder / "model").read_bytes(), wire.load((folder / "signature").read_bytes(), Signature))
        (folder / "classes.json").write_text(json.dumps(scorer.classes()))
        rows = samples.taken(folder)
        if rows is not None:
            given = asked(lambda: scorer.score(rows)) if samples.has_rows(rows) else np.empty(0)
            np.save(folder / "answers.npy", given, allow_pickle=False)
    except NoriaError as error:
        (folder / "refusal.json").write_text(json.dumps([error.message, error.fix]))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
