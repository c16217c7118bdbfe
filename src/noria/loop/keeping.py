"""Keeps the online store as fresh as the clock says: newest feature values by entity."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from noria.core.data import DatasetVersion
from noria.core.declaration.dataset import Dataset
from noria.core.declaration.features import FeatureView
from noria.core.errors import NoriaError
from noria.loop.source import anchored, scoped
from noria.loop.world import Declared, World
from noria.stages.data.versions import snapshot
from noria.stages.features.materialise import Materialiser


class Keeper:
    """Advances every feature view of the loops in force; for one thread.

    A dataset is read again when its files changed; a view is computed again when its dataset did.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._marks: dict[tuple[str, str], object] = {}
        self._versions: dict[tuple[str, str], DatasetVersion] = {}
        self._materialisers: dict[tuple[str, str, str], Materialiser] = {}
        self._complained: set[str] = set()

    def advance(self, declared: Declared, now: datetime) -> int:
        """Write every feature value that became known by `now`; returns rows written."""
        written = 0
        for view in scoped(declared.loop, declared.code):
            if not isinstance(view, FeatureView):
                continue
            try:
                version = self._version(declared, view.dataset, now)
                place = (declared.code, view.name, version.digest)
                if place not in self._materialisers:
                    self._materialisers[place] = Materialiser(view, version, blobs=self._world.blobs)
                written += self._materialisers[place].advance(self._world.online, now)
            except NoriaError as error:
                self._complain(declared.loop.name, view.name, error)
        return written

    def _version(self, declared: Declared, dataset: Dataset, now: datetime) -> DatasetVersion:
        place = (declared.code, dataset.name)
        source = anchored(dataset, declared.folder)
        mark = _mark(source)
        if self._marks.get(place) != mark:
            self._versions[place] = snapshot(source, blobs=self._world.blobs, at=now, scratch=self._world.scratch)
            self._world.documents.put(self._versions[place])
            self._marks[place] = mark
        return self._versions[place]

    def _complain(self, loop: str, view: str, error: NoriaError) -> None:
        said = f"{loop}/{view}: {error.message}"
        if said not in self._complained:
            self._complained.add(said)
            self._world.ledger.write(self._world.ledger.event("view.failed", loop=loop, subject=view, reasons=(error.message, error.fix)))


def _mark(dataset: Dataset) -> object:
    """Changes when the dataset's files do; a frame in memory never does."""
    if not isinstance(dataset.source, (str, Path)):
        return "in memory"
    source = Path(dataset.source)
    files = sorted(source.parent.glob(source.name)) if any(c in source.name for c in "*?[") else [source]
    return tuple((str(file), file.stat().st_mtime_ns, file.stat().st_size) for file in files if file.exists())
