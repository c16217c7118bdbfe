"""Projects: made, described, removed when nothing is in them."""

from __future__ import annotations

from dataclasses import replace

from noria.core.errors import AlreadyThere, NotAllowed, NotFound
from noria.core.projects import Project, check_name
from noria.core.rights import DEFAULT_PROJECT
from noria.ledger.book import Ledger
from noria.ledger.documents import Documents
from noria.ledger.tracking.experiments import DEFAULT
from noria.ports.clock import Clock
from noria.ports.records import Append
from noria.ports.sql import Tx
from noria.ports.store import Store

LIMIT = 10_000

_HELD = (
    ("experiments", "noria_experiments WHERE project = ? AND name <> ?"),
    ("runs", "noria_runs r JOIN noria_experiments e ON e.id = r.experiment WHERE e.project = ? AND e.name = ?"),
    ("logged models", "noria_logged_models l JOIN noria_experiments e ON e.id = l.experiment WHERE e.project = ? AND e.name = ?"),
    ("traces", "noria_traces t JOIN noria_experiments e ON e.id = t.experiment WHERE e.project = ? AND e.name = ?"),
    ("scorers", "noria_scorers s JOIN noria_experiments e ON e.id = s.experiment WHERE e.project = ? AND e.name = ?"),
    ("registered models", "noria_models WHERE project = ?"),
    ("webhooks", "noria_webhooks WHERE project = ?"),
    ("files", "noria_artifacts WHERE project = ?"),
    ("evaluation datasets", "noria_evaluation_datasets WHERE project = ?"),
)


class Projects:
    """The projects of one installation. Thread-safe: each verb is one commit.

    What has experiments is a project too, for stores that are older than this and for what was brought over.
    """

    def __init__(self, store: Store, ledger: Ledger, wall: Clock) -> None:
        self._store, self._ledger, self._wall = store, ledger, wall
        self._documents = Documents(store)

    def all(self) -> list[Project]:
        """By name; the default project is always there."""
        names = [DEFAULT_PROJECT, *(str(name) for (name,) in self._store.read("SELECT DISTINCT project FROM noria_experiments", ()))]
        found = {name: Project(name=name) for name in names}
        found |= {one.name: one for one in self._documents.find(Project, limit=LIMIT) if one.removed_at is None}
        return [found[name] for name in sorted(found)]

    def get(self, name: str) -> Project:
        """One.

        Raises:
            NotFound: there is none of that name.
        """
        known = self._documents.get(Project, name)
        if known is not None and known.removed_at is None:
            return known
        if name != DEFAULT_PROJECT and not self._store.read("SELECT 1 FROM noria_experiments WHERE project = ? LIMIT 1", (name,)):
            raise NotFound(f"Workspace '{name[:80]}' not found", fix=f"noria projects add {name[:80]}")
        return Project(name=name)

    def add(self, name: str, *, description: str = "", by: str) -> Project:
        """Make one.

        Raises:
            RequestInvalid: the name can be none.
            AlreadyThere: there is one.
        """
        check_name(name)
        if any(one.name == name for one in self.all()):
            raise AlreadyThere(f"Workspace '{name}' already exists.")
        made = Project(name=name, description=description, made_at=self._wall.now(), by=by)
        self._keep(made, "project.added")
        return made

    def describe(self, name: str, description: str, *, by: str) -> Project:
        """Give another description.

        Raises:
            NotFound: there is no such project.
        """
        changed = replace(self.get(name), description=description, by=by)
        self._keep(changed, "project.described")
        return changed

    def remove(self, name: str, *, by: str) -> Project:
        """Take one away that holds nothing; deleted runs and experiments are held until they are collected.

        Raises:
            NotFound: there is no such project.
            NotAllowed: it is the default one, or something is in it.
        """
        gone = replace(self.get(name), removed_at=self._wall.now(), by=by)
        if name == DEFAULT_PROJECT:
            raise NotAllowed("the default project stays")

        def work(tx: Tx) -> None:
            for what, source in _HELD:
                if tx.run(f"SELECT 1 FROM {source} LIMIT 1", (name, DEFAULT)[: source.count("?")]):
                    raise NotAllowed(f"Workspace '{name}' still holds {what}", fix="delete them, then `noria gc`")
            held = "experiment IN (SELECT id FROM noria_experiments WHERE project = ?)"
            tx.run(f"DELETE FROM noria_experiment_tags WHERE {held}", (name,))
            tx.run("DELETE FROM noria_experiments WHERE project = ?", (name,))
            tx.file(self._documents.write(gone), self._event(gone, "project.removed"))

        self._store.write(work)
        return gone

    def _keep(self, project: Project, kind: str) -> None:
        before = self._documents.revision(Project, project.name)
        self._store.commit(self._documents.write(project, expect=before[1] if before else 0), self._event(project, kind))

    def _event(self, project: Project, kind: str) -> Append:
        return self._ledger.line(self._ledger.event(kind, loop="", subject=project.name, by=project.by))
