"""Who may do what: five roles, each with all rights of the ones before it, held per project."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

ANYWHERE = "*"
"""The project of a role that holds in every one."""

DEFAULT_PROJECT = "default"


class Right(StrEnum):
    """What a route asks of its caller."""

    NONE = "none"
    """Anybody may: health, the login page."""
    VIEW = "view"
    """Read anything of a project."""
    CONTRIBUTE = "contribute"
    """Log runs, register models and versions, send traces and outcomes."""
    APPROVE = "approve"
    """Grant or refuse what waits for a person."""
    OPERATE = "operate"
    """Change what answers in production: deploy, promote, move aliases of deployed models, roll back, kill, silence."""
    ADMIN = "admin"
    """Users, tokens, roles, keys, webhooks, collecting garbage."""


class Role(StrEnum):
    """What a person or a program is in a project."""

    VIEWER = "viewer"
    CONTRIBUTOR = "contributor"
    APPROVER = "approver"
    OPERATOR = "operator"
    ADMIN = "admin"


_STEPS = (Right.NONE, Right.VIEW, Right.CONTRIBUTE, Right.APPROVE, Right.OPERATE, Right.ADMIN)
_HEIGHT = {right: step for step, right in enumerate(_STEPS)}
REACH: Mapping[Role, int] = {Role.VIEWER: 1, Role.CONTRIBUTOR: 2, Role.APPROVER: 3, Role.OPERATOR: 4, Role.ADMIN: 5}
"""How far up the rights each role reaches."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """Who calls.

    Attributes:
        name: A user's or service's name, as events tell it.
        roles: Project to role; `ANYWHERE` holds where a project has no line of its own.
        token: Id of the token that was shown; "" = none was.
    """

    name: str
    roles: Mapping[str, Role] = field(default_factory=dict)
    token: str = ""

    def may(self, right: Right, project: str = DEFAULT_PROJECT) -> bool:
        """Whether its role in a project has a right."""
        role = self.roles.get(project) or self.roles.get(ANYWHERE)
        return right is Right.NONE or (role is not None and REACH[role] >= _HEIGHT[right])


LOCAL = Principal(name="local", roles={ANYWHERE: Role.ADMIN})
"""Whoever calls a server that listens on the loopback address only, with no users made: the machine's own user."""

NOBODY = Principal(name="")
"""A caller who has shown nothing."""
