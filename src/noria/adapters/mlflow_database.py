"""Reads an MLflow tracking server's database: a SQLite file or PostgreSQL, of MLflow 2 or 3, with the server down or up."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from noria.core.errors import SettingsInvalid, Unavailable
from noria.core.importing import UNNAMED, ForeignExperiment, ForeignFile, ForeignLoggedModel, ForeignModel, ForeignRun, ForeignVersion
from noria.core.tracking import Point, TrackedDataset, TrackedInput

_PIECE = 1 << 20
_POINTS = 10_000
_PROXIED = "mlflow-artifacts"
_STATUSES = {1: "LOGGED_MODEL_PENDING", 2: "LOGGED_MODEL_READY", 3: "LOGGED_MODEL_UPLOAD_FAILED"}


class MlflowDatabase:
    """`noria.ports.foreign.Foreign` of `sqlite:///FILE` or `postgresql://…`.

    Args:
        artifacts: The folder that the server's `--artifacts-destination` names, for files that it proxied.

    Raises:
        Unavailable: the database does not answer, or is none of MLflow's.
        SettingsInvalid: another kind of database, or its driver is missing.
    """

    def __init__(self, uri: str, *, artifacts: Path | None = None) -> None:
        self._artifacts = artifacts
        self._db, self._mark = _opened(uri)
        if "experiments" not in self._tables():
            self.close()
            raise Unavailable(f"{uri.partition('@')[2] or uri} is no database of MLflow's: it has no table of experiments")

    def experiments(self) -> Iterator[ForeignExperiment]:
        """All, deleted ones too."""
        rows = self._rows("SELECT experiment_id, name, lifecycle_stage, creation_time FROM experiments ORDER BY experiment_id")
        for id, name, state, made in rows:
            tags = dict(self._rows("SELECT key, value FROM experiment_tags WHERE experiment_id = ?", id))
            yield ForeignExperiment(id=str(id), name=name, deleted=state == "deleted", created_ms=made or 0, tags=tags)

    def runs(self, experiment: str) -> Iterator[ForeignRun]:
        """All of an experiment, deleted ones too."""
        query = """SELECT run_uuid, name, user_id, status, lifecycle_stage, start_time, end_time, artifact_uri FROM runs
            WHERE experiment_id = ? ORDER BY start_time, run_uuid"""
        for id, name, person, status, state, start, end, files in self._rows(query, int(experiment)):
            tags = dict(self._rows("SELECT key, value FROM tags WHERE run_uuid = ?", id))
            yield ForeignRun(
                id=id,
                name=tags.get("mlflow.runName") or name or "",
                person=person or "",
                status=status or "",
                deleted=state == "deleted",
                start_ms=start or 0,
                end_ms=end,
                files=files or "",
                params=dict(self._rows("SELECT key, value FROM params WHERE run_uuid = ?", id)),
                tags=tags,
                metrics=[key for (key,) in self._rows("SELECT key FROM latest_metrics WHERE run_uuid = ? ORDER BY key", id)],
                inputs=self._inputs(id),
                made=self._made(id),
            )

    def points(self, run: str, metrics: Sequence[str]) -> Iterator[list[Point]]:
        """All points of a run, some thousand at a time."""
        cursor = self._db.cursor()
        cursor.execute(self._said("SELECT key, value, step, timestamp, is_nan FROM metrics WHERE run_uuid = ?"), (run,))
        while piece := cursor.fetchmany(_POINTS):
            yield [Point(key, math.nan if nan else float(value), int(step or 0), int(at)) for key, value, step, at, nan in piece]

    def logged_models(self, experiment: str) -> Iterator[ForeignLoggedModel]:
        """All of an experiment that are not deleted; MLflow 2 had none."""
        if "logged_models" not in self._tables():
            return
        query = """SELECT model_id, name, model_type, source_run_id, status, creation_timestamp_ms, artifact_location FROM logged_models
            WHERE experiment_id = ? AND lifecycle_stage = 'active' ORDER BY creation_timestamp_ms"""
        for id, name, type, run, status, made, files in self._rows(query, int(experiment)):
            yield ForeignLoggedModel(
                id=id,
                name=name,
                type=type or "",
                run=run or "",
                status=_STATUSES.get(status, ""),
                created_ms=made,
                files=files,
                params=dict(self._rows("SELECT param_key, param_value FROM logged_model_params WHERE model_id = ?", id)),
                tags=dict(self._rows("SELECT tag_key, tag_value FROM logged_model_tags WHERE model_id = ?", id)),
            )

    def models(self) -> Iterator[ForeignModel]:
        """All registered models and prompts."""
        aliased = "registered_model_aliases" in self._tables()
        for name, description, made in self._rows("SELECT name, description, creation_time FROM registered_models ORDER BY name"):
            pairs = self._rows("SELECT alias, version FROM registered_model_aliases WHERE name = ?", name) if aliased else []
            yield ForeignModel(
                name=name,
                description=description or "",
                created_ms=made or 0,
                tags=dict(self._rows("SELECT key, value FROM registered_model_tags WHERE name = ?", name)),
                aliases={alias: int(version) for alias, version in pairs},
                versions=self._versions(name),
            )

    def files(self, uri: str) -> Iterator[ForeignFile] | None:
        """The files below a folder of this machine, or below `artifacts`."""
        root = self._folder(uri)
        return None if root is None else _walk(root)

    def content(self, uri: str, path: str) -> Iterator[bytes]:
        """A file's bytes, piece by piece."""
        root = self._folder(uri)
        if root is None:
            raise Unavailable(f"{uri} cannot be reached from here")
        with (root / path).open("rb") as file:
            while piece := file.read(_PIECE):
                yield piece

    def close(self) -> None:
        """Close the connection."""
        self._db.close()

    def _folder(self, uri: str) -> Path | None:
        parts = urlsplit(uri)
        if parts.scheme == _PROXIED:
            return None if self._artifacts is None else self._artifacts / parts.path.strip("/")
        if parts.scheme not in ("", "file"):
            return None
        folder = Path(unquote(parts.path) if parts.scheme else uri)
        return folder if folder.is_absolute() and folder.parent.exists() else None

    def _versions(self, name: str) -> list[ForeignVersion]:
        query = """SELECT version, description, user_id, current_stage, source, run_id, run_link, creation_time FROM model_versions
            WHERE name = ? AND current_stage <> 'Deleted_Internal' ORDER BY version"""
        return [
            ForeignVersion(
                number=int(number),
                description=description or "",
                person=person or "",
                stage=stage or "",
                source=source or "",
                run=run or "",
                model_id=source.removeprefix("models:/") if (source or "").startswith("models:/m-") else "",
                run_link=link or "",
                created_ms=made or 0,
                tags=dict(self._rows("SELECT key, value FROM model_version_tags WHERE name = ? AND version = ?", name, number)),
            )
            for number, description, person, stage, source, run, link, made in self._rows(query, name)
        ]

    def _inputs(self, run: str) -> list[TrackedInput]:
        if "inputs" not in self._tables():
            return []
        query = """SELECT i.input_uuid, d.name, d.digest, d.dataset_source_type, d.dataset_source, d.dataset_schema, d.dataset_profile
            FROM inputs i JOIN datasets d ON d.dataset_uuid = i.source_id
            WHERE i.destination_id = ? AND i.source_type = 'DATASET' AND i.destination_type = 'RUN'"""
        return [
            TrackedInput(
                dataset=TrackedDataset(
                    name=name or UNNAMED,
                    digest=digest or UNNAMED,
                    source_type=type or UNNAMED,
                    source=source or UNNAMED,
                    form=form or "",
                    profile=profile or "",
                ),
                tags=dict(self._rows("SELECT name, value FROM input_tags WHERE input_uuid = ?", id)),
            )
            for id, name, digest, type, source, form, profile in self._rows(query, run)
        ]

    def _made(self, run: str) -> list[tuple[str, int]]:
        if "logged_models" not in self._tables():
            return []
        query = "SELECT destination_id, step FROM inputs WHERE source_id = ? AND source_type = 'RUN_OUTPUT' AND destination_type = 'MODEL_OUTPUT'"
        return [(id, int(step or 0)) for id, step in self._rows(query, run)]

    def _tables(self) -> set[str]:
        source = "sqlite_master WHERE type = 'table'" if self._mark == "?" else "information_schema.tables"
        return {name for (name,) in self._rows(f"SELECT {'name' if self._mark == '?' else 'table_name'} FROM {source}")}

    def _rows(self, query: str, *args: Any) -> list[tuple[Any, ...]]:
        try:
            cursor = self._db.cursor()
            cursor.execute(self._said(query), args)
            found: list[tuple[Any, ...]] = cursor.fetchall()
        except Exception as error:
            raise Unavailable(f"the database of MLflow does not answer: {str(error)[:300]}") from error
        return found

    def _said(self, query: str) -> str:
        return query.replace("?", self._mark)


def _opened(uri: str) -> tuple[Any, str]:
    """A connection that only reads, and what its placeholders look like."""
    parts = urlsplit(uri)
    if parts.scheme == "sqlite":
        file = Path(unquote(parts.path.removeprefix("/") if not parts.path.startswith("//") else parts.path[1:])).absolute()
        if not file.is_file():
            raise Unavailable(f"there is no {file}", fix="an absolute path has four slashes: sqlite:////srv/mlflow.db")
        return sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True), "?"
    if parts.scheme.partition("+")[0] in ("postgresql", "postgres"):
        try:
            import psycopg
        except ImportError as error:
            raise SettingsInvalid("the database is PostgreSQL, but its driver is missing", fix='pip install "noria[postgres]"') from error
        try:
            return psycopg.connect(f"postgresql{uri[len(parts.scheme) :]}", autocommit=True), "%s"
        except psycopg.OperationalError as error:
            raise Unavailable(f"PostgreSQL does not answer: {str(error)[:300]}") from error
    raise SettingsInvalid(f"{parts.scheme}:// is not read", fix="name sqlite:///FILE, postgresql://…, or the server as http://host:port")


def _walk(root: Path) -> Iterator[ForeignFile]:
    for file in sorted(root.rglob("*")):
        if file.is_file() and not file.is_symlink():
            yield ForeignFile(path=file.relative_to(root).as_posix(), size_bytes=file.stat().st_size)
