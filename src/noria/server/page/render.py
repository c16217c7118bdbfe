"""Turns a template and its values into an answer; unchanged pages answer 304, so polling is cheap."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse, Response
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from noria.core.anomalies import AnomalousRequest
from noria.core.errors import NoriaError
from noria.core.rights import LOCAL, NOBODY
from noria.drawing.words import FILTERS, ago
from noria.ledger.why import headline
from noria.server.door import HOME
from noria.server.reads import Reads
from noria.server.rights import CALLER
from noria.server.services import Services
from noria.server.shown import headers_of

ROOM = Path(__file__).parent
THEMES = ("light", "dark")
MANY = 100
"""Open anomalous requests beyond which the page counts no further."""


@cache
def templates() -> Environment:
    """The templates with their filters; everything is escaped, and a missing value is an error."""
    environment = Environment(
        loader=FileSystemLoader(ROOM / "templates"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters.update(FILTERS, headline=headline, coded=coded)
    environment.globals["static"] = static_address
    return environment


def coded(text: str) -> Markup:
    """A sentence whose names in backticks are set as code; everything in it is escaped.

    >>> coded("`wind<i>` is late")
    Markup('<code>wind&lt;i&gt;</code> is late')
    """
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))


@cache
def static_address(name: str) -> str:
    """The address of an own static file with its content in it, so that browsers may keep it for ever."""
    digest = hashlib.sha256((ROOM / "static" / name).read_bytes()).hexdigest()[:12]
    return f"/static/{name}?v={digest}"


class Pages:
    """Renders pages with what every page shows: loops, open incidents, event time and the reader's theme."""

    def __init__(self, services: Services, reads: Reads) -> None:
        self._services = services
        self._reads = reads

    def page(self, request: Request, template: str, **values: Any) -> Response:
        """The page, or 304 when it is what the reader has."""
        now = self._services.clock.now()
        common = {
            "loops": self._reads.loops(),
            "open_incidents": len(self._reads.incidents(state="open")),
            "open_anomalies": len(self._reads.find(AnomalousRequest, state="open", limit=MANY)),
            "now": now,
            "ago": ago(now),
            "path": request.url.path,
            "theme": _theme(request),
            "me": reader(request),
        }
        body = templates().get_template(template).render({**common, **values})
        tag = f'"{hashlib.sha256(body.encode()).hexdigest()[:24]}"'
        headers = {"etag": tag, "cache-control": "no-cache", "vary": "cookie"}
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers=headers)
        return HTMLResponse(body, headers=headers)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """Who reads a page.

    Attributes:
        name: "" where nobody is asked who they are.
        csrf: What orders from the page must repeat.
        anybody: Orders ask for a name, as nothing else says whose they are.
    """

    name: str = ""
    csrf: str = ""
    anybody: bool = True


def reader(request: Request) -> Reader:
    """Who reads: a session's person, or whoever is at this machine."""
    principal, door = CALLER.get(), request.app.state.door
    if principal in (LOCAL, NOBODY, HOME):
        return Reader()
    return Reader(name=principal.name, csrf=door.csrf_of(headers_of(request.scope["headers"])), anybody=False)


def error_page(request: Request, error: NoriaError, status: int) -> Response:
    """What happened and what to do next, for people; needs nothing but the templates."""
    body = templates().get_template("error.html").render(error=error, status=status, theme=_theme(request), path=request.url.path)
    return HTMLResponse(body, status_code=status)


def _theme(request: Request) -> str:
    theme = request.cookies.get("noria-theme", "")
    return theme if theme in THEMES else ""
