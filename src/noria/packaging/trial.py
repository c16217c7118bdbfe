"""Opens a model file from elsewhere in a process of its own first: a file that ends that process ends nobody else's."""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import select
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

from noria.core.errors import ArtifactRejected, NoriaError
from noria.core.schema import Signature
from noria.packaging import samples
from noria.packaging.samples import Sample
from noria.ports import wire

TIMEOUT_S = 120.0
IDLE_S = 20.0
"""The other process ends when it has had nothing to do for so long; until then one serves many files."""

_LOCK = threading.Lock()
_other: subprocess.Popen[bytes] | None = None


def tried(kind: str, content: bytes, signature: Signature, sample: Sample) -> None:
    """Open the file and let it answer the sample, in another process.

    Raises:
        ArtifactRejected: it refuses, ends that process, or is not done in time.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "model").write_bytes(content)
        (folder / "signature").write_bytes(wire.dump(signature))
        samples.put(sample, folder)
        _ask(kind, folder)


def converted(content: bytes) -> bytes:
    """A CatBoost binary file as CatBoost's JSON, converted in another process.

    Raises:
        ArtifactRejected: CatBoost cannot open it, or it ends that process.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "model").write_bytes(content)
        _ask("catboost-binary", folder)
        return (folder / "out").read_bytes()


def close() -> None:
    """End the other process, if there is one."""
    global _other
    ended, _other = _other, None
    if ended is not None:
        ended.kill()
        ended.wait()
        for pipe in (ended.stdin, ended.stdout):
            with contextlib.suppress(OSError):
                pipe.close()  # type: ignore[union-attr]


def _ask(kind: str, folder: Path) -> None:
    with _LOCK:
        told = _told(kind, folder)
        if told is None:
            # It had nothing to do and ended just now: another one takes this file.
            told = _told(kind, folder)
    if told is None:
        raise ArtifactRejected("no process could be started to try the model file in", fix="try again")
    if told["refused"]:
        raise ArtifactRejected(told["message"], fix=told["fix"] or "copy the file again")


def _told(kind: str, folder: Path) -> dict[str, Any] | None:
    """What the other process says of the file; None when it had ended by itself before it saw it."""
    global _other
    if _other is None or _other.poll() is not None:
        close()
        command = [sys.executable, "-m", "noria.packaging.trial"]
        _other = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert _other.stdin is not None and _other.stdout is not None
    try:
        _other.stdin.write(f"{kind}\t{folder}\n".encode())
        _other.stdin.flush()
    except BrokenPipeError:
        pass
    ready, _, _ = select.select([_other.stdout], [], [], TIMEOUT_S)
    if not ready:
        close()
        raise ArtifactRejected(f"the model file was not open after {TIMEOUT_S:.0f} s", fix="copy the file again")
    line = _other.stdout.readline()
    if line:
        found: dict[str, Any] = json.loads(line)
        return found
    code = _other.wait()
    close()
    if code == 0:
        return None
    raise ArtifactRejected(f"the model file ends the process that opens it (exit code {code})", fix="copy the file again")


def main() -> None:
    """The other process: a file per line, until nobody has one for a while."""
    said = os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    while select.select([sys.stdin], [], [], IDLE_S)[0]:
        kind, _, folder = sys.stdin.readline().rstrip("\n").partition("\t")
        if not folder:
            break
        said.write(json.dumps(_tried_here(kind, Path(folder))).encode() + b"\n")
        said.flush()


def _tried_here(kind: str, folder: Path) -> dict[str, Any]:
    content = (folder / "model").read_bytes()
    try:
        if kind == "catboost-binary":
            from noria.packaging import catboost_model

            (folder / "out").write_bytes(catboost_model.dump(catboost_model.opened(content, "cbm")))
        else:
            _answered(kind, content, folder)
    except NoriaError as error:
        return {"refused": True, "message": error.message, "fix": error.fix}
    except Exception as error:  # noqa: BLE001 - a stranger's file fails in any way it likes; it is told
        return {"refused": True, "message": f"the model file cannot be opened: {type(error).__name__}: {str(error)[:300]}", "fix": ""}
    return {"refused": False}


def _answered(kind: str, content: bytes, folder: Path) -> None:
    from noria.packaging import scorers

    scorer = scorers.open_scorer(kind, content, wire.load((folder / "signature").read_bytes(), Signature))
    rows = samples.taken(folder)
    if rows is not None and samples.has_rows(rows):
        scorers.asked(lambda: scorer.score(rows))


atexit.register(close)

if __name__ == "__main__":
    main()
