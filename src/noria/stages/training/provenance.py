"""Writes down what a run is made with, so that it can be made again."""

from __future__ import annotations

import subprocess
from pathlib import Path

from noria.core.training import Provenance
from noria.packaging.installed import environment
from noria.ports import wire
from noria.ports.blobs import Blobs

DIFF_LIMIT = 10_000_000
"""Bytes of an uncommitted diff that are kept."""

UNTRACKED_LIMIT = 1_000
_GIT_PATIENCE_S = 20.0


def capture(code: str, folder: Path, *, blobs: Blobs, seed: int) -> Provenance:
    """Note the commit and the uncommitted diff around `folder`, the locked environment and the seed.

    Without git, or outside a repository, commit and diff are "".

    Args:
        code: Digest of the code snapshot.
        folder: Where the loop file lives.
        seed: What is set before user code runs.
    """
    commit = _git(folder, "rev-parse", "HEAD").strip()
    diff = _uncommitted(folder) if commit else ""
    return Provenance(
        code=code,
        commit=commit,
        diff=blobs.put(diff.encode()) if diff else "",
        environment=blobs.put(wire.dump(environment())),
        seed=seed,
    )


def _uncommitted(folder: Path) -> str:
    diff = _git(folder, "diff", "HEAD", "--no-ext-diff", "--no-color")[:DIFF_LIMIT]
    untracked = [name for name in _git(folder, "ls-files", "--others", "--exclude-standard").splitlines() if not name.startswith(".noria/")]
    return diff + "".join(f"# untracked: {name}\n" for name in untracked[:UNTRACKED_LIMIT])


def _git(folder: Path, *words: str) -> str:
    """What git says, or "" when it is not there, not in a repository, or too slow."""
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *words], capture_output=True, timeout=_GIT_PATIENCE_S, stdin=subprocess.DEVNULL, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.decode(errors="replace") if done.returncode == 0 else ""
