"""Who there is and what they may: add, list and remove users, give passwords, grant and revoke roles."""

from __future__ import annotations

import secrets
import sys
from dataclasses import replace
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from noria.app.wiring import open_access
from noria.cli.console import AsJson, Because, By, Home, answer, console, plainly
from noria.cli.opened import Opened
from noria.core.errors import SettingsInvalid
from noria.core.identities import User
from noria.core.rights import ANYWHERE, Role
from noria.ledger.access.users import Users, place

ACTIONS = ("list", "add", "remove", "password", "grant", "revoke", "open")


@plainly
def users(
    action: Annotated[str, typer.Argument(help="list, add, remove, password, grant, revoke or open.")] = "list",
    name: Annotated[str | None, typer.Argument(help="The user.")] = None,
    role: Annotated[str, typer.Option("--role", help="viewer, contributor, approver, operator or admin.")] = "",
    project: Annotated[str, typer.Option("--project", help="Where the role holds; in every project when left out.")] = ANYWHERE,
    service: Annotated[bool, typer.Option("--service", help="A program, such as CI: tokens speak for it, it has no password.")] = False,
    stdin: Annotated[bool, typer.Option("--stdin", help="Read the password from standard input, for scripts.")] = False,
    home: Home = None,
    by: By = "",
    because: Because = "",
    as_json: AsJson = False,
) -> None:
    """Say who may do what: add users and give them roles.

    [bold]noria users add ada --role admin[/] asks for a password twice; [bold]noria users add ci --service --role contributor[/] for none.

    [bold]noria users grant ada --role operator --project lab[/]

    From the first user on, everybody is asked who they are, on this machine too: the page shows a login, programs send a token ([bold]noria tokens add NAME[/]). The home's own token still opens everything, so commands go on working. It stays so when the last user is removed; [bold]noria users open[/] ends it.
    """
    if action not in ACTIONS:
        raise SettingsInvalid(f"users cannot {action!r}", fix=f"write one of {', '.join(ACTIONS)}")
    verbs = open_access(Opened(home).world).users
    if action == "list":
        _list(verbs.all(), as_json)
    elif action == "open":
        verbs.open(by=by, because=because)
        answer({"asks": False}, as_json=as_json, text="nobody on this machine is asked who they are any more")
    elif name is None:
        raise SettingsInvalid(f"whom to {action}?", fix=f"noria users {action} NAME")
    elif action in ("add", "password"):
        _with_password(verbs, action, name, role, project, service, stdin, by, as_json)
    elif action == "remove":
        gone = verbs.remove(name, by=by, because=because)
        answer(_plain(gone), as_json=as_json, text=f"[bold]{escape(gone.name)}[/] is no user any more; their tokens and sessions are over")
    elif action == "grant":
        new = verbs.grant(name, role_named(role), project=project, by=by, because=because)
        answer(_plain(new), as_json=as_json, text=f"[bold]{escape(new.name)}[/] is {role_named(role)} in {escape(place(project))}")
    else:
        new = verbs.revoke(name, project=project, by=by, because=because)
        text = f"[bold]{escape(new.name)}[/] has no role of their own in {escape(place(project))} any more"
        answer(_plain(new), as_json=as_json, text=text)


def _with_password(
    verbs: Users, action: str, name: str, role: str, project: str, service: bool, stdin: bool, by: str, as_json: bool
) -> None:
    roles = {project: role_named(role)} if role else {}
    shown = ""
    if service:
        password = ""
    elif stdin:
        password = sys.stdin.readline().rstrip("\n")
    elif sys.stdin.isatty():
        password = typer.prompt("Password", hide_input=True, confirmation_prompt=True)
    else:
        password = shown = secrets.token_urlsafe(16)
    user = (
        verbs.add(name, password=password, roles=roles, service=service, by=by)
        if action == "add"
        else verbs.password(name, password, by=by)
    )
    told = (
        f"[bold]{escape(user.name)}[/] is a user"
        if action == "add"
        else f"[bold]{escape(user.name)}[/] has a new password; sessions are over"
    )
    more = f"\n[bold]{shown}[/]\nis the password; it is shown this once" if shown else ""
    hint = f" · give a role: `noria users grant {user.name} --role viewer`" if action == "add" and not roles else ""
    answer({**_plain(user), **({"password": shown} if shown else {})}, as_json=as_json, text=told + hint + more)


def role_named(said: str) -> Role:
    """The role that an option names.

    Raises:
        SettingsInvalid: there is none of that name.
    """
    try:
        return Role(said)
    except ValueError:
        raise SettingsInvalid(f"{said!r} is no role", fix=f"write --role and one of {', '.join(Role)}") from None


def _plain(user: User) -> dict[str, object]:
    """The user without what was kept of the password."""
    shown = replace(user, password="")
    return {"name": shown.name, "roles": dict(shown.roles), "service": shown.service, "made_at": shown.made_at, "by": shown.by}


def _list(found: list[User], as_json: bool) -> None:
    if as_json:
        answer({"users": [_plain(one) for one in found]}, as_json=True)
        return
    if not found:
        console.print("there is no user · make the first one with `noria users add NAME --role admin`")
    table = Table.grid(padding=(0, 2))
    for one in found:
        roles = ", ".join(f"{role} in {place(where)}" for where, role in one.roles.items()) or "no role"
        kind = "program" if one.service else "from outside" if one.outside else "person"
        table.add_row(f"[bold]{escape(one.name)}[/]", kind, escape(roles), f"[dim]{one.made_at:%Y-%m-%d} by {escape(one.by)}[/]")
    console.print(table)
