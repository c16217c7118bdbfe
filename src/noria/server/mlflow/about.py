"""What clients ask of the server itself."""

from __future__ import annotations

from typing import Any

from noria.core.rights import Right
from noria.server.mlflow.asked import Asked
from noria.server.mlflow.endpoints import V3, Endpoint, Said, Tracking

VERSION = "3.17.2"
"""Of the protocol: clients choose what they send by it."""


def health(tracking: Tracking, asked: Asked) -> Said:
    """That the server lives."""
    return Said(body=b"OK", content_type="text/plain; charset=utf-8")


def version(tracking: Tracking, asked: Asked) -> Said:
    """The protocol's version."""
    return Said(body=VERSION.encode(), content_type="text/plain; charset=utf-8")


def server_info(tracking: Tracking, asked: Asked) -> dict[str, Any]:
    """What this server does besides."""
    return {
        "store_type": "SqlStore",
        "workspaces_enabled": True,
        "trace_archival_enabled": False,
        "multipart_uploads_enabled": True,
        "multipart_downloads_enabled": False,
        "presigned_upload_run_id_supported": False,
        "features_enabled": {},
    }


ENDPOINTS = (
    Endpoint(method="GET", path="/health", handler=health, right=Right.NONE),
    Endpoint(method="GET", path="/version", handler=version, right=Right.NONE),
    Endpoint(method="GET", path=f"{V3}server-info", handler=server_info, right=Right.NONE),
)
