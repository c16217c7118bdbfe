"""What a run was made by: command line, script, Python, packages, git commit and uncommitted diff. Read in the background, bounded."""

from __future__ import annotations

import os
import platform
import shlex
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

DIFF_LIMIT_BYTES = 1 << 20
SCRIPT_LIMIT_BYTES = 1 << 20
GIT_PATIENCE_S = 10.0

Keep = Callable[[bytes, str], None]
"""Take a file's content and its path among the run's files."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """What can be read at once, without asking anybody."""

    command: tuple[str, ...]
    script: str
    folder: str

    def tags(self) -> dict[str, str]:
        """As a run's tags; those that other trackers know have the names that they know."""
        return {
            "mlflow.source.name": self.script,
            "mlflow.source.type": "NOTEBOOK" if self.script == "notebook" else "LOCAL",
            "mlflow.user": _user(),
            "noria.command": shlex.join(self.command),
            "noria.folder": self.folder,
            "noria.python": platform.python_version(),
            "noria.host": os.uname().nodename,
        }


def origin() -> Origin:
    """The process's command line, script and folder."""
    given = list(getattr(sys, "orig_argv", sys.argv)) or [sys.executable]
    if given[0] and os.sep not in given[0]:
        given[0] = sys.executable or given[0]
    script = sys.argv[0] if sys.argv and sys.argv[0] not in ("", "-c", "-m") else ""
    if "ipykernel" in sys.modules:
        script = "notebook"
    return Origin(command=tuple(given), script=script or "interactive", folder=_here())


def packages() -> str:
    """What is installed, as `name==version` lines, read from the names of folders alone: no file is opened."""
    found: dict[str, str] = {}
    for place in sys.path:
        try:
            names = [one.name for one in os.scandir(place or ".")]
        except OSError:
            continue
        for name in names:
            if name.endswith((".dist-info", ".egg-info")) and "-" in name:
                package, version = name.rsplit(".", 1)[0].split("-", 1)
                found.setdefault(package.replace("_", "-").lower(), version.split("-py")[0])
    return "".join(f"{name}=={found[name]}\n" for name in sorted(found))


def capture(source: Origin, keep: Keep) -> dict[str, str]:
    """Keep packages, script and diff as files, and return the tags that git has to say."""
    keep(packages().encode(), "environment/packages.txt")
    script = Path(source.folder) / source.script
    if script.is_file() and script.stat().st_size <= SCRIPT_LIMIT_BYTES:
        keep(script.read_bytes(), f"code/{script.name}")
    folder = script.parent if script.is_file() else Path(source.folder)
    commit = _git(folder, "rev-parse", "HEAD").decode().strip()
    if not commit:
        return {}
    diff = _git(folder, "diff", "HEAD", "--no-color", "--no-ext-diff", "--no-textconv", most=DIFF_LIMIT_BYTES + 1)
    if diff:
        note = b"\n# longer than a run keeps: cut here\n" if len(diff) > DIFF_LIMIT_BYTES else b""
        keep(diff[:DIFF_LIMIT_BYTES] + note, "code/uncommitted.diff")
    told = {
        "mlflow.source.git.commit": commit,
        "mlflow.source.git.branch": _git(folder, "rev-parse", "--abbrev-ref", "HEAD").decode().strip(),
        "mlflow.source.git.repoURL": _without_password(_git(folder, "config", "--get", "remote.origin.url").decode().strip()),
        "noria.git.dirty": "true" if diff else "false",
    }
    return {name: text for name, text in told.items() if text}


def _git(folder: Path, *words: str, most: int = 4_096) -> bytes:
    """What git answers, at most so many bytes; nothing when there is no git, no repository or no patience left."""
    environment = {**os.environ, "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0"}
    try:
        with subprocess.Popen(
            ["git", "-C", str(folder), *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment
        ) as asked:
            assert asked.stdout is not None
            try:
                told = asked.stdout.read(most)
                asked.stdout.close()
                asked.wait(GIT_PATIENCE_S)
            except subprocess.TimeoutExpired:
                asked.kill()
                return b""
        return told if asked.returncode == 0 or len(told) == most else b""
    except OSError:
        return b""


def _without_password(url: str) -> str:
    """A remote's address without the name and password that some carry."""
    scheme, sign, rest = url.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}" if sign else url


def _user() -> str:
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        if os.environ.get(name):
            return os.environ[name]
    try:
        import pwd

        return pwd.getpwuid(os.getuid()).pw_name
    except (ImportError, KeyError):
        return f"uid {os.getuid()}"


def _here() -> str:
    try:
        return str(Path.cwd())
    except OSError:
        return ""
