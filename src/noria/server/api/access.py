"""Who may do what, over HTTP: users, their roles, tokens and sessions, for admins of every project."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any

from fastapi import APIRouter
from fastapi.responses import JSONResponse
from pydantic import Field

from noria.core.errors import RequestInvalid
from noria.core.identities import Session, User
from noria.core.moments import duration
from noria.core.rights import ANYWHERE, Right, Role
from noria.ledger.access.tokens import may_give
from noria.server.api.answers import VERB_ERRORS, answer
from noria.server.api.verbs import Order
from noria.server.door import Door
from noria.server.rights import CALLER, needs, said_by

Project = Annotated[str, Field(min_length=1, max_length=64, description="A project; * = every one where nothing else is said.")]
Secret = Annotated[str, Field(max_length=1_024)]
RoleName = Annotated[str, Field(max_length=20, description="viewer, contributor, approver, operator or admin.")]


class UserOrder(Order):
    """A user to make."""

    name: Annotated[str, Field(max_length=64)]
    password: Secret = ""
    service: bool = False
    roles: Annotated[dict[str, str], Field(default_factory=dict, max_length=1_000, description="Project to role.")]


class PasswordOrder(Order):
    """A new password."""

    password: Secret


class RoleOrder(Order):
    """A role to grant."""

    role: RoleName
    project: Project = ANYWHERE


class PlaceOrder(Order):
    """Where a role is taken away."""

    project: Project = ANYWHERE


class GivenTokenOrder(Order):
    """A token for a user."""

    user: Annotated[str, Field(max_length=64)]
    project: Project = ANYWHERE
    role: Annotated[str, Field(max_length=20, description="The most that it may; all that its user may when left out.")] = ""
    expires: Annotated[str, Field(max_length=20, description="90d, 12h …, or never.")] = "365d"
    note: Annotated[str, Field(max_length=200)] = ""


def users_router(door: Door) -> APIRouter:
    """Routes about users and their roles."""
    router = APIRouter(tags=["access"], responses=VERB_ERRORS, dependencies=[needs(Right.ADMIN, ANYWHERE)])
    users = door.access.users

    @router.get("/users", summary="Users with their roles")
    def listed() -> JSONResponse:
        return answer({"users": [shown_user(one) for one in users.all()]})

    @router.post("/users", summary="Make a user", status_code=201)
    async def add(order: UserOrder) -> JSONResponse:
        roles, by = {project: _role(name) for project, name in order.roles.items()}, said_by(order.by)
        _may_give(roles.items())
        made = await door.slowly(lambda: users.add(order.name, password=order.password, roles=roles, service=order.service, by=by))
        return _told(door, shown_user(made), 201)

    @router.post("/users/{name}/remove", summary="Take a user away, with all tokens and sessions")
    def remove(name: str, order: Order) -> JSONResponse:
        return _told(door, shown_user(users.remove(name, by=said_by(order.by), because=order.reason)))

    @router.post("/users/{name}/password", summary="Give a new password; every session of the user is over")
    async def password(name: str, order: PasswordOrder) -> JSONResponse:
        by, caller = said_by(order.by), CALLER.get()

        def done() -> User:
            for project, role in users.get(name).roles.items():
                may_give(caller, role, project)
            return users.password(name, order.password, by=by)

        return _told(door, shown_user(await door.slowly(done)))

    @router.post("/users/{name}/grant", summary="Let a user be something in a project")
    def grant(name: str, order: RoleOrder) -> JSONResponse:
        role = _role(order.role)
        _may_give([(order.project, role)])
        return _told(door, shown_user(users.grant(name, role, project=order.project, by=said_by(order.by), because=order.reason)))

    @router.post("/users/{name}/revoke", summary="Take the role of a project away")
    def revoke(name: str, order: PlaceOrder) -> JSONResponse:
        held = users.get(name).roles
        if order.project != ANYWHERE and ANYWHERE in held:  # what holds everywhere counts there again
            _may_give([(order.project, held[ANYWHERE])])
        return _told(door, shown_user(users.revoke(name, project=order.project, by=said_by(order.by), because=order.reason)))

    return router


def tokens_router(door: Door) -> APIRouter:
    """Routes about everybody's tokens and sessions."""
    router = APIRouter(tags=["access"], responses=VERB_ERRORS, dependencies=[needs(Right.ADMIN, ANYWHERE)])
    access = door.access

    @router.get("/tokens", summary="Tokens with their state and last use, of one user or of all")
    def listed(user: str = "") -> JSONResponse:
        return answer({"tokens": access.tokens.all(user)})

    @router.post("/tokens", summary="Make a token; it is shown this once", status_code=201)
    def add(order: GivenTokenOrder) -> JSONResponse:
        try:
            lasts = None if order.expires == "never" else duration(order.expires)
        except ValueError as error:
            raise RequestInvalid(str(error), fields={"expires": "write for example 90d, or never"}) from error
        user, role = access.users.get(order.user), _role(order.role) if order.role else None
        _may_give(user.roles.items())  # it speaks for all that its user may
        secret, made = access.tokens.add(user.name, project=order.project, role=role, lasts=lasts, note=order.note, by=said_by(order.by))
        return _told(door, {"token": secret, "id": made.id, "user": made.user, "expires_at": made.expires_at}, 201)

    @router.post("/tokens/{id}/revoke", summary="End a token now")
    def revoke(id: str, order: Order) -> JSONResponse:
        return _told(door, access.tokens.revoke(id, by=said_by(order.by), because=order.reason))

    @router.get("/sessions", summary="Open sessions, of one user or of all")
    def sessions(user: str = "") -> JSONResponse:
        return answer({"sessions": [shown_session(one) for one in access.entry.sessions(user)]})

    @router.post("/sessions/{id}/end", summary="End a session now")
    def end(id: str, order: Order) -> JSONResponse:
        return _told(door, shown_session(access.entry.end_one(id, by=said_by(order.by))))

    return router


def shown_user(user: User) -> dict[str, Any]:
    """A user as it is listed: nothing of the password but whether there is one."""
    return {
        "name": user.name,
        "service": user.service,
        "roles": dict(user.roles),
        "password": bool(user.password),
        "outside": user.outside,
        "made_at": user.made_at,
        "by": user.by,
        "removed_at": user.removed_at,
    }


def shown_session(session: Session) -> dict[str, Any]:
    """A session as it is listed: neither its key nor its CSRF token."""
    names = ("id", "user", "made_at", "seen_at", "expires_at", "address", "agent", "ended_at")
    return {name: getattr(session, name) for name in names}


def _may_give(roles: Iterable[tuple[str, Role]]) -> None:
    for project, role in roles:
        may_give(CALLER.get(), role, project)


def _role(name: str) -> Role:
    try:
        return Role(name)
    except ValueError as error:
        raise RequestInvalid(f"there is no role {name[:40]!r}", fix=f"write one of {', '.join(Role)}") from error


def _told(door: Door, value: Any, status: int = 200) -> JSONResponse:
    """The answer to a change, which counts at once in this process; no cache keeps it."""
    door.look_now()
    told = answer(value)
    told.status_code = status
    told.headers["Cache-Control"] = "no-store"
    return told
