"""`noria migrate`, `noria backup` and `noria restore`: records that outlive the Noria that wrote them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from noria.app import backups
from noria.app.settings import find_home, read
from noria.cli.console import AsJson, Home, answer, console, plainly
from noria.core.errors import NotAllowed


@plainly
def migrate(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="On PostgreSQL: there is a copy, go on.")] = False,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Lead the records to the format of this Noria; what an older one wrote stays readable.

    [bold]noria migrate --dry-run[/] says what would be done. Whatever opens a home does it too, so this is for those who choose the moment. A SQLite file is copied into the home's [bold]backups/[/] first (the last three are kept), in the same lock; on PostgreSQL all steps are one transaction, and the copy is yours to make. A store that a newer Noria wrote is refused.
    """
    settings = read(home or find_home())
    found = backups.waiting(settings)
    on_server = settings.records != "sqlite"
    if found and not dry_run:
        if on_server and not yes:
            raise NotAllowed(
                f"{', '.join(map(str, found))}: a database on a server is not copied by Noria",
                fix=f"`{backups.dump_command(settings)}`, then `noria migrate --yes`",
            )
        backups.migrate(settings)
    told = {"records": "postgresql" if on_server else "sqlite", "steps": found, "done": bool(found) and not dry_run}
    if as_json:
        answer(told, as_json=True)
        return
    if not found:
        console.print("the records have this Noria's format")
        return
    for one in found:
        console.print(f"[bold]{one}[/]  {len(one.statements)} statements", soft_wrap=True)
        if dry_run:
            for statement in one.statements:
                console.print(f"  [dim]{escape(' '.join(statement.split()))}[/]", soft_wrap=True)
    if dry_run:
        console.print(
            f"[dim]copy it first:[/] {escape(backups.dump_command(settings))}" if on_server else "[dim]a copy is made first, by itself[/]"
        )
    else:
        console.print("done" if on_server else f"done · what was before is in {escape(str(settings.folder / 'backups'))}", soft_wrap=True)


@plainly
def backup(
    folder: Annotated[Path, typer.Argument(help="Where to: a new folder, or one of an earlier backup, which gets what is new.")],
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Copy a home's records, blobs, prediction log and settings into a folder, while it runs.

    [bold]noria backup /mnt/safe/noria[/]

    Records are copied as of one moment. Not in it: the token and channels' secrets, the journal's last seconds, and online features, which come anew from the datasets.
    """
    settings = read(home or find_home())
    if as_json:
        made = backups.backup(settings, folder)
    else:
        with console.status("reading") as status:
            made = backups.backup(settings, folder, told=status.update)
    text = f"{made.blobs:,} blobs, {made.log_files:,} log files and the records are in {escape(str(folder))}; {made.copied_bytes / 1e6:,.1f} MB came this time"
    answer(made, as_json=as_json, text=text)


@plainly
def restore(
    folder: Annotated[Path, typer.Argument(help="The folder of a backup.")],
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Put a backup back into a home whose processes are stopped; the records that it had are kept in its backups/.

    [bold]noria restore /mnt/safe/noria --home .noria[/]
    """
    settings = read(home or find_home())
    if as_json:
        made = backups.restore(settings, folder)
    else:
        with console.status("reading") as status:
            made = backups.restore(settings, folder, told=status.update)
    answer(made, as_json=as_json, text=f"the home {escape(str(settings.folder))} is as it was on {made.at}")
