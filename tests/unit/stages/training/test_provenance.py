from __future__ import annotations

import platform
import subprocess
from pathlib import Path

import numpy
import pytest

from noria.adapters.files import Files
from noria.packaging.locks import read_environment
from noria.stages.training.provenance import capture


@pytest.fixture
def blobs(tmp_path: Path) -> Files:
    return Files(tmp_path / "blobs")


def git(folder: Path, *words: str) -> str:
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "init.defaultBranch=main"]
    return subprocess.run(["git", *identity, *words], cwd=folder, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "repository"
    folder.mkdir()
    git(folder, "init")
    (folder / "loop.py").write_text("one = 1\n")
    git(folder, "add", ".")
    git(folder, "commit", "-m", "first")
    return folder


def test_a_clean_repository_has_a_commit_and_no_diff(repository: Path, blobs: Files) -> None:
    made = capture("sha256:c", repository, blobs=blobs, seed=5)
    assert (made.code, made.commit, made.diff, made.seed) == ("sha256:c", git(repository, "rev-parse", "HEAD"), "", 5)


def test_uncommitted_changes_and_untracked_names_are_kept(repository: Path, blobs: Files) -> None:
    (repository / "loop.py").write_text("one = 2\n")
    (repository / "fresh.py").write_text("")
    (repository / ".noria").mkdir()
    (repository / ".noria" / "noria.db").write_text("")
    diff = blobs.read(capture("", repository, blobs=blobs, seed=5).diff).decode()
    assert "+one = 2" in diff and "# untracked: fresh.py" in diff and ".noria" not in diff


def test_outside_a_repository_and_without_git_there_is_no_commit(tmp_path: Path, blobs: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert capture("", tmp_path, blobs=blobs, seed=5).commit == ""
    monkeypatch.setenv("PATH", "")
    made = capture("", tmp_path, blobs=blobs, seed=5)
    assert (made.commit, made.diff) == ("", "")


def test_the_environment_is_locked_and_the_same_each_time(tmp_path: Path, blobs: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    first, second = (capture("", tmp_path, blobs=blobs, seed=5).environment for _ in range(2))
    lock = read_environment(blobs.read(first))
    names = [one.name for one in lock.distributions]
    assert first == second
    assert names == sorted(set(names)) and lock.named()["numpy"].version == numpy.__version__
    assert (lock.python, lock.variables["OMP_NUM_THREADS"]) == (platform.python_version(), "3")
    assert lock.named()["numpy"].content.startswith("sha256:") and lock.named()["numpy"].license
