"""Files of runs, versions and logged models: the proxy through which clients put, list, get and delete them."""

from __future__ import annotations

import posixpath
from typing import Any

from starlette.types import Receive, Send

from noria.core.errors import NotFound, RequestInvalid
from noria.core.rights import Right
from noria.ledger.artifacts import index
from noria.ledger.artifacts.index import Artifact
from noria.ledger.artifacts.paths import file_path, joined, kept_here, safe
from noria.ledger.models import reading
from noria.ledger.tracking import logged_models, runs
from noria.ports.incoming import Incoming
from noria.server.mlflow.asked import Asked
from noria.server.mlflow.endpoints import ARTIFACTS, V2, Endpoint, Tracking
from noria.server.mlflow.runs import run_id
from noria.server.mlflow.transfer import answered, apart, received, said_digest, sent, told_if_full

_OF_MODEL = f"{V2}logged-models/{{model_id}}/artifacts"

PAGE = 1_000
"""Files of a listing by run; the proxy's own listing has no pages."""


async def upload(tracking: Tracking, asked: Asked, receive: Receive, send: Send) -> None:
    """Keep the body under a path."""
    await _kept(tracking, asked, asked.names["path"], receive)
    await answered(send, {})


async def upload_to_run(tracking: Tracking, asked: Asked, receive: Receive, send: Send) -> None:
    """Keep the body under a path of a run, for a page."""
    path = asked.fields.text("path", required=True)
    root = await apart(_root_of_run, tracking, asked, asked.fields.text("run_uuid", required=True))
    await _kept(tracking, asked, joined(root, path), receive)
    await answered(send, {})


async def download(tracking: Tracking, asked: Asked, receive: Receive, send: Send) -> None:
    """The file under a path."""
    await _out(tracking, asked, asked.names["path"], receive, send)


async def looked_at(tracking: Tracking, asked: Asked, receive: Receive, send: Send) -> None:
    """Size and digest of the file under a path."""
    artifact = await apart(index.find, tracking.store, asked.project, asked.names["path"])
    await sent(receive, send, tracking.blobs, artifact, asked.headers, body=False)


async def of_run(tracking: Tracking, asked: Asked, receive: Receive, send: Send) -> None:
    """A file of a run."""
    run = run_id(asked)
    path = asked.fields.text("path", required=True)
    root = await apart(_root_of_run, tracking, asked, run)
    await _out(tracking, asked, joined(root, path), receive, send)


async def of_version(tracking: Tracking, asked: Asked, receive: Receive, send: Send) -> None:
    """A file of a registered version."""
    name, number = asked.fields.text("name", required=True), asked.fields.integer("version", required=True)
    path = asked.fields.text("path", required=True)
    assert number is not None
    version = await apart(reading.version, tracking.store.read, asked.project, name, number)
    await _out(tracking, asked, joined(_here(version.location), path), receive, send)


async def of_logged_model(tracking: Tracking, asked: Asked, receive: Receive, send: Send) -> None:
    """A file of a logged model, for a page."""
    path = asked.fields.text("artifact_file_path", required=True)
    model = await apart(logged_models.get, tracking.store, asked.project, asked.names["model_id"])
    await _out(tracking, asked, joined(_here(model.artifacts), path), receive, send)


def listed(tracking: Tracking, asked: Asked) -> dict[str, Any]:
    """What a folder holds, each by its name in it."""
    return {"files": _files(tracking, asked, safe(asked.fields.text("path")), "")}


def listed_of_run(tracking: Tracking, asked: Asked) -> dict[str, Any]:
    """What a folder of a run holds, each by its path in the run."""
    run = runs.get(tracking.store, asked.project, run_id(asked))
    return {"root_uri": run.artifacts, **folder_of(tracking, asked, run.artifacts, asked.fields.text("path"))}


def listed_of_logged_model(tracking: Tracking, asked: Asked) -> dict[str, Any]:
    """What a folder of a logged model holds, each by its path in the model."""
    model = logged_models.get(tracking.store, asked.project, asked.names["model_id"])
    return {"root_uri": model.artifacts, **folder_of(tracking, asked, model.artifacts, asked.fields.text("artifact_directory_path"))}


def folder_of(tracking: Tracking, asked: Asked, uri: str, path: str) -> dict[str, Any]:
    """A page of what a folder below an address of artifacts holds.

    Raises:
        RequestInvalid: the path is not allowed, or the files are kept elsewhere.
    """
    files = _files(tracking, asked, joined(_here(uri), path), safe(path))
    after = asked.fields.text("page_token")
    left = [file for file in files if file["path"] > after] if after else files
    more = {"next_page_token": left[PAGE - 1]["path"]} if len(left) > PAGE else {}
    return {"files": left[:PAGE], **more}


def deleted(tracking: Tracking, asked: Asked) -> dict[str, Any]:
    """Delete a file or a folder."""
    path = safe(asked.names["path"])
    if not tracking.store.write(lambda tx: index.delete(tx, asked.project, path)):
        raise NotFound(f"No such artifact: '{path[:300]}'")
    return {}


async def _kept(tracking: Tracking, asked: Asked, path: str, receive: Receive) -> None:
    """Keep the body; whoever refused it would have to read it too, so that refusals come first."""
    file_path(path)
    expect = said_digest(asked.headers)
    with told_if_full(), Incoming(tracking.blobs) as incoming:
        await received(receive, incoming)
        digest, size = await apart(lambda: incoming.keep(expect=expect))
    await apart(file_under, tracking, asked.project, Artifact(path=safe(path), digest=digest, size_bytes=size))


def file_under(tracking: Tracking, project: str, artifact: Artifact) -> None:
    """Let a path name content that was just put."""
    tracking.store.write(lambda tx: index.put(tx, project, artifact, now_ms=tracking.now_ms()))


async def _out(tracking: Tracking, asked: Asked, path: str, receive: Receive, send: Send) -> None:
    artifact = await apart(index.find, tracking.store, asked.project, path)
    await sent(receive, send, tracking.blobs, artifact, asked.headers)


def _root_of_run(tracking: Tracking, asked: Asked, run: str) -> str:
    return _here(runs.get(tracking.store, asked.project, run).artifacts)


def _here(uri: str) -> str:
    root = kept_here(uri)
    if root is None:
        raise RequestInvalid(f"the files are kept at {uri[:300]}, not by this server", fix="ask there")
    return root


def _files(tracking: Tracking, asked: Asked, folder: str, shown_below: str) -> list[dict[str, Any]]:
    entries = index.listed(tracking.store, asked.project, folder)
    return [
        {"path": posixpath.join(shown_below, entry.name), "is_dir": entry.is_folder}
        | ({} if entry.size_bytes is None else {"file_size": entry.size_bytes})
        for entry in entries
    ]


ENDPOINTS = (
    Endpoint(method="PUT", path=f"{ARTIFACTS}artifacts/{{path:path}}", handler=upload, right=Right.CONTRIBUTE, streams=True),
    Endpoint(method="GET", path=f"{ARTIFACTS}artifacts/{{path:path}}", handler=download, right=Right.VIEW, streams=True),
    Endpoint(method="HEAD", path=f"{ARTIFACTS}artifacts/{{path:path}}", handler=looked_at, right=Right.VIEW, streams=True),
    Endpoint(method="DELETE", path=f"{ARTIFACTS}artifacts/{{path:path}}", handler=deleted, right=Right.CONTRIBUTE),
    Endpoint(method="GET", path=f"{ARTIFACTS}artifacts", handler=listed, right=Right.VIEW),
    Endpoint(method="GET", path=f"{V2}artifacts/list", handler=listed_of_run, right=Right.VIEW),
    Endpoint(method="GET", path=f"{_OF_MODEL}/directories", handler=listed_of_logged_model, right=Right.VIEW),
    Endpoint(method="GET", path=f"{_OF_MODEL}/files", handler=of_logged_model, right=Right.VIEW, streams=True, ajax=True),
    Endpoint(method="GET", path="/get-artifact", handler=of_run, right=Right.VIEW, streams=True),
    Endpoint(method="GET", path="/model-versions/get-artifact", handler=of_version, right=Right.VIEW, streams=True),
    Endpoint(method="POST", path=f"{V2}upload-artifact", handler=upload_to_run, right=Right.CONTRIBUTE, streams=True, ajax=True),
)
