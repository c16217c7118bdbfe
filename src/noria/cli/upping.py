"""Bring a home up and down: up, stop, init, and the two servers by themselves."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from noria.app.processes import NAMES, end, pid_of, running
from noria.app.settings import Settings, find_home, keep, read
from noria.app.supervisor import Supervisor, addresses, alive, free_ports, grpc_there
from noria.app.wiring import build
from noria.cli.console import AsJson, Home, answer, console, plainly
from noria.cli.live import LiveView
from noria.cli.scaffold import write_project
from noria.cli.seeing import Seer
from noria.core.errors import NotFound, Unavailable
from noria.core.state import LoopState
from noria.loop.verbs import Verbs
from noria.loop.world import World

Ports = Annotated[int | None, typer.Option(help="Port of the control plane and its page.")]

GrpcPort = Annotated[
    int | None, typer.Option(help="Port of the data plane over gRPC (Open Inference Protocol); wants the extra grpc. 0 for none.")
]


@plainly
def init(
    folder: Annotated[Path, typer.Argument(help="Folder to write into; made when it is not there.")] = Path(),
    data: Annotated[Path | None, typer.Option("--data", help="Your own CSV or Parquet file; a small one is made when left out.")] = None,
    as_json: AsJson = False,
) -> None:
    """Write a small project to start from."""
    written = write_project(folder, data=data)
    listed = "\n".join(f"  {file}" for file in written)
    loop_file = next((file for file in written if file.suffix == ".py"), written[0])
    answer([str(file) for file in written], as_json=as_json, text=f"wrote\n{listed}\nnext: [bold]noria up {loop_file}[/]")


@plainly
def up(
    file: Annotated[Path | None, typer.Argument(help="The Python file that declares your loops; left out: what the home has.")] = None,
    home: Home = None,
    host: Annotated[str | None, typer.Option(help="Address to bind; beyond this machine, every caller needs the token.")] = None,
    port: Ports = None,
    serve_port: Annotated[int | None, typer.Option(help="Port of the data plane.")] = None,
    grpc_port: GrpcPort = None,
    records: Annotated[str | None, typer.Option(help="A postgresql:// URL, to share the records between machines.")] = None,
    detach: Annotated[bool, typer.Option("--detach", "-d", help="Leave it running in the background.")] = False,
    as_json: AsJson = False,
) -> None:
    """Check a loop file and run it: control plane, data plane, jobs. Ctrl-C ends all of it; nothing is lost.

    Without a file it runs what the home has: loops of earlier, and what `noria deploy` brought.
    """
    settings = _settings(file, home, host=host, port=port, serve_port=serve_port, grpc_port=grpc_port, records=records)
    free_ports(settings)
    world = build(settings)
    states = Verbs(world).up(file) if file is not None else world.documents.find(LoopState)
    keep(settings)
    if detach:
        _in_background(settings)
        where = addresses(settings)
        text = f"{_named(states)} up · page {where['server']} · predictions {where['dataplane']} · end with `noria stop`"
        answer({"loops": [s.name for s in states], **where}, as_json=as_json, text=text)
        return
    with running(settings.folder, "supervisor"), Supervisor(settings) as supervisor:
        supervisor.wait_until_up()
        if states:
            _watch(world, states[0].name, addresses(settings))
        else:
            _wait(addresses(settings))


@plainly
def stop(home: Home = None, as_json: AsJson = False) -> None:
    """End every process of the home: requests under way are answered, the journal is synced."""
    folder = read(home or find_home()).folder
    ended = [name for name in NAMES if pid_of(folder, name) is not None]
    for name in ended:
        end(folder, name)
    answer({"ended": ended}, as_json=as_json, text=f"ended {', '.join(ended)}" if ended else "nothing was running")


@plainly
def serve(
    folder: Annotated[Path | None, typer.Argument(help="What `noria export` wrote; the home when left out.")] = None,
    home: Home = None,
    grpc_port: GrpcPort = None,
) -> None:
    """Run the data plane alone: it answers from its own disk, with or without a control plane."""
    if folder is not None and not (folder / "plan").is_dir():
        raise NotFound(f"{folder} is no export and no home: it has no routing plan", fix="noria export NAME FOLDER")
    settings = read(folder or home or find_home())
    if grpc_port is not None:
        grpc_there(grpc_port)
        os.environ["NORIA_GRPC_PORT"] = str(grpc_port)
    _become("noria.dataplane", settings)


@plainly
def server(
    home: Home = None,
    host: Annotated[str | None, typer.Option(help="Address to bind; beyond this machine, every caller shows who it is.")] = None,
    port: Ports = None,
) -> None:
    """Run the control plane alone: tracking and registry for MLflow's clients, API, page and durable turns.

    In a folder without a home it makes one, `.noria`: nothing else is needed to track.

    [bold]MLFLOW_TRACKING_URI=http://127.0.0.1:7700 python train.py[/]
    """
    settings = read(home or _home_here())
    settings = keep(replace(settings, host=host or settings.host, port=settings.port if port is None else port))
    url = f"{settings.scheme}://{settings.host}:{settings.port}"
    console.print(
        f"Noria keeps {settings.folder} and answers at [bold]{url}[/]; MLFLOW_TRACKING_URI={url}. Ctrl-C ends it.", soft_wrap=True
    )
    _become("noria.server", settings)


def _home_here() -> Path:
    """The home around, or the one that is about to be made in this folder."""
    try:
        return find_home()
    except NotFound:
        return Path.cwd() / ".noria"


def _named(states: Sequence[LoopState]) -> str:
    return ", ".join(state.name for state in states) or "Noria is"


def _settings(file: Path | None, home: Path | None, *, grpc_port: int | None, **given: Any) -> Settings:
    settings = read(home or os.environ.get("NORIA_HOME") or (file.resolve().parent / ".noria" if file is not None else find_home()))
    settings = replace(settings, grpc_port=settings.grpc_port if grpc_port is None else grpc_port)
    grpc_there(settings.grpc_port)
    return replace(settings, **{name: value for name, value in given.items() if value})


def _in_background(settings: Settings) -> None:
    log, started = settings.folder / "run" / "supervisor.log", None
    if pid_of(settings.folder, "supervisor") is None:
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as out:
            started = subprocess.Popen(
                [sys.executable, "-m", "noria.app.supervisor", str(settings.folder)],
                stdout=out,
                stderr=out,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
    deadline = time.monotonic() + 60
    while not all(alive(url) for url in addresses(settings).values()):
        if started is not None and started.poll() is not None:
            raise Unavailable("the supervisor ended before the servers were up", fix=f"read {log}")
        if time.monotonic() > deadline:
            raise Unavailable("the servers did not come up within 60 s", fix=f"read the logs in {settings.folder / 'run'}")
        time.sleep(0.1)


def _wait(where: dict[str, str]) -> None:
    """No loop to look at: say where the page is, until Ctrl-C."""
    console.print(f"Noria is up · page {where['server']} · predictions {where['dataplane']} · Ctrl-C ends it")
    try:
        while True:
            time.sleep(3600)
    except KeyboardInterrupt:
        console.print("[dim]ending: requests under way are answered, the journal is synced …[/]")


def _watch(world: World, loop: str, where: dict[str, str]) -> None:
    """The live view until Ctrl-C."""
    try:
        with LiveView(console) as view:
            seer = Seer(world, loop, where)
            while True:
                view.show(seer.see())
                time.sleep(0.5)
    except KeyboardInterrupt:
        console.print("[dim]ending: requests under way are answered, the journal is synced …[/]")


def _become(module: str, settings: Settings) -> None:
    os.execv(sys.executable, [sys.executable, "-m", module, str(settings.folder)])
