"""Another tracking server, to be read from beginning to end."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from noria.core.importing import ForeignExperiment, ForeignFile, ForeignLoggedModel, ForeignModel, ForeignRun
from noria.core.tracking import Point


class Foreign(Protocol):
    """Reads; one thread at a time. Whatever does not answer raises `Unavailable`; the import goes on where it was, later."""

    def experiments(self) -> Iterator[ForeignExperiment]:
        """All, deleted ones too."""
        ...

    def runs(self, experiment: str) -> Iterator[ForeignRun]:
        """All of an experiment, deleted ones too."""
        ...

    def points(self, run: str, metrics: Sequence[str]) -> Iterator[list[Point]]:
        """All points of a run, some thousand at a time."""
        ...

    def logged_models(self, experiment: str) -> Iterator[ForeignLoggedModel]:
        """All of an experiment; none where the server is too old to know them."""
        ...

    def models(self) -> Iterator[ForeignModel]:
        """All registered models and prompts."""
        ...

    def files(self, uri: str) -> Iterator[ForeignFile] | None:
        """The files below an address; None where they cannot be reached from here."""
        ...

    def content(self, uri: str, path: str) -> Iterator[bytes]:
        """A file's bytes, piece by piece."""
        ...

    def close(self) -> None:
        """Let go of connections."""
        ...
