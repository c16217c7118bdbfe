"""Large files in parts: uploads that go on after a restart, and addresses from which parts can be had."""

from __future__ import annotations

import posixpath
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import orjson
from starlette.types import Receive, Send

from noria.core.errors import RequestInvalid
from noria.core.rights import Right
from noria.ledger.artifacts import index
from noria.ledger.artifacts.index import Artifact
from noria.ledger.artifacts.paths import file_path, joined
from noria.ledger.artifacts.uploads import Uploads
from noria.server.mlflow.artifacts import file_under
from noria.server.mlflow.asked import Asked
from noria.server.mlflow.endpoints import ARTIFACTS, Endpoint, Said, Tracking
from noria.server.mlflow.transfer import answered, apart, received, said_digest, told_if_full

LINK_LASTS = timedelta(minutes=15)


def begun(tracking: Tracking, asked: Asked) -> Said:
    """Begin an upload: an id, and for each part where it goes."""
    path = joined(asked.names["path"], posixpath.basename(asked.fields.text("path", required=True)))
    file_path(path)
    upload = Uploads(tracking.blobs).begin(asked.project, path, asked.fields.count("num_parts", 1, most=10_000))
    parts = [
        {"url": _url(asked, f"mpu/part/{upload.id}/{number}"), "part_number": number, "headers": _credentials(asked)}
        for number in range(1, upload.parts + 1)
    ]
    return _secret({"upload_id": upload.id, "credentials": parts})


async def part(tracking: Tracking, asked: Asked, receive: Receive, send: Send) -> None:
    """Keep a part; its tag is its SHA-256."""
    number, length = asked.names["number"], asked.headers.get("content-length", "")
    if not (number.isdecimal() and length.isdecimal()):
        raise RequestInvalid("a part has a number, and its request a Content-Length")
    expect = said_digest(asked.headers)
    uploads = Uploads(tracking.blobs)
    upload = await apart(uploads.find, asked.names["upload"], asked.project)
    with told_if_full(), await apart(uploads.write, upload, int(number), int(length)) as writer:
        await received(receive, writer)
        kept = await apart(lambda: writer.keep(expect=expect))
    await answered(send, {}, (b"etag", f'"{kept.tag}"'.encode()))


def parts(tracking: Tracking, asked: Asked) -> dict[str, Any]:
    """Which parts have come, for whoever resumes."""
    uploads = Uploads(tracking.blobs)
    upload = uploads.find(asked.names["upload"], asked.project)
    come = [{"part_number": one.number, "size": one.size_bytes, "etag": f'"{one.tag}"'} for one in uploads.parts(upload)]
    return {"upload_id": upload.id, "path": upload.path, "num_parts": upload.parts, "parts": come}


def completed(tracking: Tracking, asked: Asked) -> dict[str, Any]:
    """Make the parts a file."""
    uploads = Uploads(tracking.blobs)
    upload = uploads.find(asked.fields.text("upload_id", required=True), asked.project, finished=True)
    tags = {one.integer("part_number", required=True) or 0: one.text("etag").strip('"') for one in asked.fields.items("parts")}
    with told_if_full():
        whole = uploads.complete(upload, tags)
    file_under(tracking, asked.project, Artifact(path=upload.path, digest=whole.digest, size_bytes=whole.size_bytes))
    uploads.finish(upload, whole)
    return {}


def aborted(tracking: Tracking, asked: Asked) -> dict[str, Any]:
    """Let an upload go."""
    uploads = Uploads(tracking.blobs)
    uploads.discard(uploads.find(asked.fields.text("upload_id", required=True), asked.project))
    return {}


def presigned(tracking: Tracking, asked: Asked) -> Said:
    """Where a file can be had in parts: here, or from S3 itself where the settings say so."""
    artifact = index.find(tracking.store, asked.project, asked.names["path"])
    link = tracking.blobs.link(artifact.digest, LINK_LASTS) if tracking.direct_downloads else ""
    if link:
        return _secret({"url": link, "headers": {}, "file_size": artifact.size_bytes})
    url = _url(asked, f"artifacts/{quote(artifact.path)}")
    return _secret({"url": url, "headers": _credentials(asked), "file_size": artifact.size_bytes})


def _url(asked: Asked, place: str) -> str:
    """An address of this server as the caller knows it."""
    return f"{asked.origin}{ARTIFACTS}{place}"


def _credentials(asked: Asked) -> dict[str, str]:
    """What the caller showed, for the requests that its client makes with nothing but what it is told here."""
    shown = (("authorization", "Authorization"), ("x-mlflow-workspace", "X-MLFLOW-WORKSPACE"))
    return {header: asked.headers[name] for name, header in shown if name in asked.headers}


def _secret(body: dict[str, Any]) -> Said:
    return Said(body=orjson.dumps(body), headers=(("cache-control", "no-store"),))


ENDPOINTS = (
    Endpoint(method="POST", path=f"{ARTIFACTS}mpu/create/{{path:path}}", handler=begun, right=Right.CONTRIBUTE),
    Endpoint(method="PUT", path=f"{ARTIFACTS}mpu/part/{{upload}}/{{number}}", handler=part, right=Right.CONTRIBUTE, streams=True),
    Endpoint(method="GET", path=f"{ARTIFACTS}mpu/part/{{upload}}", handler=parts, right=Right.CONTRIBUTE),
    Endpoint(method="POST", path=f"{ARTIFACTS}mpu/complete/{{path:path}}", handler=completed, right=Right.CONTRIBUTE),
    Endpoint(method="POST", path=f"{ARTIFACTS}mpu/abort/{{path:path}}", handler=aborted, right=Right.CONTRIBUTE),
    Endpoint(method="GET", path=f"{ARTIFACTS}presigned/{{path:path}}", handler=presigned, right=Right.VIEW),
)
