"""What sources of versions are held against: the folders of runs and logged models, and other versions."""

from __future__ import annotations

from noria.ledger.models.sources import Root
from noria.ledger.models.values import RegisteredVersion
from noria.ledger.models.versions import Versions
from noria.ports.sql import Sql


class KnownOrigins:
    """`sources.Origins` of one project, from its tables."""

    def __init__(self, sql: Sql, versions: Versions, project: str) -> None:
        self._sql, self._versions, self._project = sql, versions, project

    def run(self, run: str) -> Root | None:
        """The folder of a run that is not deleted, or None."""
        rows = self._sql.read(
            "SELECT r.artifacts FROM noria_runs r JOIN noria_experiments e ON e.id = r.experiment WHERE r.id = ? AND e.project = ?",
            (run, self._project),
        )
        return Root(location=rows[0][0], run=run) if rows else None

    def model(self, model_id: str) -> Root | None:
        """The folder of a logged model, or None."""
        rows = self._sql.read(
            "SELECT l.artifacts, l.run FROM noria_logged_models l JOIN noria_experiments e ON e.id = l.experiment "
            "WHERE l.id = ? AND e.project = ? AND l.deleted_ms IS NULL",
            (model_id, self._project),
        )
        return Root(location=rows[0][0], run=rows[0][1]) if rows else None

    def version(self, reference: str) -> RegisteredVersion:
        """The version that a reference names, see `Versions.named`."""
        return self._versions.named(self._project, reference)
