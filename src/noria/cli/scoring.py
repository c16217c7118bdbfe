"""`noria score`: whole files through one version, with a bar, resumed where it was cut off."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn

from noria.app.scoring import moment_of
from noria.cli.console import AsJson, By, Home, answer, complaints, plainly
from noria.cli.opened import Opened
from noria.core.scoring import Scored, ScoreProgress
from noria.loop.scoring.score import Order
from noria.loop.scoring.score import score as scored

INTERRUPTED = 130
"""Exit code after Ctrl-C, as a shell gives it."""


@plainly
def score(
    which: Annotated[
        str, typer.Argument(metavar="LOOP[@VERSION]", help="A loop or deployment, or one of its versions or aliases: late-arrival@3.")
    ],
    inputs: Annotated[
        list[str], typer.Argument(help="Parquet, CSV or JSON lines files, globs, folders, or a dataset of the loop by its name.")
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="A folder for the answers, or a file that ends in .parquet.")],
    as_of: Annotated[str, typer.Option("--as-of", help="See feature views as they were at this moment, not at each row's own time.")] = "",
    form: Annotated[str, typer.Option(help="serving = as requests are answered; native = the model as it was saved.")] = "serving",
    threads: Annotated[int, typer.Option(help="Threads that score at the same time; 0 = one per core.", min=0)] = 0,
    by: By = "",
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Score files: the same answers as over HTTP, to every row, written as Parquet.

    [bold]noria score late-arrival@challenger 'data/2013-*.parquet' --out scores/[/]

    The answers have the row's key and time, the prediction (one column per class where there are
    several), the label and the version. A row that a request would be refused for stands in
    quarantine-*.jsonl with its reason. Memory stays bounded; a run that was killed goes on when the
    same command is given again, and the output is complete when its score.json says so.
    """
    opened = Opened(home)
    order = Order(which=which, inputs=inputs, out=out, as_of=moment_of(as_of), form=form, threads=threads, by=by)
    try:
        with _progress(quiet=as_json) as progress:
            record = scored(opened.world, order, progress=progress)
    except KeyboardInterrupt:
        complaints.print("stopped; what is done is kept. [dim]Give the same command again to go on.[/]")
        raise typer.Exit(INTERRUPTED) from None
    answer(record, as_json=as_json, text=_said(record))


def _said(record: Scored) -> str:
    aside = f", [yellow]{record.bad:,} put aside[/] (see the quarantine file)" if record.bad else ""
    rate = f" at {(record.rows + record.bad) / record.seconds:,.0f} rows/s" if record.seconds > 0 else ""
    place = escape(record.out)
    return f"[green]●[/] {record.rows:,} rows scored by [bold]{record.model}@{record.version}[/]{aside} in {record.seconds:,.1f} s{rate}\n  {place}"


@contextmanager
def _progress(*, quiet: bool) -> Iterator[Callable[[ScoreProgress], None]]:
    """Shows on standard error how far it is, where somebody sits in front of it."""
    if quiet or not complaints.is_terminal:
        yield lambda progress: None
        return
    words = TextColumn("{task.fields[said]}")
    with Progress(BarColumn(32), TextColumn("{task.percentage:>3.0f}%"), words, console=complaints, transient=True) as shown:
        task = shown.add_task("scoring", total=1.0, said="")
        yield lambda progress: shown.update(task, completed=progress.share, said=_pace(progress))


def _pace(progress: ScoreProgress) -> str:
    left = "" if progress.left_s != progress.left_s else f", {int(progress.left_s // 60)}:{int(progress.left_s % 60):02d} left"
    return f"{progress.rows:,} rows, {progress.rows_per_s:,.0f}/s{left}"
