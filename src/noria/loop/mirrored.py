"""Shows MLflow's clients what loops and deployments made: their versions, aliases and runs, brought into the tables after each step.

Documents and events say what happened; the tables are a view of them, which may be made again at any time. Where a client
registered the name first, it keeps it, and the deployment's own versions are seen in Noria alone.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from noria.core.errors import NoriaError, NotAllowed
from noria.core.moments import to_ms
from noria.core.registry import AliasMove, ModelVersion
from noria.core.rights import DEFAULT_PROJECT
from noria.core.state import LoopState
from noria.core.tracking import Point, RunStatus
from noria.core.training import Run, RunState
from noria.ledger.artifacts import index as artifacts
from noria.ledger.models import aliases as names
from noria.ledger.models import models, reading, versions
from noria.ledger.models.sources import Source
from noria.ledger.models.values import Keeper, Who
from noria.ledger.paging import every
from noria.ledger.tracking import experiments, points, runs
from noria.ports.sql import Tx
from noria.ports.store import Store

if TYPE_CHECKING:
    from noria.loop.world import World

TELLING = frozenset({"version.registered", "alias.moved", "candidate.trained"})
"""Events after which a model is looked at again."""

PLACE = "noria-models"
"""Below the root of artifacts: the folders of versions that were asked for, `noria-models/MODEL/NUMBER`."""

AT_ONCE = 1_000
OVERLAP = 64
"""Events that are read again: on PostgreSQL, one may appear behind another that was written later."""

Promote = Callable[..., None]
log = logging.getLogger("noria.mirrored")


class Mirror:
    """`noria.ledger.models.house.House`. Thread-safe; one at a time looks, the others wait for what it brings.

    Args:
        promote: (name, number, by=, reason=): lets a version answer.
        noria: The version of Noria that whoever pulls a model must have.
    """

    def __init__(self, world: World, promote: Promote, *, noria: str) -> None:
        assert world.store is not None
        self._world, self._promote, self._noria = world, promote, noria
        self._store: Store = world.store
        self._position = -1
        self._seen: deque[str] = deque(maxlen=4 * OVERLAP)
        self._looking = threading.Lock()

    def refresh(self) -> None:
        """Bring what was registered and moved since the last time into the tables."""
        with self._looking:
            if self._position < 0:
                self._begin()
            while True:
                lines = self._world.ledger.tail(after=max(self._position - OVERLAP, 0), limit=AT_ONCE)
                fresh = [(at, event) for at, event in lines if event.id not in self._seen]
                self._bring(dict.fromkeys(event.loop for _, event in fresh if event.kind in TELLING))
                self._seen.extend(event.id for _, event in fresh)
                self._position = max([self._position, *(at for at, _ in fresh)])
                if len(lines) < AT_ONCE:
                    return

    def promote(self, name: str, number: int, *, by: str, reason: str) -> None:
        """Let a version answer."""
        self._promote(name, number, by=by, reason=reason)

    def place(self, name: str, number: int) -> None:
        """Make the folder of a version that MLflow's client is about to load, if it is not there yet.

        Raises:
            NotAllowed: the version is no model by itself: it asks other deployments.
        """
        from noria.loop.planning import as_champion
        from noria.packaging.mlflow_folder import DESCRIPTION
        from noria.packaging.mlflow_written import Facts, folder

        found = self._world.documents.get(ModelVersion, f"{name}@{number:06d}")
        if found is None:
            return
        if any(entry.name == DESCRIPTION for entry in artifacts.listed(self._store, DEFAULT_PROJECT, path_of(name, number))):
            return
        if found.candidate.format == "graph":
            raise NotAllowed(f"{name}@{number} asks other deployments and has no files of its own", fix="pull one of its members")
        served = replace(as_champion(self._world, found), background="")
        facts = Facts(name=name, made_at=found.created_at, noria=self._noria, run=found.candidate.run, told=_told(found))
        files = folder(served, facts, blobs=self._world.blobs)
        sizes = {digest: self._world.blobs.path(digest).stat().st_size for digest in files.values()}
        now_ms = to_ms(self._world.wall.now())

        def work(tx: Tx) -> None:
            for file, digest in files.items():
                made = artifacts.Artifact(path=f"{path_of(name, number)}/{file}", digest=digest, size_bytes=sizes[digest])
                artifacts.put(tx, DEFAULT_PROJECT, made, now_ms=now_ms)

        self._store.write(work)

    def _begin(self) -> None:
        """All models that there are, the first time that this process looks."""
        found = self._store.read("SELECT position FROM noria_mirrored WHERE name = 'models'")
        if found:
            self._position = int(found[0][0])
            return
        newest = self._world.ledger.tail(limit=1, newest_first=True)
        position = newest[0][0] if newest else 0
        self._bring(dict.fromkeys(version.model for version in every(self._world.records, ModelVersion)))
        self._position = position
        self._remember()

    def _bring(self, loops: Iterable[str]) -> None:
        for name in loops:
            try:
                self._model(name)
                self._runs(name)
            except NoriaError as error:
                log.warning("%s is not shown to MLflow's clients as it is: %s", name, error.message)
        if loops:
            self._remember()

    def _remember(self) -> None:
        position = max(self._position, 0)
        self._store.write(
            lambda tx: tx.run(
                "INSERT INTO noria_mirrored (name, position) VALUES ('models', ?) ON CONFLICT (name) DO UPDATE SET position = "
                "CASE WHEN noria_mirrored.position < excluded.position THEN excluded.position ELSE noria_mirrored.position END",
                (position,),
            ),
            durable=False,
        )

    def _model(self, name: str) -> None:
        made = list(every(self._world.records, ModelVersion, model=name))
        if not made:
            return
        moves = sorted(every(self._world.records, AliasMove, model=name), key=lambda move: move.at)
        keeper = Keeper.LOOP if self._world.documents.get(LoopState, name) is not None else Keeper.DEPLOYMENT
        first = Who(by="noria", at_ms=to_ms(made[0].created_at))

        def work(tx: Tx) -> None:
            said = f"the {keeper} {name} of Noria"
            if models.insert(tx, first, name, description=said, tags={"noria.kept_by": keeper}, keeper=keeper) is not None:
                models.announced_model(tx, None, first, name, description=said, tags={})
            place = reading.locked(tx, DEFAULT_PROJECT, name)
            if place.keeper is Keeper.CLIENTS:
                return
            for version in made:
                if not tx.run("SELECT 1 FROM noria_model_versions WHERE model = ? AND number = ?", (place.row, version.number)):
                    self._version(tx, place, version)
            for move in moves:
                _move(tx, place, move)

        self._store.write(work)

    def _version(self, tx: Tx, place: reading.Place, version: ModelVersion) -> None:
        who = Who(by="noria", at_ms=to_ms(version.created_at))
        where = f"mlflow-artifacts:/{path_of(version.model, version.number)}"
        source = Source(source=where, location=where, run=version.candidate.run)
        said = "; ".join(f"{one.gate}: {one.reason}" for one in version.verdict.results)[:2_000]
        tags = _tags(version)
        versions.insert(tx, who, place.row, version.number, source, description=said, tags=tags)
        versions.announced(tx, None, who, version.model, version.number, source, description=said, tags=tags)

    def _runs(self, name: str) -> None:
        """The runs of a loop, as those of an experiment that is called like it."""
        made = list(every(self._world.records, Run, loop=name))
        if not made:
            return
        known = {id for (id,) in self._store.read("SELECT id FROM noria_runs WHERE status <> ?", (RunStatus.RUNNING,))}
        fresh = [run for run in made if run.id not in known]
        if not fresh:
            return

        def work(tx: Tx) -> None:
            found = tx.run("SELECT id FROM noria_experiments WHERE project = ? AND name = ?", (DEFAULT_PROJECT, name))
            now_ms = to_ms(self._world.wall.now())
            experiment = found[0][0] if found else experiments.create(tx, DEFAULT_PROJECT, name, now_ms=now_ms, tags={"noria.loop": name})
            for run in fresh:
                _show(tx, experiment, run)

        self._store.write(work)


def path_of(name: str, number: int) -> str:
    """Where a version's folder lies below the root of artifacts."""
    return f"{PLACE}/{name}/{number}"


def _move(tx: Tx, place: reading.Place, move: AliasMove) -> None:
    """An alias as it was moved, if that was not seen yet."""
    at_ms = to_ms(move.at)
    ((last,),) = tx.run(
        "SELECT max(at_ms) FROM noria_model_moves WHERE model = ? AND kind = 'alias' AND subject = ?", (place.row, move.alias)
    )
    if last is None or last < at_ms:
        who = Who(by=move.by, at_ms=at_ms, reason=move.reason)
        names.pointed(tx, None, who, place, move.alias, move.after, reason=move.reason)


def _show(tx: Tx, experiment: int, run: Run) -> None:
    start_ms = to_ms(run.started_at)
    tags = [("mlflow.source.name", run.loop), ("noria.turn", run.turn), ("noria.kind", run.kind)]
    if run.provenance is not None and run.provenance.commit:
        tags.append(("mlflow.source.git.commit", run.provenance.commit))
    runs.create(tx, DEFAULT_PROJECT, experiment, start_ms=start_ms, name=f"{run.kind} {run.turn}", person="noria", id=run.id, tags=tags)
    row = runs.open_row(tx, DEFAULT_PROJECT, run.id)
    runs.log_params(tx, row, run.id, [(key, str(value)) for key, value in run.params.items()])
    end_ms = to_ms(run.ended_at) if run.ended_at else start_ms
    points.log(tx, row, [Point(key, value, 0, end_ms) for key, value in run.metrics.items()])
    if run.ended_at is not None:
        ended = {RunState.COMPLETE: RunStatus.FINISHED}.get(run.state, RunStatus.FAILED)
        runs.update(tx, DEFAULT_PROJECT, run.id, status=ended, end_ms=end_ms)


def _told(version: ModelVersion) -> dict[str, str]:
    return {"turn": version.turn, "origin": version.origin, "code": version.code, "feature_set": version.feature_set}


def _tags(version: ModelVersion) -> dict[str, str]:
    """What a version says of itself: where it came from, what it was made from, and its marks."""
    facts = {
        "noria.turn": version.turn,
        "noria.origin": version.origin,
        "noria.artifact": version.candidate.artifact,
        "noria.code": version.code,
        "noria.feature_set": version.feature_set,
        "noria.datasets": ", ".join(version.datasets),
        "noria.format": version.candidate.format,
        "noria.task": version.candidate.signature.task,
        "noria.verdict": version.verdict.outcome,
    }
    marks = {
        f"noria.mark.{name}": f"{mark.value:.6g} [{mark.low:.6g}, {mark.high:.6g}]" for name, mark in version.scorecard.metrics.items()
    }
    return {key: str(value) for key, value in {**facts, **marks}.items() if value}
