"""What a route asks of its caller, declared at the route; and who calls, for what it does in their name."""

from __future__ import annotations

from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any

from fastapi import Depends, FastAPI, Request
from fastapi.params import Depends as Dependency

from noria.core.errors import Forbidden, NotAllowed
from noria.core.rights import ANYWHERE, DEFAULT_PROJECT, LOCAL, NOBODY, Principal, Right
from noria.server.called import address_of, noted
from noria.server.door import HOME, Door
from noria.server.shown import headers_of

CALLER: ContextVar[Principal] = ContextVar("caller", default=NOBODY)
"""Who calls, while their request is answered."""


class Needs:
    """A dependency that lets a request pass when its caller has a right.

    Args:
        project: Where the right must hold; `ANYWHERE` = in every project.
    """

    def __init__(self, right: Right, project: str) -> None:
        self.right = right
        self.project = project

    async def __call__(self, request: Request) -> Principal:
        """The caller.

        Raises:
            Unauthorised: it is not known who calls.
            Forbidden: they may not.
        """
        if self.right is Right.NONE:
            return NOBODY
        door: Door = request.app.state.door
        principal = await door.enter(headers_of(request.scope["headers"]), method=request.method, address=address_of(request.scope))
        noted(request.scope, principal, self.right, self.project)
        CALLER.set(principal)
        if not principal.may(self.right, self.project):
            raise Forbidden(f"{principal.name} may not {self.right} here", fix="ask an admin for a role that may")
        return principal


class Somebody(Needs):
    """A dependency that lets anybody pass who is known by name, whatever their role: for what is their own alone."""

    async def __call__(self, request: Request) -> Principal:
        """The caller.

        Raises:
            Unauthorised: it is not known who calls.
            NotAllowed: nobody is asked who they are.
        """
        door: Door = request.app.state.door
        principal = await door.enter(headers_of(request.scope["headers"]), method=request.method, address=address_of(request.scope))
        noted(request.scope, principal, self.right, self.project)
        CALLER.set(principal)
        if principal in (LOCAL, HOME):
            raise NotAllowed("this is nobody's own page: no user called", fix="make a user, and log in: `noria users add NAME`")
        return principal


def needs_somebody() -> Dependency:
    """Declare that a route is for whoever is known by name, about themselves."""
    dependency: Dependency = Depends(Somebody(Right.NONE, ANYWHERE))
    return dependency


def needs(right: Right, project: str = DEFAULT_PROJECT) -> Dependency:
    """Declare what a route, or all routes of a router, ask of their caller."""
    dependency: Dependency = Depends(Needs(right, project))
    return dependency


def said_by(given: str) -> str:
    """In whose name an order is done: the caller's; a name that they give counts only from this machine's own user."""
    caller = CALLER.get()
    return (given or caller.name) if caller in (HOME, LOCAL, NOBODY) else caller.name


def rights_of(app: FastAPI) -> Iterator[tuple[str, str, Right | None]]:
    """Method, path and declared right of every route; None where none is declared."""
    for route in _routes(app.routes):
        found = _declared(getattr(route, "dependant", None))
        right = getattr(route, "right", None) if found is None else found
        for method in sorted(getattr(route, "methods", None) or {"GET"}):
            yield method, route.path, right


def _routes(routes: Any) -> Iterator[Any]:
    for route in routes:
        included = getattr(route, "original_router", None)  # FastAPI keeps what was included as it was
        if included is not None:
            yield from _routes(included.routes)
        else:
            yield route


def _declared(dependant: Any) -> Right | None:
    if dependant is None:
        return None
    if isinstance(dependant.call, Needs):
        return dependant.call.right
    found = [right for inner in dependant.dependencies if (right := _declared(inner)) is not None]
    return max(found, key=list(Right).index, default=None)
