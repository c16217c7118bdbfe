"""Print the record of who ordered what."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from noria.app.wiring import open_access
from noria.cli.console import AsJson, Home, answer, console, plainly
from noria.cli.opened import Opened
from noria.core.errors import RequestInvalid
from noria.core.moments import duration


@plainly
def audit(
    since: Annotated[str, typer.Option("--since", help="How far back (24h, 7d …), or a date: 2026-11-01.")] = "",
    by: Annotated[str, typer.Option("--by", help="Whose calls; everybody's when left out.")] = "",
    project: Annotated[str, typer.Option("--project", help="In which project.")] = "",
    limit: Annotated[int, typer.Option("--limit", min=1, max=100_000, help="At most so many lines, the newest.")] = 200,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Say who called what, on what, when and from where: every call that changed something, and every one that was refused.

    [bold]noria audit --since 7d --by ada --json[/]

    What a training loop logs is one line for many calls, with their number; it follows some seconds later.
    """
    access = open_access(Opened(home).world)
    found = access.audit.lines(since=_moment(since, access.wall.now()), by=by, project=project, limit=limit)
    if as_json:
        answer({"audit": found}, as_json=True)
        return
    if not found:
        console.print("nothing was ordered over HTTP; what commands ordered on this machine is in `noria why --all`")
    table = Table.grid(padding=(0, 2))
    for one in found:
        status = f"[red]{one.status}[/]" if one.status >= 400 else str(one.status)
        many = f"× {one.calls:,}" if one.calls > 1 else ""
        who = f"[bold]{escape(one.by or 'nobody known')}[/]" + (f" [dim]{escape(one.token)}[/]" if one.token else "")
        table.add_row(f"{one.at:%Y-%m-%d %H:%M:%S}", who, escape(one.address), status, escape(one.what), escape(one.on), many)
    console.print(table)


def _moment(said: str, now: datetime) -> datetime | None:
    if not said:
        return None
    try:
        return now - duration(said)
    except ValueError:
        pass
    try:
        found = datetime.fromisoformat(said)
    except ValueError as error:
        raise RequestInvalid(f"{said!r} is no length of time and no date", fix="write 24h, 7d or 2026-11-01") from error
    return found if found.tzinfo else found.replace(tzinfo=UTC)
