"""Tokens that speak for a user: make, list and revoke them."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from noria.app.wiring import open_access
from noria.cli.console import AsJson, Because, By, Home, answer, console, plainly
from noria.cli.opened import Opened
from noria.cli.users import role_named
from noria.core.errors import RequestInvalid, SettingsInvalid
from noria.core.moments import duration
from noria.core.rights import ANYWHERE
from noria.ledger.access.tokens import TokenShown
from noria.ledger.access.users import place

ACTIONS = ("list", "add", "revoke")
_COLOURS = {"valid": "green", "expired": "yellow", "revoked": "red"}


@plainly
def tokens(
    action: Annotated[str, typer.Argument(help="list, add or revoke.")] = "list",
    name: Annotated[str | None, typer.Argument(help="The user (list, add), or the token's id (revoke).")] = None,
    role: Annotated[str, typer.Option("--role", help="The most that it may; all that its user may when left out.")] = "",
    project: Annotated[str, typer.Option("--project", help="The only project where it holds; everywhere when left out.")] = ANYWHERE,
    expires: Annotated[str, typer.Option("--expires", help="How long it lasts: 90d, 12h …, or never.")] = "365d",
    note: Annotated[str, typer.Option("--note", help="Where it is kept, or what for.")] = "",
    home: Home = None,
    by: By = "",
    because: Because = "",
    as_json: AsJson = False,
) -> None:
    """Make, list and revoke the tokens that programs show.

    [bold]noria tokens add ci --role contributor --project lab --expires 90d[/] shows a token, this once.

    Clients send it as `Authorization: Bearer TOKEN`, `X-API-Key: TOKEN`, or in place of HTTP Basic's password. MLflow's clients take it from MLFLOW_TRACKING_TOKEN. A revoked one opens nothing after a second.
    """
    if action not in ACTIONS:
        raise SettingsInvalid(f"tokens cannot {action!r}", fix=f"write one of {', '.join(ACTIONS)}")
    verbs = open_access(Opened(home).world).tokens
    if action == "list":
        _list(verbs.all(name or ""), as_json)
        return
    if name is None:
        raise SettingsInvalid(f"what to {action}?", fix=f"noria tokens {action} {'ID' if action == 'revoke' else 'USER'}")
    if action == "revoke":
        over = verbs.revoke(name, by=by, because=because)
        answer(over, as_json=as_json, text=f"token [bold]{over.id}[/] of {escape(over.user)} opens nothing any more")
        return
    try:
        lasts = None if expires == "never" else duration(expires)
    except ValueError as error:
        raise RequestInvalid(str(error), fix="write for example --expires 90d, or --expires never") from error
    secret, made = verbs.add(name, project=project, role=role_named(role) if role else None, lasts=lasts, note=note, by=by)
    until = f"until {made.expires_at:%Y-%m-%d %H:%M}" if made.expires_at else "without end"
    answer(
        {"token": secret, "id": made.id, "user": made.user, "expires_at": made.expires_at},
        as_json=as_json,
        text=f"[bold]{secret}[/]\nspeaks for {escape(made.user)} {until}; it is shown this once · end it with `noria tokens revoke {made.id}`",
    )


def _list(found: list[TokenShown], as_json: bool) -> None:
    if as_json:
        answer({"tokens": found}, as_json=True)
        return
    if not found:
        console.print("there is no token · make one with `noria tokens add USER`")
    table = Table.grid(padding=(0, 2))
    for one in found:
        used = f"used {one.used_at:%Y-%m-%d %H:%M} from {one.used_from or 'somewhere'}" if one.used_at else "never used"
        until = f"until {one.expires_at:%Y-%m-%d}" if one.expires_at else "without end"
        reach = f"{one.role or 'all'} in {place(one.project)}"
        state = f"[{_COLOURS[one.state]}]{one.state}[/]"
        table.add_row(one.id, f"[bold]{escape(one.user)}[/]", state, escape(reach), until, escape(used), f"[dim]{escape(one.note)}[/]")
    console.print(table)
