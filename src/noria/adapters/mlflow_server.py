"""Reads an MLflow tracking server over its own protocol."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlsplit

import httpx

from noria.core.errors import Unavailable
from noria.core.importing import UNNAMED, ForeignExperiment, ForeignFile, ForeignLoggedModel, ForeignModel, ForeignRun, ForeignVersion
from noria.core.tracking import Point, TrackedDataset, TrackedInput

_V2 = "/api/2.0/mlflow/"
_ARTIFACTS = "/api/2.0/mlflow-artifacts/artifacts"
_PROXIED = "mlflow-artifacts"
_PIECE = 1 << 20
_PROMPTS = "tags.`mlflow.prompt.is_prompt` = 'true'"


class MlflowServer:
    """`noria.ports.foreign.Foreign` of `http://host:port`.

    Args:
        headers: With what its door asks for.
    """

    def __init__(self, url: str, *, headers: Mapping[str, str] | None = None) -> None:
        self._http = httpx.Client(base_url=url.rstrip("/"), headers=dict(headers or {}), timeout=60, follow_redirects=True)

    def experiments(self) -> Iterator[ForeignExperiment]:
        """All, deleted ones too."""
        for one in self._paged("experiments/search", {"view_type": "ALL", "max_results": 1_000}, "experiments"):
            yield ForeignExperiment(
                id=one["experiment_id"],
                name=one["name"],
                deleted=one.get("lifecycle_stage") == "deleted",
                created_ms=int(one.get("creation_time", 0)),
                tags=_pairs(one.get("tags")),
            )

    def runs(self, experiment: str) -> Iterator[ForeignRun]:
        """All of an experiment, deleted ones too."""
        asked = {"experiment_ids": [experiment], "run_view_type": "ALL", "max_results": 1_000, "order_by": ["attributes.start_time ASC"]}
        for one in self._paged("runs/search", asked, "runs"):
            info, data = one["info"], one.get("data", {})
            yield ForeignRun(
                id=info["run_id"],
                name=info.get("run_name", ""),
                person=info.get("user_id", ""),
                status=info.get("status", ""),
                deleted=info.get("lifecycle_stage") == "deleted",
                start_ms=int(info.get("start_time", 0)),
                end_ms=int(info["end_time"]) if info.get("end_time") else None,
                files=info.get("artifact_uri", ""),
                params=_pairs(data.get("params")),
                tags=_pairs(data.get("tags")),
                metrics=sorted({metric["key"] for metric in data.get("metrics", ())}),
                inputs=[_input(each) for each in one.get("inputs", {}).get("dataset_inputs", ())],
                made=[(each["model_id"], int(each.get("step", 0))) for each in one.get("outputs", {}).get("model_outputs", ())],
            )

    def points(self, run: str, metrics: Sequence[str]) -> Iterator[list[Point]]:
        """All points of a run, a page at a time."""
        for key in metrics:
            query = {"run_id": run, "metric_key": key, "max_results": "10000"}
            while True:
                said = self._get(f"{_V2}metrics/get-history", query)
                yield [_point(one) for one in said.get("metrics", ())]
                if not said.get("next_page_token"):
                    break
                query["page_token"] = said["next_page_token"]

    def logged_models(self, experiment: str) -> Iterator[ForeignLoggedModel]:
        """All of an experiment; none where the server is too old to know them."""
        try:
            found = list(self._paged("logged-models/search", {"experiment_ids": [experiment], "max_results": 50}, "models"))
        except Unavailable as error:
            if "404" in error.message:
                return
            raise
        for one in found:
            info, data = one["info"], one.get("data", {})
            yield ForeignLoggedModel(
                id=info["model_id"],
                name=info.get("name", ""),
                type=info.get("model_type", ""),
                run=info.get("source_run_id", ""),
                status=str(info.get("status", "")),
                created_ms=int(info.get("creation_timestamp_ms", 0)),
                files=info.get("artifact_uri", ""),
                params=_pairs(data.get("params")),
                tags=_pairs(info.get("tags")),
            )

    def models(self) -> Iterator[ForeignModel]:
        """All registered models and prompts."""
        for filter in ("", _PROMPTS):
            asked = {"max_results": 100, **({"filter": filter} if filter else {})}
            for one in self._paged_get("registered-models/search", asked, "registered_models"):
                yield ForeignModel(
                    name=one["name"],
                    description=one.get("description", ""),
                    created_ms=int(one.get("creation_timestamp", 0)),
                    tags=_pairs(one.get("tags")),
                    aliases={each["alias"]: int(each["version"]) for each in one.get("aliases", ())},
                    versions=sorted(self._versions(one["name"]), key=lambda version: version.number),
                )

    def files(self, uri: str) -> Iterator[ForeignFile] | None:
        """The files below an address that the server proxies."""
        return self._walk(_path(uri), "") if urlsplit(uri).scheme == _PROXIED else None

    def content(self, uri: str, path: str) -> Iterator[bytes]:
        """A file's bytes, piece by piece."""
        try:
            with self._http.stream("GET", f"{_ARTIFACTS}/{quote(_path(uri))}/{quote(path)}") as answer:
                answer.raise_for_status()
                yield from answer.iter_bytes(_PIECE)
        except httpx.HTTPError as error:
            raise Unavailable(f"{path} does not come: {error}") from error

    def close(self) -> None:
        """Hang up."""
        self._http.close()

    def _walk(self, root: str, below: str) -> Iterator[ForeignFile]:
        folder = "/".join(part for part in (root, below) if part)
        for one in self._get(_ARTIFACTS, {"path": folder}).get("files", ()):
            path = "/".join(part for part in (below, one["path"].rsplit("/", 1)[-1]) if part)
            if one.get("is_dir"):
                yield from self._walk(root, path)
            else:
                yield ForeignFile(path=path, size_bytes=int(one.get("file_size", 0)))

    def _versions(self, name: str) -> Iterator[ForeignVersion]:
        said = name.replace("'", "\\'")
        for one in self._paged_get("model-versions/search", {"filter": f"name='{said}'", "max_results": 1_000}, "model_versions"):
            yield ForeignVersion(
                number=int(one["version"]),
                description=one.get("description", ""),
                person=one.get("user_id", ""),
                stage=one.get("current_stage", ""),
                source=one.get("source", ""),
                run=one.get("run_id", ""),
                model_id=one.get("model_id") or "",
                run_link=one.get("run_link", ""),
                created_ms=int(one.get("creation_timestamp", 0)),
                tags=_pairs(one.get("tags")),
            )

    def _paged(self, path: str, body: dict[str, Any], name: str) -> Iterator[dict[str, Any]]:
        while True:
            said = self._said(self._http.build_request("POST", f"{_V2}{path}", json=body))
            yield from said.get(name, ())
            if not said.get("next_page_token"):
                return
            body = {**body, "page_token": said["next_page_token"]}

    def _paged_get(self, path: str, query: dict[str, Any], name: str) -> Iterator[dict[str, Any]]:
        while True:
            said = self._get(f"{_V2}{path}", query)
            yield from said.get(name, ())
            if not said.get("next_page_token"):
                return
            query = {**query, "page_token": said["next_page_token"]}

    def _get(self, path: str, query: dict[str, Any]) -> dict[str, Any]:
        return self._said(self._http.build_request("GET", path, params=query))

    def _said(self, request: httpx.Request) -> dict[str, Any]:
        try:
            answer = self._http.send(request)
            answer.raise_for_status()
            said: dict[str, Any] = answer.json()
        except (httpx.HTTPError, ValueError) as error:
            raise Unavailable(f"{request.method} {request.url.path} was not answered: {str(error)[:300]}") from error
        return said


def _path(uri: str) -> str:
    return urlsplit(uri).path.strip("/")


def _pairs(given: Sequence[Mapping[str, str]] | None) -> dict[str, str]:
    return {each["key"]: each.get("value", "") for each in given or ()}


def _point(one: Mapping[str, Any]) -> Point:
    value = float(one["value"])
    return Point(one["key"], math.nan if value != value else value, int(one.get("step", 0)), int(one["timestamp"]))


def _input(each: Mapping[str, Any]) -> TrackedInput:
    dataset = each.get("dataset", {})
    described = TrackedDataset(
        name=dataset.get("name") or UNNAMED,
        digest=dataset.get("digest") or UNNAMED,
        source_type=dataset.get("source_type") or UNNAMED,
        source=dataset.get("source") or UNNAMED,
        form=dataset.get("schema", ""),
        profile=dataset.get("profile", ""),
    )
    return TrackedInput(dataset=described, tags=_pairs(each.get("tags")))
