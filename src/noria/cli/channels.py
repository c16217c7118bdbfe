"""The ways to people: add, list, test and remove them."""

from __future__ import annotations

from pathlib import Path
from time import perf_counter
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from noria.app.channels import KINDS, ChannelSetup, HomeChannels, add, remove, setups
from noria.app.settings import find_home, read
from noria.app.wiring import system_clock
from noria.cli.console import AsJson, Home, answer, console, plainly
from noria.core.errors import NotFound, SettingsInvalid
from noria.core.notices import Happening, Notice, Words

ACTIONS = ("list", "add", "test", "remove")


@plainly
def channels(
    action: Annotated[str, typer.Argument(help="list, add, test or remove.")] = "list",
    name: Annotated[str | None, typer.Argument(help="The channel's name, your choice.")] = None,
    kind: Annotated[str, typer.Option("--kind", help=f"{', '.join(KINDS)}.")] = "",
    url: Annotated[str, typer.Option("--url", help="Where it leads; or env:NAME, read when a notice is told.")] = "",
    secret: Annotated[
        str, typer.Option("--secret", help="Signs (webhook, Feishu, DingTalk), or PagerDuty's routing key; or env:NAME.")
    ] = "",
    takes: Annotated[str, typer.Option("--takes", help="Severities: page, notice or page,notice.")] = "page,notice",
    loops: Annotated[str, typer.Option("--loops", help="Only these loops, with commas; all when left out.")] = "",
    plain_http: Annotated[bool, typer.Option("--plain-http", help="Allow an http address beyond this machine.")] = False,
    title: Annotated[str, typer.Option("--title", help="Template of the title: {loop}, {title}, {severity}, {link}, …")] = Words().title,
    text: Annotated[str, typer.Option("--text", help="Template of the text: {text}, {numbers}, {at}, …")] = Words().text,
    host: Annotated[str, typer.Option("--host", help="E-mail: the server.")] = "",
    port: Annotated[int, typer.Option("--port", help="E-mail: its port.")] = 587,
    tls: Annotated[str, typer.Option("--tls", help="E-mail: starttls, tls, or none (this machine only).")] = "starttls",
    user: Annotated[str, typer.Option("--user", help="E-mail: who logs in.")] = "",
    password: Annotated[str, typer.Option("--password", help="E-mail: the password, or env:NAME.")] = "",
    sender: Annotated[str, typer.Option("--from", help="E-mail: the sender.")] = "",
    to: Annotated[str, typer.Option("--to", help="E-mail: the recipients, with commas.")] = "",
    authorities: Annotated[str, typer.Option("--authorities", help="E-mail: a file with certificate authorities of your own.")] = "",
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Add, list, test and remove the ways to people.

    [bold]noria channels add ops --kind slack --url env:SLACK_URL --takes page[/]

    [bold]noria channels add desk --kind email --host smtp.example.com --user noria --password env:SMTP_PASSWORD --from noria@example.com --to ada@example.com[/]

    They are kept in channels.json in the home, readable by its owner alone. Running processes see a change at once.
    """
    if action not in ACTIONS:
        raise SettingsInvalid(f"channels cannot {action!r}", fix=f"write one of {', '.join(ACTIONS)}")
    folder = read(home or find_home()).folder
    if action == "list":
        _list(folder, as_json)
        return
    if name is None and action != "test":
        raise SettingsInvalid(f"which channel to {action}?", fix=f"noria channels {action} NAME …")
    if action == "test":
        _test(folder, name, as_json)
    elif action == "remove":
        gone = remove(folder, str(name))
        answer({"removed": gone.name}, as_json=as_json, text=f"[bold]{escape(gone.name)}[/] is removed")
    else:
        made = add(
            folder,
            ChannelSetup(
                name=str(name),
                kind=kind,
                url=url,
                secret=secret,
                takes=_listed(takes),
                loops=_listed(loops),
                plain_http=plain_http,
                title=title,
                text=text,
                host=host,
                port=port,
                tls=tls,
                user=user,
                password=password,
                sender=sender,
                to=_listed(to),
                authorities=authorities,
            ),
        )
        _added(folder, made, secret_made=not secret and bool(made.secret), as_json=as_json)


def _list(folder: Path, as_json: bool) -> None:
    known = setups(folder)
    if as_json:
        answer([_shown(one) for one in known], as_json=True)
        return
    table = Table.grid(padding=(0, 2))
    table.add_row("[bold]log[/]", "file", "page, notice", f"[dim]{escape(str(folder / 'notices.log'))}[/]")
    for one in known:
        loops = f" · {', '.join(one.loops)}" if one.loops else ""
        table.add_row(f"[bold]{escape(one.name)}[/]", one.kind, f"{', '.join(one.takes)}{escape(loops)}", f"[dim]{escape(one.where)}[/]")
    console.print(table)
    if not any("notice" in one.takes for one in known):
        console.print(
            "[yellow]no channel but the log takes notices[/]: digests, with the pages that the budget held back, are told there alone"
        )


def _added(folder: Path, made: ChannelSetup, *, secret_made: bool, as_json: bool) -> None:
    shown = _shown(made) | ({"secret": made.secret} if secret_made else {})
    text = f"[bold]{escape(made.name)}[/] tells {', '.join(made.takes)} to {escape(made.where)} · try it with `noria channels test {made.name}`"
    if secret_made:
        text += f"\nits signing secret, shown this once: [bold]{made.secret}[/]"
    if not any("notice" in one.takes for one in setups(folder)):
        text += "\n[yellow]no channel but the log takes notices[/]: digests, with the pages that the budget held back, are told there alone"
    answer(shown, as_json=as_json, text=text)


def _test(folder: Path, name: str | None, as_json: bool) -> None:
    wall = system_clock()
    ways = [one for one in HomeChannels(folder, wall=wall).all() if name in (None, one.name)]
    if not ways:
        raise NotFound(f"no channel {name!r}", fix="`noria channels` lists them")
    now = wall.now()
    found = []
    for way in ways:
        notice = Notice(
            id=f"test:{way.name}:{now.timestamp():.0f}",
            loop="noria",
            severity=min(way.takes),
            about=Happening.TEST,
            title="a test: nothing is wrong",
            text=f"This channel ({way.name}) works.",
            dedupe=f"test:{way.name}:{now.timestamp():.0f}",
            at=now,
            drill=True,
        )
        begun = perf_counter()
        told = way.notify.tell(notice)
        found.append(
            {"channel": way.name, "arrived": told.arrived, "said": told.said, "latency_ms": round((perf_counter() - begun) * 1000)}
        )
    lines = [
        f"{_mark(bool(one['arrived']))} {escape(str(one['channel'])):16} {one['latency_ms']} ms · {escape(str(one['said']))}"
        for one in found
    ]
    answer(found, as_json=as_json, text="\n".join(lines))
    if not all(one["arrived"] for one in found):
        raise typer.Exit(1)


def _shown(one: ChannelSetup) -> dict[str, object]:
    return {"name": one.name, "kind": one.kind, "takes": one.takes, "loops": one.loops, "where": one.where, "signed": bool(one.secret)}


def _mark(well: bool) -> str:
    return "[green]✔[/]" if well else "[red]✖[/]"


def _listed(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())
