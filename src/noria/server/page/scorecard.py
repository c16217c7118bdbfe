"""A candidate's whole scorecard: on a page of its own, and to take away as HTML, Markdown or JSON."""

from __future__ import annotations

import json

from fastapi import APIRouter, Request
from fastapi.responses import FileResponse, RedirectResponse, Response
from markupsafe import Markup, escape

from noria.core.errors import NotFound
from noria.core.rights import Right
from noria.drawing.documents.scorecard import Shown, figures, to_html, to_markdown, to_sections
from noria.drawing.documents.sheet import ROOM as DOCUMENTS
from noria.drawing.theme import Chart, nothing_yet
from noria.ports import wire
from noria.server.page.evidence import evidence
from noria.server.page.render import Pages
from noria.server.reads import Reads
from noria.server.rights import needs
from noria.server.services import Services


class Cards:
    """Finds what is shown of the candidate of a turn."""

    def __init__(self, reads: Reads, services: Services) -> None:
        self._reads = reads
        self._services = services

    def of_turn(self, id: str) -> Shown:
        """The candidate's scorecard with its examination.

        Raises:
            NotFound: no such turn, or it has no scorecard (yet).
        """
        turn, version = self._reads.turn(id), self._reads.version_of_turn(id)
        found = evidence(version, self._reads.steps(id))
        if found.scorecard is None:
            raise NotFound(f"turn {turn.number} of {turn.loop} has no scorecard", fix="it appears when the candidate has been evaluated")
        title = f"{turn.loop} v{version.number}" if version else f"{turn.loop}, candidate of turn {turn.number}"
        digest = found.scorecard.examination
        return Shown(
            title=title, card=found.scorecard, examination=self._services.examination(digest) if digest else None, verdict=found.verdict
        )

    def champions_turn(self, loop: str) -> str:
        """The turn that made a loop's champion.

        Raises:
            NotFound: no loop has the name, or it has no champion yet.
        """
        state = self._reads.loop(loop)
        if state.champion is None:
            raise NotFound(f"{loop} has no champion yet", fix="its first turn makes one")
        return self._reads.version(loop, state.champion).turn

    def figure(self, turn: str, name: str) -> Chart:
        """One figure of the examination; words where there is none of the name."""
        return next((one.chart for one in figures(self.of_turn(turn)) if one.name == name), nothing_yet("This was not looked at."))


def scorecard_router(pages: Pages, reads: Reads, cards: Cards) -> APIRouter:
    """`/turns/ID/scorecard`, and `.html`, `.md`, `.json` beside it; `/loops/NAME/scorecard` leads to the champion's."""
    router = APIRouter(include_in_schema=False, dependencies=[needs(Right.VIEW)])

    @router.get("/turns/{id}/scorecard")
    def page(request: Request, id: str) -> Response:
        shown = cards.of_turn(id)
        places = {one.name: _place(id, one.name) for one in figures(shown)}
        return pages.page(request, "scorecard.html", turn=reads.turn(id), title=shown.title, sections=to_sections(shown, places))

    @router.get("/loops/{name}/scorecard")
    def champion(name: str) -> Response:
        return RedirectResponse(f"/turns/{cards.champions_turn(name)}/scorecard", status_code=307)

    @router.get("/turns/{id}/scorecard.{form}")
    def file(id: str, form: str) -> Response:
        shown = cards.of_turn(id)
        if form == "html":
            return _taken(to_html(shown), "text/html", shown, form)
        if form == "md":
            return _taken(to_markdown(shown), "text/markdown", shown, form)
        if form == "json":
            told = wire.plain({"title": shown.title, "scorecard": shown.card, "examination": shown.examination, "verdict": shown.verdict})
            return _taken(json.dumps(told, ensure_ascii=False, indent=2), "application/json", shown, form)
        raise NotFound(f"a scorecard is not written as {form[:20]!r}", fix="there are html, md and json")

    @router.get("/static/document.css")
    def look() -> FileResponse:
        return FileResponse(DOCUMENTS / "document.css", media_type="text/css", headers={"cache-control": "no-cache"})

    return router


def _place(turn: str, name: str) -> Markup:
    """Where the page's script draws a figure."""
    address = escape(f"/charts/examination.json?turn={turn}&figure={name}")
    return Markup(f'<div class="drawing" id="figure-{escape(name)}" data-keep data-chart="{address}"></div>')


def _taken(text: str, media: str, shown: Shown, form: str) -> Response:
    name = "".join(sign if sign.isalnum() or sign in "-_." else "-" for sign in shown.title)
    headers = {"content-disposition": f'attachment; filename="{name}-scorecard.{form}"', "cache-control": "no-cache"}
    return Response(text, media_type=f"{media}; charset=utf-8", headers=headers)
