"""Writes down what a run is made with, so that it can be made again."""

from __future__ import annotations

import platform
import subprocess
from importlib.metadata import distributions
from pathlib import Path

from noria.core.training import Provenance
from noria.ports.blobs import Blobs

DIFF_LIMIT = 10_000_000
"""Bytes of an uncommitted diff that are kept."""

UNTRACKED_LIMIT = 1_000
_GIT_PATIENCE_S = 20.0


def capture(code: str, folder: Path, *, blobs: Blobs, seed: int) -> Provenance:
    """Note the commit and the uncommitted diff around `folder`, the installed packages and the seed.

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
        environment=blobs.put(environment().encode()),
        seed=seed,
    )


def environment() -> str:
    """`name==version` lines of all installed packages, sorted, then Python and the platform."""
    named = {(dist.metadata["Name"] or "").lower().replace("_", "-"): dist.version for dist in distributions()}
    packages = sorted(f"{name}=={version}" for name, version in named.items() if name)
    return "\n".join([*packages, f"# python {platform.python_version()}", f"# platform {platform.platform()}", ""])


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
