"""Where jobs run: training and tuning have their own processes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class JobState:
    """Where a job is; `state` is running, succeeded, failed or lost (its process is gone without a word)."""

    state: str
    exit_code: int | None = None
    tail: str = ""


class Launcher(Protocol):
    """Starts jobs that outlive their launcher. Idempotent by job id; any process may poll or stop a job."""

    def launch(self, job: str, command: Sequence[str], *, folder: Path, env: Mapping[str, str] | None = None) -> None:
        """Start `command` in `folder` unless the job is there already; its output goes to `folder/output.log`."""
        ...

    def poll(self, job: str, *, folder: Path) -> JobState:
        """Where the job is; "lost" also for one that was never started."""
        ...

    def stop(self, job: str, *, folder: Path, grace_s: float = 5.0) -> None:
        """End it and all its children; no error if it has ended."""
        ...
