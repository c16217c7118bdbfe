"""Make a run again: its own command, with parameters that are others, in its own code if that is wished."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
from pathlib import Path
from typing import Any

import typer

from noria.cli.console import answer, complaints
from noria.client.connection import Connection, Refused
from noria.client.looking import Seen
from noria.core.errors import NotAllowed, RequestInvalid

DIFF = "code/uncommitted.diff"


def clone(connection: Connection, run: Seen, changed: list[str], *, start: bool, exact: bool, as_json: bool) -> None:
    """Say how a run is made again, or do it; its exit code is then this command's."""
    command, folder = run.tags.get("noria.command", ""), run.tags.get("noria.folder", "")
    if not command:
        raise NotAllowed(f"the run {run.id} does not say what began it", fix="runs of `nr.run` do, unless with capture=False")
    params = _params(changed)
    commit = run.tags.get("mlflow.source.git.commit", "")
    if exact:
        folder = str(_checkout(connection, run, Path(folder), commit))
    elif commit and _head(Path(folder)) != commit:
        complaints.print(f"[yellow]the code in {folder} is not the run's commit {commit[:12]}[/] · --exact makes a checkout of it")
    environment = {"NORIA_PARAMS": json.dumps(params), "NORIA_CLONE_OF": run.id} if params else {"NORIA_CLONE_OF": run.id}
    if start:
        done = subprocess.run(shlex.split(command), cwd=folder or None, env={**os.environ, **environment}, check=False)
        raise typer.Exit(done.returncode)
    line = " ".join([*(f"{name}={shlex.quote(value)}" for name, value in environment.items()), command])
    told = {"run": run.id, "folder": folder, "command": command, "environment": environment, "commit": commit}
    answer(told, as_json=as_json, text=f"cd {shlex.quote(folder)}\n{line}".replace("[", "\\["))


def _params(changed: list[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for pair in changed:
        name, sign, text = pair.partition("=")
        if not sign or not name:
            raise RequestInvalid(f"{pair!r} is no name=value", fix="write for example --set lr=0.2")
        try:
            found[name] = json.loads(text)
        except ValueError:
            found[name] = text
    return found


def _checkout(connection: Connection, run: Seen, folder: Path, commit: str) -> Path:
    """A worktree of the run's commit beside its repository, with what was not committed."""
    if not commit:
        raise NotAllowed(f"the run {run.id} was not begun in a git repository", fix="leave --exact out")
    top = _git(folder, "rev-parse", "--show-toplevel")
    if not top:
        raise NotAllowed(f"{folder} is no git repository here", fix="clone its repository there, or leave --exact out")
    place = Path(top).parent / f"{Path(top).name}-run-{run.id[:12]}"
    if not place.exists():
        done = subprocess.run(
            ["git", "-C", top, "worktree", "add", "--detach", str(place), commit], capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise NotAllowed(f"git makes no checkout of {commit}: {done.stderr.strip()}", fix="fetch the commit first")
        diff = _diff(connection, run)
        if diff:
            applied = subprocess.run(
                ["git", "-C", str(place), "apply", "--whitespace=nowarn", "-"], input=diff, capture_output=True, check=False
            )
            if applied.returncode:
                complaints.print("[yellow]the run's uncommitted diff does not apply; the checkout is the bare commit[/]")
    try:
        return place / folder.resolve().relative_to(Path(top).resolve())
    except ValueError:
        return place


def _diff(connection: Connection, run: Seen) -> bytes:
    home = connection.get(f"/api/2.0/mlflow/runs/get?run_id={run.id}")["run"]["info"]["artifact_uri"]
    try:
        return connection.get_bytes(f"/api/2.0/mlflow-artifacts/artifacts/{home.removeprefix('mlflow-artifacts:').lstrip('/')}/{DIFF}")
    except Refused:
        return b""


def _head(folder: Path) -> str:
    return _git(folder, "rev-parse", "HEAD")


def _git(folder: Path, *words: str) -> str:
    try:
        done = subprocess.run(["git", "-C", str(folder), *words], capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
