"""Bring another server's experiments, runs and models over."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from noria.app.importing import bring_mlflow
from noria.app.settings import find_home, read
from noria.cli.console import AsJson, Home, answer, plainly
from noria.core.errors import SettingsInvalid
from noria.core.rights import DEFAULT_PROJECT
from noria.core.sizes import spoken_bytes
from noria.ledger.importing.report import KINDS, Report

SOURCES = ("mlflow",)


@plainly
def import_(
    source: Annotated[str, typer.Argument(help="What kind of server: mlflow.")],
    uri: Annotated[str, typer.Argument(help="http://host:5000, sqlite:////srv/mlflow.db or postgresql://…")],
    project: Annotated[str, typer.Option("--project", help="The project that takes them in.")] = DEFAULT_PROJECT,
    artifacts: Annotated[Path | None, typer.Option("--artifacts", help="With a database: the server's artifacts folder.")] = None,
    files: Annotated[bool, typer.Option("--files/--no-files", help="Bring files too, or leave them where they are.")] = True,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Bring a whole MLflow server over: experiments, runs with all their points, logged models, registered models, files.

    [bold]noria import mlflow http://mlflow:5000[/]

    [bold]noria import mlflow sqlite:////srv/mlflow.db --artifacts /srv/mlartifacts[/]

    Runs, models and versions keep their ids and numbers; experiments go by their names. It may be interrupted and
    repeated: what is here is passed by, and runs that went on are read again. At the end both sides are counted; exit
    code 1 when they differ or something was left. The door there is opened by MLFLOW_TRACKING_TOKEN, or
    MLFLOW_TRACKING_USERNAME and _PASSWORD.
    """
    if source not in SOURCES:
        raise SettingsInvalid(f"{source!r} is not read", fix=f"write one of {', '.join(SOURCES)}")
    settings = read(home or find_home())
    with _progress(quiet=as_json) as told:
        report = bring_mlflow(settings, uri, project=project, artifacts=artifacts, files=files, told=told)
    answer(
        {**{each.name: _plain(getattr(report, each.name)) for each in fields(report)}, "whole": report.whole},
        as_json=as_json,
        text=_text(report),
    )
    if not report.whole:
        raise typer.Exit(1)


def _text(report: Report) -> str:
    lines = [f"{'':<18}{'there':>12}{'here':>12}"]
    for kind in KINDS:
        there, here = report.there[kind], report.here[kind]
        lines.append(f"{kind:<18}{there:>12,}{here:>12,}{'' if there == here else '   differs'}")
    lines.append(f"{report.skipped:,} runs were here already; {spoken_bytes(report.bytes)} of files came.")
    if report.left_count:
        lines += ["", f"left ({report.left_count:,}):", *(f"  {one}" for one in report.left[:20])]
    lines.append(
        "Everything is here." if report.whole else "Both sides do not count the same, or something was left; run it again to go on."
    )
    return "\n".join(lines)


@contextmanager
def _progress(*, quiet: bool) -> Iterator[Callable[[str], None]]:
    if quiet:
        yield lambda _: None
        return
    columns = (SpinnerColumn(), TextColumn("{task.completed:,} things, now {task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("the first", total=None)
        yield lambda what: progress.update(task, advance=1, description=what[:80])


def _plain(value: object) -> object:
    """A counter as a plain object: `asdict` would count its pairs."""
    return dict(value) if isinstance(value, dict) else value
