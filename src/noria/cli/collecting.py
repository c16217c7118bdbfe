"""Collect garbage: say what nothing names any more, and free it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Annotated

import typer
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn

from noria.app.collecting import collect
from noria.cli.console import AsJson, By, Home, answer, complaints, plainly
from noria.cli.opened import Opened
from noria.core.errors import RequestInvalid
from noria.core.moments import duration
from noria.core.sizes import spoken_bytes
from noria.ledger.collecting.sweep import Collected


@plainly
def gc(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say how much would go, and what.")] = False,
    older_than: Annotated[
        str, typer.Option("--older-than", help="Also purge runs, logged models and experiments that were deleted longer ago: 30d, 12h …")
    ] = "",
    grace: Annotated[
        str, typer.Option("--grace", help="Blobs that were put since stay: who put them may not have filed yet what names them.")
    ] = "1d",
    home: Home = None,
    by: By = "",
    as_json: AsJson = False,
) -> None:
    """Free the space of what nothing names any more. Everything may go on meanwhile.

    [bold]noria gc --dry-run[/] says how many bytes would go, and of what kind.

    [bold]noria gc --older-than 30d[/] also purges what was deleted more than 30 days ago; until then deleted runs can be restored.

    A blob stays when a document, an artifact, a job, the plan or another blob names it, and when it is younger than the grace time. A collection that was broken off is simply started again.
    """
    opened = Opened(home)
    with _progress(quiet=as_json) as told:
        collected = collect(
            opened.world, grace=_span(grace, "--grace"), older_than=_span(older_than, "--older-than"), dry=dry_run, by=by, told=told
        )
    answer(collected, as_json=as_json, text=_told(collected))
    if collected.failed:
        raise typer.Exit(1)


def _span(text: str, option: str) -> timedelta | None:
    try:
        return timedelta() if text in ("0", "0s") else duration(text) if text else None
    except ValueError as error:
        raise RequestInvalid(str(error), fix=f"write for example {option} 30d") from error


@contextmanager
def _progress(*, quiet: bool) -> Iterator[Callable[[str, float], None]]:
    if quiet:
        yield lambda said, share: None
        return
    with Progress(SpinnerColumn(), TextColumn("{task.description}"), BarColumn(28), console=complaints, transient=True) as shown:
        task = shown.add_task("reading", total=1.0)
        yield lambda said, share: shown.update(task, description=said, completed=share)


def _told(found: Collected) -> str:
    verb = "would free" if found.dry else "freed"
    lines = [f"{verb} [bold]{spoken_bytes(found.size_bytes)}[/] in {found.blobs:,} blobs"]
    lines += [f"  {spoken_bytes(one.size_bytes):>10}  {escape(one.kind)} ({one.blobs:,})" for one in found.kinds]
    purged = found.purged
    if purged.runs or purged.models or purged.experiments:
        verb = "would purge" if found.dry else "purged"
        lines.append(f"{verb} {purged.runs:,} deleted runs, {purged.models:,} logged models and {purged.experiments:,} experiments")
    if purged.kept:
        lines.append(f"{purged.kept:,} deleted runs and models stay: registered versions came from them")
    lines.append(f"{spoken_bytes(found.kept_bytes)} in {found.kept_blobs:,} blobs are named and stay")
    if found.young_blobs:
        lines.append(f"{spoken_bytes(found.young_bytes)} in {found.young_blobs:,} blobs are too young to tell; see --grace")
    lines += [f"[red]not deleted[/]  {escape(one)}" for one in found.failed[:10]]
    return "\n".join(lines)
