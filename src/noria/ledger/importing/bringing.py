"""The whole way: experiment by experiment, run by run, then the registry; each noted when it is here.

Everything is written under its own id and written twice is written once, so an import that was cut off begins again and
passes by what is noted. Pieces are small: nobody else who writes waits long.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from noria.core.errors import NoriaError, RequestInvalid
from noria.core.importing import ForeignExperiment, ForeignModel, ForeignRun
from noria.core.rights import DEFAULT_PROJECT
from noria.core.tracking import Point
from noria.ledger.artifacts import index
from noria.ledger.artifacts.index import Artifact
from noria.ledger.artifacts.paths import kept_here
from noria.ledger.book import Ledger
from noria.ledger.importing import models, runs
from noria.ledger.importing.report import Report
from noria.ledger.models.values import Who
from noria.ports.foreign import Foreign
from noria.ports.sql import Tx
from noria.ports.store import Store

Keep = Callable[[Iterator[bytes]], tuple[str, int]]
"""Keeps pieces of a file as a blob; its digest and size."""

_POINTS = "SELECT count(*) FROM noria_points WHERE run = ?"
_PAIRS = "SELECT (SELECT count(*) FROM noria_params WHERE run = ?), (SELECT count(*) FROM noria_tags WHERE run = ?)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bringer:
    """Brings one source over.

    Attributes:
        source: What the notes of this source are filed under.
        keep: None = files stay where they are.
        told: Called with each thing that is about to be brought.
    """

    foreign: Foreign
    store: Store
    ledger: Ledger
    source: str
    now_ms: int
    by: str
    keep: Keep | None
    project: str = DEFAULT_PROJECT
    told: Callable[[str], None] = lambda _: None

    def bring(self) -> Report:
        """Bring everything that is not here yet, and count both sides.

        Raises:
            Unavailable: the source does not answer any more; what was brought stays.
        """
        report, moved = Report(), dict[str, str]()
        for experiment in self.foreign.experiments():
            self._experiment(experiment, report, moved)
        found = list(self.foreign.models())
        models.placed(found, moved)
        for model in found:
            with _left(report, f"model {model.name}"):
                self._model(model, report, moved)
        return report

    def _experiment(self, found: ForeignExperiment, report: Report, moved: dict[str, str]) -> None:
        self.told(f"experiment {found.name}")
        number = runs.experiment(self.store, self.project, found, now_ms=self.now_ms)
        report.there["experiments"] += 1
        report.here["experiments"] += len(self.store.read("SELECT 1 FROM noria_experiments WHERE id = ?", (number,)))
        for run in self.foreign.runs(found.id):
            with _left(report, f"run {run.id}"):
                self._run(run, number, report, moved)
        for model in self.foreign.logged_models(found.id):
            report.there["logged models"] += 1
            with _left(report, f"logged model {model.id}"):
                self.store.write(lambda tx, model=model: runs.logged_model(tx, self.project, number, model))  # type: ignore[misc]
                rows = self.store.read("SELECT artifacts FROM noria_logged_models WHERE id = ?", (model.id,))
                report.here["logged models"] += len(rows)
                moved[model.files] = moved[f"models:/{model.id}"] = rows[0][0]
                self._files("logged model", model.id, model.files, rows[0][0], report)

    def _run(self, found: ForeignRun, number: int, report: Report, moved: dict[str, str]) -> None:
        report.there["runs"] += 1
        elsewhere = self._elsewhere(found.id, number)
        if elsewhere:
            report.leave(f"run {found.id}", elsewhere)
            return
        if self._noted("run", found.id) == found.mark and found.end_ms is not None:
            report.skipped += 1
            report.there["points"] += self.store.read(f"{_POINTS.replace('?', '(SELECT row FROM noria_runs WHERE id = ?)')}", (found.id,))[
                0
            ][0]
            row = self.store.read("SELECT row FROM noria_runs WHERE id = ?", (found.id,))[0][0]
        else:
            self.told(f"run {found.name or found.id}")
            row = self.store.write(lambda tx: runs.run(tx, self.project, number, found, now_ms=self.now_ms))
            report.there["points"] += runs.some_points(self.store, row, _distinct(self.foreign.points(found.id, found.metrics)))
        here = self.store.read("SELECT artifacts FROM noria_runs WHERE row = ?", (row,))[0][0]
        moved[found.files] = moved[f"runs:/{found.id}"] = here
        self._files("run's files", found.id, found.files, here, report)
        self._count(found, row, report)
        self._note("run", found.id, found.id, found.mark)

    def _count(self, found: ForeignRun, row: int, report: Report) -> None:
        report.there.update(params=len(found.params), tags=len({*found.tags, "mlflow.runName"} if found.name else found.tags))
        params, tags = self.store.read(_PAIRS, (row, row))[0]
        report.here.update(runs=1, params=params, tags=tags, points=self.store.read(_POINTS, (row,))[0][0])

    def _elsewhere(self, id: str, number: int) -> str:
        """Why a run of that id cannot be brought: it is one of another experiment here."""
        rows = self.store.read("SELECT experiment FROM noria_runs WHERE id = ?", (id,))
        return "another experiment here has a run of this id" if rows and rows[0][0] != number else ""

    def _model(self, found: ForeignModel, report: Report, moved: dict[str, str]) -> None:
        self.told(f"model {found.name}")
        report.there.update({"registered models": 1, "versions": len(found.versions), "aliases": len(found.aliases)})
        who = Who(by=self.by, at_ms=self.now_ms, project=self.project, reason=f"brought over from {self.source}")
        try:
            why = models.model(self.store, self.ledger, who, found, moved=moved)
        except NoriaError as error:
            why = error.message
        if why:
            report.leave(f"model {found.name}", why)
            return
        rows = self.store.read("SELECT row FROM noria_models WHERE project = ? AND name = ?", (self.project, found.name))
        count = (
            "SELECT (SELECT count(*) FROM noria_model_versions WHERE model = ?), (SELECT count(*) FROM noria_model_aliases WHERE model = ?)"
        )
        versions, aliases = self.store.read(count, (rows[0][0], rows[0][0]))[0]
        report.here.update({"registered models": 1, "versions": versions, "aliases": aliases})
        for version in found.versions:
            place = models.source(version, moved).location
            if kept_here(place) is None and "mlflow.prompt.is_prompt" not in version.tags:
                report.leave(f"files of {found.name}/{version.number}", f"they stay at {place}")

    def _files(self, what: str, id: str, there: str, here: str, report: Report) -> None:
        root = kept_here(here)
        if self.keep is None or root is None or self._noted("files", f"{what} {id}"):
            if self._noted("files", f"{what} {id}"):
                held = len(index.tree(self.store, self.project, root or ""))
                report.there["files"] += held
                report.here["files"] += held
            return
        found = self.foreign.files(there)
        if found is None:
            report.leave(f"{what} {id}", f"files at {there} cannot be reached from here")
            return
        failed = False
        for file in found:
            report.there["files"] += 1
            try:
                digest, size = self.keep(self.foreign.content(there, file.path))
                artifact = Artifact(path=f"{root}/{file.path}", digest=digest, size_bytes=size)
                self.store.write(lambda tx, artifact=artifact: index.put(tx, self.project, artifact, now_ms=self.now_ms))  # type: ignore[misc]
            except (NoriaError, OSError) as error:
                report.leave(f"{what} {id}: {file.path}", str(error)[:300])
                failed = True
                continue
            report.here["files"] += int(index.find(self.store, self.project, artifact.path).digest == digest)
            report.bytes += size
        if not failed:
            self._note("files", f"{what} {id}", here, "")

    def _noted(self, kind: str, id: str) -> str | None:
        rows = self.store.read("SELECT mark, here FROM noria_imported WHERE source = ? AND kind = ? AND id = ?", (self.source, kind, id))
        return (rows[0][0] or rows[0][1]) if rows else None

    def _note(self, kind: str, id: str, here: str, mark: str) -> None:
        upsert = "INSERT INTO noria_imported VALUES (?, ?, ?, ?, ?) ON CONFLICT (source, kind, id) DO UPDATE SET mark = excluded.mark"

        def work(tx: Tx) -> None:
            tx.run(upsert, (self.source, kind, id, here, mark))

        self.store.write(work)


@contextmanager
def _left(report: Report, what: str) -> Iterator[None]:
    """Leave what this house does not allow and MLflow's server took, such as a parameter without a name, and go on."""
    try:
        yield
    except RequestInvalid as error:
        report.leave(what, error.message)


def _distinct(pieces: Iterator[list[Point]]) -> Iterator[list[Point]]:
    """Each point once: a store that keeps one twice counts it once here."""
    for piece in pieces:
        yield list(dict.fromkeys(piece))
