"""Who may call a deployment: make, list and revoke its keys."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from noria.cli.console import AsJson, Because, By, Home, answer, console, plainly
from noria.cli.opened import Opened
from noria.core.errors import RequestInvalid, SettingsInvalid
from noria.core.moments import duration, spoken
from noria.loop.keys import KeyShown, KeyVerbs

ACTIONS = ("list", "add", "revoke", "open")
_COLOURS = {"valid": "green", "expired": "yellow", "revoked": "red"}


@plainly
def keys(
    action: Annotated[str, typer.Argument(help="list, add, revoke or open.")] = "list",
    name: Annotated[str | None, typer.Argument(help="The deployment (list, add, open), or the key's id (revoke).")] = None,
    expires: Annotated[
        str, typer.Option("--expires", help="How long it lasts, in event time: 90d, 12h …; without end when left out.")
    ] = "",
    note: Annotated[str, typer.Option("--note", help="Whose it is, or what for.")] = "",
    home: Home = None,
    by: By = "",
    because: Because = "",
    as_json: AsJson = False,
) -> None:
    """Make, list and revoke the keys that open a deployment.

    [bold]noria keys add late-arrival --expires 90d --note "the booking site"[/] shows a key, this once.

    [bold]noria keys revoke 3f9c0a17b2de --because "it was in a log"[/]

    From its first key on, a deployment asks every caller for one, on this machine too: `Authorization: Bearer KEY` or `X-API-Key: KEY`. It goes on asking when all have expired or are revoked; [bold]noria keys open NAME[/] ends that. The home's own token opens everything. Running data planes see a change at once, and go on knowing the keys while the control plane is down.
    """
    if action not in ACTIONS:
        raise SettingsInvalid(f"keys cannot {action!r}", fix=f"write one of {', '.join(ACTIONS)}")
    verbs = KeyVerbs(Opened(home).world)
    if action == "list":
        _list(verbs.all(name or ""), as_json)
        return
    if name is None:
        raise SettingsInvalid(f"what to {action}?", fix=f"noria keys {action} {'ID' if action == 'revoke' else 'DEPLOYMENT'}")
    if action == "add":
        _add(verbs, name, expires, note, by, as_json)
    elif action == "revoke":
        over = verbs.revoke(name, by=by, because=because)
        answer(over, as_json=as_json, text=f"key [bold]{over.id}[/] of {escape(over.deployment)} opens nothing any more")
    else:
        ended = verbs.open(name, by=by, because=because)
        text = f"[bold]{escape(name)}[/] asks for no key any more; {ended} no longer count"
        answer({"deployment": name, "revoked": ended}, as_json=as_json, text=text)


def _add(verbs: KeyVerbs, deployment: str, expires: str, note: str, by: str, as_json: bool) -> None:
    try:
        lasts = duration(expires) if expires else None
    except ValueError as error:
        raise RequestInvalid(str(error), fix="write for example --expires 90d") from error
    secret, made = verbs.add(deployment, lasts=lasts, note=note, by=by)
    until = f"until {made.expires_at:%Y-%m-%d %H:%M}" if made.expires_at else "without end"
    answer(
        {"key": secret, "id": made.id, "deployment": deployment, "expires_at": made.expires_at},
        as_json=as_json,
        text=f"[bold]{secret}[/]\nopens {escape(deployment)} {until}; it is shown this once · end it with `noria keys revoke {made.id}`",
    )


def _list(found: list[KeyShown], as_json: bool) -> None:
    if as_json:
        answer(found, as_json=True)
        return
    if not found:
        console.print("no deployment asks for a key · make one with `noria keys add DEPLOYMENT`")
    table = Table.grid(padding=(0, 2))
    for one in found:
        used = f"used {one.used_at:%Y-%m-%d %H:%M}" if one.used_at else "never used"
        until = f"{spoken(one.expires_at - one.made_at)} from {one.made_at:%Y-%m-%d}" if one.expires_at else "without end"
        state = f"[{_COLOURS[one.state]}]{one.state}[/]"
        table.add_row(
            one.id, f"[bold]{escape(one.deployment)}[/]", state, until, used, f"by {escape(one.by)}", f"[dim]{escape(one.note)}[/]"
        )
    console.print(table)
