"""The demo: nine months of real flights in a few minutes, through everything that a user would run."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.resources
import shutil
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import polars as pl
import typer
import uvloop

from noria.app.processes import pid_of, running
from noria.app.settings import Settings, keep, read
from noria.app.supervisor import Supervisor, addresses
from noria.app.wiring import build, turnable_clock
from noria.cli.console import console, plainly
from noria.cli.demo_data import prepare
from noria.cli.live import LiveView
from noria.cli.opened import Opened
from noria.cli.replaying import Progress, Replay, check_parity, in_words
from noria.cli.seeing import Seer
from noria.cli.traffic import slices
from noria.core.errors import NotAllowed, NotFound
from noria.ledger.why import chain, decisions, headline, to_text
from noria.loop.verbs import Verbs
from noria.loop.world import World
from noria.stages.registry import aliases

LOOP = "late-arrival"
FAULTS = ("wrong", "slow", "crash")


@plainly
def demo(
    sabotage: Annotated[str, typer.Option(help="How the bad challenger misbehaves: wrong, slow or crash.")] = "wrong",
    folder: Annotated[Path, typer.Option(help="Folder of the demo project; made anew.")] = Path("demo-data"),
    leave: Annotated[bool, typer.Option("--exit", help="End when the year is over, instead of leaving everything running.")] = False,
    port: Annotated[int, typer.Option(help="Port of the page.")] = 7700,
    serve_port: Annotated[int, typer.Option(help="Port of the data plane.")] = 7701,
    until: Annotated[str | None, typer.Option(help="Stop at this date, as 2013-06-30.")] = None,
) -> None:
    """Keep a model of New York's flights good through 2013: born on January to March, alive until December."""
    if sabotage not in FAULTS:
        raise NotFound(f"there is no sabotage {sabotage!r}", fix=f"choose {', '.join(FAULTS)}")
    console.print("[bold]Noria demo[/] · New York flights of 2013 · will a departing flight arrive more than half an hour late?")
    stop_at = _date(until)
    settings = _prepared(folder, port, serve_port)
    traffic = folder.resolve() / "traffic" / "flights.parquet"
    first = next(slices(traffic))
    clock = turnable_clock(settings, start=first.start)
    world = build(settings)
    Verbs(world).up(folder.resolve() / "flights.py")
    keep(settings)
    where = addresses(settings)
    console.print(f"page        [link={where['server']}]{where['server']}[/]\npredictions {where['dataplane']}/predict/{LOOP}")
    replay = Replay(settings, LOOP, clock)
    with running(settings.folder, "supervisor"), Supervisor(settings) as supervisor:
        try:
            supervisor.wait_until_up()
            progress = _through_the_year(world, replay, traffic, sabotage, stop_at, where)
            _account(settings, progress)
            if leave:
                console.print(f"[dim]all processes end; `noria up {folder / 'flights.py'}` shows the page again[/]", soft_wrap=True)
            else:
                console.print(f"page {where['server']}")
                console.print("[dim]everything stays up; Ctrl-C ends it[/]")
                while True:
                    time.sleep(1)
        except KeyboardInterrupt:
            replay.stopped = True
            console.print("[dim]ending …[/]")


def _prepared(folder: Path, port: int, serve_port: int) -> Settings:
    folder.mkdir(parents=True, exist_ok=True)
    home = folder.resolve() / ".noria"
    if home.exists() and not (folder / "traffic" / "flights.parquet").exists():
        raise NotAllowed(f"{folder} holds a home that no demo made", fix="choose another folder: --folder DIR")
    if pid_of(home, "supervisor") is not None:
        raise NotAllowed(f"a demo runs in {folder} already", fix=f"`noria stop --home {home}` ends it, or choose another: --folder DIR")
    shutil.rmtree(home, ignore_errors=True)
    with console.status("unpacking the flights and the weather of 2013"):
        prepare(folder)
    shutil.copyfile(_declaration(), folder / "flights.py")
    settings = replace(
        read(home, environ={}), clock="turned", port=port, serve_port=serve_port, compact_every="6h", look_every="6h", bucket="6h"
    )
    return keep(settings)


def _declaration() -> Path:
    """The demo's loop file: shipped in the package, or in the source tree beside it."""
    shipped = Path(str(importlib.resources.files("noria.cli"))) / "templates" / "flights.py"
    beside = Path(__file__).resolve().parents[3] / "examples" / "flights" / "flights.py"
    return shipped if shipped.exists() else beside


def _through_the_year(
    world: World, replay: Replay, traffic: Path, sabotage: str, until: datetime | None, where: dict[str, str]
) -> Progress:
    """Replay in one thread, show in this one."""
    failure: list[BaseException] = []
    last = until or _last_moment(traffic)

    async def year() -> None:
        await replay.ready()
        saboteur = asyncio.create_task(_sabotage_after_first_promotion(world, sabotage, replay))
        try:
            await replay.run(slices(traffic), until=until)
        finally:
            saboteur.cancel()

    def go() -> None:
        try:
            uvloop.run(year())
        except BaseException as error:  # noqa: BLE001 - raised again where the view is
            failure.append(error)

    going = threading.Thread(target=go, name="replay", daemon=True)
    going.start()
    replay.progress.end = last
    with contextlib.ExitStack() as stack:
        stack.callback(setattr, replay, "stopped", True)
        view, seer = stack.enter_context(LiveView(console)), Seer(world, LOOP, where)
        while going.is_alive():
            view.show(seer.see(replay.progress))
            going.join(timeout=0.25)
        view.show(seer.see(replay.progress))
    if failure:
        raise failure[0]
    return replay.progress


async def _sabotage_after_first_promotion(world: World, fault: str, replay: Replay) -> None:
    """The challenger after the first that was promoted is the bad one."""
    while not replay.stopped:
        if len(aliases.history(world.records, LOOP, "champion")) >= 2:
            Verbs(world).drill(LOOP, fault, by="demo", reason="a bad challenger, on purpose")
            return
        await asyncio.sleep(0.5)


def _last_moment(traffic: Path) -> datetime:
    moment: datetime = pl.scan_parquet(traffic).select(pl.col("outcome_at").max()).collect().item()
    return moment


def _date(text: str | None) -> datetime | None:
    try:
        return None if text is None else datetime.fromisoformat(text).replace(tzinfo=UTC)
    except ValueError:
        raise NotAllowed(f"{text!r} is no date", fix="write it as 2013-06-30") from None


def _account(settings: Settings, progress: Progress) -> None:
    opened = Opened(settings.folder)
    ledger = opened.world.ledger
    console.rule("[bold]noria why late-arrival")
    for event in reversed(decisions(ledger, LOOP, 12)):
        console.print(f"{event.at:%Y-%m-%d %H:%M}  {event.kind:<20} {headline(event)}", markup=False, soft_wrap=True)
    newest = decisions(ledger, LOOP, 1)
    if newest:
        console.rule("[bold]the newest decision, with its whole chain")
        console.print(to_text(chain(ledger, newest[0].id)), markup=False, soft_wrap=True)
    console.rule()
    console.print(in_words(progress), soft_wrap=True)
    report = check_parity(opened, LOOP, 2_000)
    console.print(f"{report.equal:.2%} of {report.rows:,} logged feature vectors are bit-equal when computed again offline")
    console.print(f"ask [bold]noria why {LOOP} --home {settings.folder}[/]", soft_wrap=True)
