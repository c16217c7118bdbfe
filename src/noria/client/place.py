"""Where a run is told to: the server, the project and the spool, from the environment or the home around the script.

Read without the server's settings, so that a training script loads nothing for it.
"""

from __future__ import annotations

import json
import logging
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

VARIABLES = ("NORIA_URL", "NORIA_TOKEN", "NORIA_PROJECT", "NORIA_SPOOL", "NORIA_OFFLINE", "NORIA_PARAMS", "NORIA_CLONE_OF")
"""What a client's environment may say; none of it is a setting of a home."""


NOTE = "place.json"

log = logging.getLogger("noria.client")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where runs are told to.

    Attributes:
        url: The server, without a slash at its end; "" = none is known.
        token: Its bearer token; "" = none.
        project: The project that runs belong to.
        spool: Folder in which runs wait for the server.
        certificate: PEM file of the one certificate that is trusted; "" = the system's authorities.
        offline: Whether nothing is sent before `noria sync`.
    """

    url: str
    token: str = ""
    project: str = "default"
    spool: Path
    certificate: str = ""
    offline: bool = False

    @property
    def shelf(self) -> Path:
        """The folder in the spool for runs of this server and project; apart from them, those that only `noria sync` sends."""
        parts = [re.sub(r"[^\w.-]+", "-", self.url.partition("://")[2]) or "nowhere", re.sub(r"[^\w.-]+", "-", self.project)]
        return self.spool / ".".join([*parts, *(["offline"] if self.offline else [])])

    def remember(self) -> None:
        """Note beside the runs of a shelf where they belong."""
        note = self.shelf / NOTE
        try:
            if not note.exists():
                self.shelf.mkdir(0o700, parents=True, exist_ok=True)
                note.write_text(json.dumps({"url": self.url, "project": self.project}))
        except OSError as error:
            log.debug("%s: %s", note, error)


def shelves(place: Place) -> list[tuple[Path, Place]]:
    """Every shelf of the spool with the place its runs belong to; the given place's server and token where none was known."""
    found = []
    for note in sorted(place.spool.glob(f"*/{NOTE}")):
        try:
            told = json.loads(note.read_bytes())
            url, project = str(told["url"]), str(told["project"])
        except (OSError, ValueError, KeyError):
            url, project = "", place.project
        belongs = replace(place, url=url or place.url, project=project)
        known = url in ("", place.url)
        found.append((note.parent, belongs if known else replace(belongs, token="", certificate="")))
    return found


def find(environ: Mapping[str, str] = os.environ, *, start: Path | None = None, offline: bool | None = None) -> Place:
    """The place that the environment names, else the home of this folder or of the nearest one above it."""
    home = _home(environ, start)
    url, certificate = (environ.get("NORIA_URL", "").rstrip("/"), "") if environ.get("NORIA_URL") or home is None else _server(home)
    named = environ.get("NORIA_SPOOL", "")
    said = environ.get("NORIA_OFFLINE", "").lower() not in ("", "0", "false", "no")
    return Place(
        url=url,
        token=environ.get("NORIA_TOKEN") or (_token(home) if home is not None and not environ.get("NORIA_URL") else ""),
        project=environ.get("NORIA_PROJECT") or "default",
        spool=Path(named).expanduser() if named else home / "spool" if home is not None else _of_user(environ),
        certificate=certificate,
        offline=said if offline is None else offline,
    )


def _home(environ: Mapping[str, str], start: Path | None) -> Path | None:
    if environ.get("NORIA_HOME"):
        return Path(environ["NORIA_HOME"]).expanduser().absolute()
    try:
        here = (start or Path.cwd()).absolute()
        return next((folder / ".noria" for folder in (here, *here.parents) if (folder / ".noria" / "settings.json").exists()), None)
    except OSError:
        return None


def _server(home: Path) -> tuple[str, str]:
    """Address and certificate of a home's own server."""
    try:
        told: dict[str, Any] = json.loads((home / "settings.json").read_bytes())
    except (OSError, ValueError):
        told = {}
    host = str(told.get("host") or "127.0.0.1")
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    host = f"[{host}]" if ":" in host else host
    certificate = str(told.get("tls_cert") or "")
    scheme = "https" if certificate else "http"
    return f"{scheme}://{host}:{told.get('port') or 7700}", str(home / certificate) if certificate else ""


def _token(home: Path) -> str:
    try:
        return (home / "token").read_text().strip()
    except OSError:
        return ""


def _of_user(environ: Mapping[str, str]) -> Path:
    """The spool of somebody without a home of Noria's: where the system keeps a user's state."""
    state = environ.get("XDG_STATE_HOME", "")
    if state:
        return Path(state) / "noria" / "spool"
    try:
        return Path.home() / ".local" / "state" / "noria" / "spool"
    except RuntimeError:
        return Path("/tmp") / f"noria-spool-{os.getuid()}"
