"""The way in and out for people: the login page, logout, and a person's own page with their sessions and tokens."""

from __future__ import annotations

import hmac
import secrets
from typing import Annotated
from urllib.parse import parse_qs

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from pydantic import BaseModel, ConfigDict, Field

from noria.core.errors import Forbidden, NoriaError, RequestInvalid, TooManyTries, Unauthorised
from noria.core.moments import duration
from noria.core.rights import ANYWHERE, Principal, Right, Role
from noria.server.called import address_of, noted
from noria.server.door import Door
from noria.server.page.render import Pages, templates
from noria.server.rights import CALLER, needs, needs_somebody
from noria.server.shown import cookie_of, headers_of, sent_by_another_site

FORM = "noria-login"
"""Cookie that a login form must repeat: another site's page cannot log a browser in as somebody else."""


class TokenOrder(BaseModel):
    """A token for oneself."""

    model_config = ConfigDict(extra="forbid", strict=True)

    by: str = ""
    reason: Annotated[str, Field(max_length=1_000)] = ""
    project: Annotated[str, Field(max_length=64)] = ""
    role: Annotated[str, Field(max_length=20)] = ""
    expires: Annotated[str, Field(max_length=20, description="90d, 12h …, or never.")] = "365d"
    note: Annotated[str, Field(max_length=200)] = ""


def login_router(door: Door) -> APIRouter:
    """The login page."""
    router = APIRouter(include_in_schema=False, dependencies=[needs(Right.NONE)])

    @router.get("/login")
    async def form(next: str = "/") -> Response:
        return _form(door, next=local(next))

    @router.post("/login")
    async def come_in(request: Request) -> Response:
        headers, address, said = headers_of(request.scope["headers"]), address_of(request.scope), _fields(await request.body())
        kept, next = cookie_of(headers, FORM), local(said.get("next", "/"))
        if sent_by_another_site(headers, door.origin) or not kept or not hmac.compare_digest(kept.encode(), said.get("form", "").encode()):
            raise Forbidden("this login did not come from Noria's own page", fix="load /login again")
        name, password = said.get("name", ""), said.get("password", "")
        noted(request.scope, Principal(name=""), Right.NONE, ANYWHERE, "/login")
        try:
            user = await door.slowly(lambda: door.access.entry.by_password(name, password, address=address))
        except Unauthorised as error:
            return _form(door, next=next, name=name[:64], wrong=error)
        old, agent = cookie_of(headers, door.cookie), headers.get("user-agent", "")
        secret, session = await door.slowly(lambda: door.access.entry.begin(user, address=address, agent=agent, instead_of=old))
        noted(request.scope, Principal(name=user.name, token=session.id), Right.NONE, ANYWHERE, "/login")
        return let_in(door, secret, next)

    return router


def own_router(door: Door, pages: Pages) -> APIRouter:
    """A person's own page: their roles, sessions and tokens; and the way out."""
    router = APIRouter(include_in_schema=False, dependencies=[needs_somebody()])
    access = door.access

    @router.get("/me")
    def me(request: Request) -> Response:
        caller = CALLER.get()
        tokens = [one for one in access.tokens.all(caller.name) if one.state != "revoked"]
        sessions = access.entry.sessions(caller.name)
        return pages.page(request, "me.html", caller=caller, tokens=tokens, sessions=sessions, every_role=list(Role))

    @router.post("/logout")
    def go(request: Request) -> Response:
        access.entry.end(cookie_of(headers_of(request.scope["headers"]), door.cookie))
        door.look_now()
        told = JSONResponse({"session": "over"}, headers={"clear-site-data": '"cache"'})
        told.delete_cookie(door.cookie, path="/", secure=door.secure, httponly=True, samesite="lax")
        return told

    @router.post("/me/tokens")
    def add(order: TokenOrder) -> Response:
        caller = CALLER.get()
        if caller.token and not caller.token.startswith("s-") and not caller.may(Right.ADMIN, ANYWHERE):
            raise Forbidden("a token makes no other token", fix="log in, and make it on your page")
        try:
            lasts = None if order.expires == "never" else duration(order.expires)
            role = Role(order.role) if order.role else None
        except ValueError as error:
            raise RequestInvalid(str(error), fix="write for example 90d, and one of the roles") from error
        project = order.project or ANYWHERE
        secret, made = access.tokens.add(caller.name, project=project, role=role, lasts=lasts, note=order.note, by=caller.name)
        return JSONResponse({"token": secret, "id": made.id}, status_code=201, headers={"cache-control": "no-store"})

    @router.post("/me/tokens/{id}/revoke")
    def revoke(id: str) -> Response:
        name = CALLER.get().name
        access.tokens.revoke(id, by=name, of=name)
        door.look_now()
        return JSONResponse({"token": id, "state": "revoked"})

    @router.post("/me/sessions/{id}/end")
    def end(id: str) -> Response:
        name = CALLER.get().name
        access.entry.end_one(id, by=name, of=name)
        door.look_now()
        return JSONResponse({"session": id, "state": "over"})

    return router


def let_in(door: Door, secret: str, next: str) -> Response:
    """The answer that begins a session in a browser."""
    told = RedirectResponse(next, status_code=303, headers={"cache-control": "no-store"})
    told.set_cookie(door.cookie, secret, httponly=True, samesite="lax", secure=door.secure, path="/")
    told.delete_cookie(FORM, path="/login")
    return told


def local(next: str) -> str:
    """A path of this server, or "/": a login leads nowhere else.

    >>> local("/loops/x?tab=1"), local("//evil.example"), local("https://evil.example"), local("/\\\\evil.example")
    ('/loops/x?tab=1', '/', '/', '/')
    """
    fine = next.startswith("/") and not next.startswith("//") and "\\" not in next and next.isprintable()
    return next if fine and not next.startswith(("/login", "/logout")) else "/"


def _form(door: Door, *, next: str, name: str = "", wrong: NoriaError | None = None) -> Response:
    form = secrets.token_urlsafe(24)
    status = 200 if wrong is None else 429 if isinstance(wrong, TooManyTries) else 401
    body = templates().get_template("login.html").render(form=form, next=next, name=name, wrong=wrong, theme="")
    told = HTMLResponse(body, status_code=status, headers={"cache-control": "no-store"})
    if isinstance(wrong, TooManyTries):
        told.headers["retry-after"] = str(max(1, round(wrong.retry_after_s)))
    told.set_cookie(FORM, form, httponly=True, samesite="strict", secure=door.secure, path="/login", max_age=3_600)
    return told


def _fields(body: bytes) -> dict[str, str]:
    """A form's fields, each given once."""
    try:
        read = parse_qs(body.decode(), keep_blank_values=True, max_num_fields=20)
    except ValueError as error:
        raise RequestInvalid("the form cannot be read") from error
    return {name: values[0] for name, values in read.items() if len(values) == 1}
