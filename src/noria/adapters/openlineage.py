"""Sends OpenLineage events to a server that takes them (Marquez, DataHub, OpenMetadata, a catalog of a cloud), or to a file."""

from __future__ import annotations

import os
from pathlib import Path

from noria.core.notices import Told
from noria.ports.posting import post

ENDPOINT = "/api/v1/lineage"


class OverHttp:
    """Posts each event to `<url>/api/v1/lineage`.

    Args:
        url: The server's base URL, or the whole address where it has a path of its own.
        key: Sent as `Authorization: Bearer`; "" = none.
    """

    def __init__(self, url: str, *, key: str = "") -> None:
        base = url.rstrip("/")
        self._url = base if base.count("/") > 2 else base + ENDPOINT
        self._headers = {"authorization": f"Bearer {key}"} if key else {}

    def send(self, event: bytes) -> Told:
        """See `noria.ports.lineage.LineageSink`. Plain HTTP is allowed: catalogs stand in the same network."""
        return post(self._url, event, headers=self._headers, plain=True)


class ToFile:
    """Appends each event to a file, one JSON line each, synced."""

    def __init__(self, place: Path) -> None:
        self._place = place

    def send(self, event: bytes) -> Told:
        """See `noria.ports.lineage.LineageSink`."""
        try:
            self._place.parent.mkdir(parents=True, exist_ok=True)
            with self._place.open("ab") as out:
                out.write(event.replace(b"\n", b" ") + b"\n")
                out.flush()
                os.fsync(out.fileno())
        except OSError as error:
            return Told(arrived=False, said=f"{self._place}: {error.strerror or error}")
        return Told(arrived=True)
