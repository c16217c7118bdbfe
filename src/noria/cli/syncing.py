"""Send what training scripts have spooled and no server has yet."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, Progress, TextColumn

from noria.cli.console import AsJson, answer, complaints, plainly
from noria.client import place
from noria.client.sync import Left, Synced, left_in
from noria.client.sync import sync as synced


@plainly
def sync(
    url: Annotated[str, typer.Option("--url", help="The server for runs that know none; else NORIA_URL, or the home around.")] = "",
    spool: Annotated[Path | None, typer.Option("--spool", help="The spool; else NORIA_SPOOL, or the home's or the user's.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what waits.")] = False,
    as_json: AsJson = False,
) -> None:
    """Send the runs that wait in the spool to their server: after offline work, a server that was down, a killed script.

    May be interrupted and repeated: what has arrived is not sent again, and nothing counts twice. Exit code 1
    when something is left.
    """
    where = place.find({**os.environ, **({"NORIA_URL": url.rstrip("/")} if url else {})}, offline=False)
    where = replace(where, spool=spool.expanduser().absolute()) if spool is not None else where
    left = left_in(where)
    if dry_run:
        _say_what_waits(left, where.spool, as_json=as_json)
        return
    with _progress(sum(run.size_bytes for run in left), quiet=as_json) as step:
        told = synced(left, step=step)
    answer({"spool": str(where.spool), **_plain(told)}, as_json=as_json, text=_text(told, where.spool))
    if told.left:
        raise typer.Exit(1)


def _say_what_waits(left: list[Left], spool: Path, *, as_json: bool) -> None:
    runs = [
        {"run": run.folder.name, "url": run.place.url, "project": run.place.project, "bytes": run.size_bytes, "files": run.files}
        for run in left
    ]
    lines = [
        f"{run.folder.name}  {run.size_bytes:>12,} bytes  {run.files} files  → {run.place.url or 'no server is known'}" for run in left
    ]
    answer({"spool": str(spool), "waiting": runs}, as_json=as_json, text="\n".join(lines) or f"nothing waits in {spool}")


def _plain(told: Synced) -> dict[str, object]:
    counts = {"runs": told.runs, "entries": told.entries, "files": told.files, "refused": told.refused, "busy": told.busy}
    return {**counts, "left": told.left, "reasons": told.reasons[:100]}


def _text(told: Synced, spool: Path) -> str:
    said = [f"{told.runs:,} runs, {told.entries:,} entries and {told.files:,} files sent"]
    if told.refused:
        said.append(f"[yellow]{told.refused:,} refused[/], kept in {spool}/*/refused.jsonl: {'; '.join(dict.fromkeys(told.reasons))[:500]}")
    said += [f"[yellow]left:[/] {run}  [dim]{reason}[/]" for run, reason in list(told.left.items())[:20]]
    if len(told.left) > 20:
        said.append(f"… and {len(told.left) - 20:,} more")
    return "\n".join(said)


@contextmanager
def _progress(size_bytes: int, *, quiet: bool) -> Iterator[Callable[[Left, int], None]]:
    """Shows on standard error how far it is, where somebody sits in front of it."""
    if quiet or not complaints.is_terminal:
        yield lambda run, entries: None
        return
    words = TextColumn("{task.fields[said]}")
    with Progress(BarColumn(32), TextColumn("{task.percentage:>3.0f}%"), words, console=complaints, transient=True) as shown:
        task = shown.add_task("sending", total=max(size_bytes, 1), said="")
        sent = 0

        def step(run: Left, entries: int) -> None:
            nonlocal sent
            sent += entries
            shown.update(task, advance=0 if entries else run.size_bytes, said=f"{sent:,} entries, {run.folder.name[:12]}")

        yield step
