"""Brings what another tracking server holds into a home's store."""

from __future__ import annotations

import getpass
import os
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

from noria.app.settings import Settings
from noria.app.storing import open_blobs
from noria.app.wiring import open_records, system_clock
from noria.core.errors import SettingsInvalid
from noria.core.moments import to_ms
from noria.ledger.book import Ledger
from noria.ledger.importing.bringing import Bringer
from noria.ledger.importing.report import Report
from noria.ports.foreign import Foreign
from noria.ports.incoming import Incoming


def bring_mlflow(settings: Settings, uri: str, *, project: str, artifacts: Path | None, files: bool, told: Callable[[str], None]) -> Report:
    """Bring an MLflow server over, by its address or its database.

    Args:
        artifacts: The folder of files that the server proxied, for a database.
        files: Whether files are brought, or stay where they are.
        told: Called with each thing that is about to be brought.

    Raises:
        SettingsInvalid: the address is of no kind that is read.
        Unavailable: what it names does not answer.
    """
    source, store, blobs, wall = _foreign(uri, artifacts), open_records(settings), open_blobs(settings), system_clock()

    def keep(pieces: Iterator[bytes]) -> tuple[str, int]:
        with Incoming(blobs) as incoming:
            for piece in pieces:
                incoming.write(piece)
            return incoming.keep()

    with closing(source):
        return Bringer(
            foreign=source,
            store=store,
            ledger=Ledger(store, clock=wall, wall=wall),
            source=uri.rpartition("@")[2],
            now_ms=to_ms(wall.now()),
            by=getpass.getuser(),
            keep=keep if files else None,
            project=project,
            told=told,
        ).bring()


def _foreign(uri: str, artifacts: Path | None) -> Foreign:
    scheme = uri.partition("://")[0]
    if scheme in ("http", "https"):
        from noria.adapters.mlflow_server import MlflowServer

        return MlflowServer(uri, headers=_headers())
    if "://" not in uri:
        raise SettingsInvalid(f"{uri!r} is no address", fix="name http://host:port, sqlite:///FILE or postgresql://…")
    from noria.adapters.mlflow_database import MlflowDatabase

    return MlflowDatabase(uri, artifacts=artifacts)


def _headers() -> dict[str, str]:
    """What MLflow's own variables say of the door there."""
    token, person = os.environ.get("MLFLOW_TRACKING_TOKEN"), os.environ.get("MLFLOW_TRACKING_USERNAME")
    if token:
        return {"authorization": f"Bearer {token}"}
    if person:
        import base64

        secret = base64.b64encode(f"{person}:{os.environ.get('MLFLOW_TRACKING_PASSWORD', '')}".encode()).decode()
        return {"authorization": f"Basic {secret}"}
    return {}
