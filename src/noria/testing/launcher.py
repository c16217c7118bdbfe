"""What every launcher promises, as a test class to inherit."""

from __future__ import annotations

import sys
import time
from abc import abstractmethod
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from noria.ports.launcher import JobState, Launcher

PATIENCE_S = 30.0
_SLEEPS = [sys.executable, "-c", "import time; print('begun', flush=True); time.sleep(600)"]


def settled(launcher: Launcher, job: str, folder: Path) -> JobState:
    """The job's state once it no longer runs."""
    deadline = time.monotonic() + PATIENCE_S
    while (state := launcher.poll(job, folder=folder)).state == "running" and time.monotonic() < deadline:
        time.sleep(0.02)
    return state


def wrote(file: Path, text: str = "") -> str:
    """What a job wrote to a file, once `text` is in it."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        if file.is_file() and text in (said := file.read_text()) and said:
            return said
        time.sleep(0.02)
    raise AssertionError(f"{file} never said {text!r}")


class LauncherContract:
    """Inherit as `class TestMine(LauncherContract)` and say how a launcher is made."""

    @abstractmethod
    def open(self) -> Launcher:
        """A launcher; any two see the same jobs."""

    @pytest.fixture
    def launcher(self) -> Launcher:
        """A launcher."""
        return self.open()

    def test_a_job_succeeds_with_its_output(self, launcher: Launcher, tmp_path: Path) -> None:
        launcher.launch("job", ["sh", "-c", "echo out; echo err >&2; pwd"], folder=tmp_path / "job")
        state = settled(launcher, "job", tmp_path / "job")
        assert (state.state, state.exit_code) == ("succeeded", 0)
        assert state.tail.splitlines() == ["out", "err", str(tmp_path / "job")]
        assert (tmp_path / "job" / "output.log").read_text() == state.tail

    def test_a_job_fails_with_its_exit_code(self, launcher: Launcher, tmp_path: Path) -> None:
        launcher.launch("job", ["sh", "-c", "exit 7"], folder=tmp_path)
        assert settled(launcher, "job", tmp_path) == JobState(state="failed", exit_code=7)

    def test_a_command_that_is_not_there_is_a_failed_job(self, launcher: Launcher, tmp_path: Path) -> None:
        launcher.launch("job", ["no-such-command-anywhere"], folder=tmp_path)
        state = settled(launcher, "job", tmp_path)
        assert state.state == "failed" and "no-such-command-anywhere" in state.tail

    def test_words_of_a_command_stay_what_they_are(self, launcher: Launcher, tmp_path: Path) -> None:
        words = ["two words", "$HOME", "; exit 3", "'", '"', "*", "-n", ""]
        launcher.launch("job", [sys.executable, "-c", "import sys; print(sys.argv[1:])", *words], folder=tmp_path)
        assert settled(launcher, "job", tmp_path).tail.strip() == str(words)

    def test_a_job_has_the_environment_that_it_was_given(self, launcher: Launcher, tmp_path: Path) -> None:
        launcher.launch("job", ["sh", "-c", "echo $WATER"], folder=tmp_path, env={"WATER": "high"})
        assert settled(launcher, "job", tmp_path).tail == "high\n"

    def test_a_job_that_was_never_started_is_lost(self, launcher: Launcher, tmp_path: Path) -> None:
        assert launcher.poll("job", folder=tmp_path / "nowhere") == JobState(state="lost")
        launcher.stop("job", folder=tmp_path / "nowhere")

    def test_launching_again_starts_nothing_new(self, launcher: Launcher, tmp_path: Path) -> None:
        command = ["sh", "-c", "echo begun; sleep 0.3"]
        for _ in range(3):
            launcher.launch("job", command, folder=tmp_path)
        assert settled(launcher, "job", tmp_path).tail == "begun\n"
        self.open().launch("job", command, folder=tmp_path)
        assert settled(launcher, "job", tmp_path).tail == "begun\n"

    def test_of_many_launchers_at_once_one_starts_the_job(self, tmp_path: Path) -> None:
        with ThreadPoolExecutor(8) as threads:
            list(threads.map(lambda _: self.open().launch("job", ["sh", "-c", "echo begun; sleep 1"], folder=tmp_path), range(8)))
        assert settled(self.open(), "job", tmp_path).tail == "begun\n"

    def test_a_job_that_was_launched_is_seen_at_once_and_by_everybody(self, launcher: Launcher, tmp_path: Path) -> None:
        launcher.launch("job", _SLEEPS, folder=tmp_path)
        assert launcher.poll("job", folder=tmp_path).state == self.open().poll("job", folder=tmp_path).state == "running"
        self.open().stop("job", folder=tmp_path)

    def test_stopping_ends_a_job_for_good(self, launcher: Launcher, tmp_path: Path) -> None:
        launcher.launch("job", _SLEEPS, folder=tmp_path)
        wrote(tmp_path / "output.log", "begun")
        launcher.stop("job", folder=tmp_path)
        assert launcher.poll("job", folder=tmp_path).state == "failed"
        launcher.stop("job", folder=tmp_path)
        launcher.launch("job", _SLEEPS, folder=tmp_path)
        assert launcher.poll("job", folder=tmp_path).state == "failed"

    def test_a_job_that_will_not_listen_is_ended_with_its_children(self, launcher: Launcher, tmp_path: Path) -> None:
        stubborn = "trap '' TERM; (trap '' TERM; while true; do date > beat; sleep 0.05; done) & echo begun; wait"
        launcher.launch("job", ["sh", "-c", stubborn], folder=tmp_path)
        wrote(tmp_path / "beat")
        launcher.stop("job", folder=tmp_path, grace_s=0.2)
        (tmp_path / "beat").unlink(missing_ok=True)
        time.sleep(0.3)
        assert not (tmp_path / "beat").exists()

    def test_stopping_a_job_that_has_ended_changes_nothing(self, launcher: Launcher, tmp_path: Path) -> None:
        launcher.launch("job", ["true"], folder=tmp_path)
        settled(launcher, "job", tmp_path)
        launcher.stop("job", folder=tmp_path)
        assert launcher.poll("job", folder=tmp_path).state == "succeeded"

    def test_the_tail_of_a_long_output_is_bounded(self, launcher: Launcher, tmp_path: Path) -> None:
        launcher.launch("job", [sys.executable, "-c", "print('x' * 1_000_000 + 'é' * 3_000)"], folder=tmp_path)
        tail = settled(launcher, "job", tmp_path).tail
        assert len(tail) <= 10_000 and tail.endswith("é\n")
