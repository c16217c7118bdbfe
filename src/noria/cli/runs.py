"""Runs in the terminal: list and search, show one, hold several against each other, make one again with other parameters."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, timedelta
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from noria.cli.cloning import clone
from noria.cli.console import AsJson, answer, console, plainly
from noria.client import looking, place
from noria.client.connection import Connection, Refused, Unreached
from noria.client.looking import Seen
from noria.core.errors import NotFound, RequestInvalid, SettingsInvalid, Unavailable
from noria.core.moments import from_ms, spoken

ACTIONS = ("list", "show", "compare", "clone")
_COLOURS = {"FINISHED": "green", "FAILED": "red", "KILLED": "yellow", "RUNNING": "cyan"}
_SHOWN_METRICS, _SHORT_ID = 6, 12
_WIDTH_WITHOUT_METRICS, _WIDTH_OF_A_METRIC = 68, 14


@plainly
def runs(
    action: Annotated[str, typer.Argument(help="list, show, compare or clone.")] = "list",
    which: Annotated[
        list[str] | None,
        typer.Argument(metavar="[ID]…", help="Runs, by their ids or how these begin: one to show or clone, several to compare."),
    ] = None,
    experiment: Annotated[list[str] | None, typer.Option("--experiment", "-e", help="Only of these; all when left out.")] = None,
    where: Annotated[str, typer.Option("--filter", "-f", help="As MLflow writes it: metrics.loss < 0.3 AND params.model = 'tree'.")] = "",
    order: Annotated[str, typer.Option("--order", "-o", help="Such as 'metrics.loss ASC'; newest first when left out.")] = "",
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=50_000, help="At most so many.")] = 20,
    changed: Annotated[list[str] | None, typer.Option("--set", help="clone: a parameter that shall be another, lr=0.2.")] = None,
    start: Annotated[bool, typer.Option("--start", help="clone: run it here and now, instead of saying how.")] = False,
    exact: Annotated[
        bool, typer.Option("--exact", help="clone: in a checkout of the run's own commit, with its uncommitted diff.")
    ] = False,
    url: Annotated[str, typer.Option("--url", help="The server; else NORIA_URL, or the home around.")] = "",
    as_json: AsJson = False,
) -> None:
    """List, search, show and compare runs, and make one again.

    [bold]noria runs list -e churn -f "metrics.auc > 0.8" -o "metrics.auc DESC"[/]

    [bold]noria runs compare 3f9c… 81aa…[/] shows what differs.

    [bold]noria runs clone 3f9c… --set lr=0.2 --start[/] runs the same command with another parameter: `nr.run` gives the script that value in `run.config`, and what `run.params(…)` returns.
    """
    if action not in ACTIONS:
        raise SettingsInvalid(f"runs cannot {action!r}", fix=f"write one of {', '.join(ACTIONS)}")
    ids = which or []
    if action != "list" and not ids:
        raise RequestInvalid(f"{action} which run?", fix=f"noria runs {action} ID; `noria runs list` has them")
    with asking(url) as connection:
        if action == "list":
            headings = looking.experiments(connection, experiment or ())
            found = looking.search(connection, headings, where=where, order=order, limit=limit) if headings else []
            _list(found, as_json=as_json)
            return
        seen = [looking.get(connection, id) for id in ids]
        if action == "show":
            _show(seen, as_json=as_json)
        elif action == "compare":
            _compare(seen, as_json=as_json)
        else:
            clone(connection, seen[0], changed or [], start=start, exact=exact, as_json=as_json)


@contextmanager
def asking(url: str) -> Iterator[Connection]:
    """A connection to the server that is named, or to that of the home around; its failures as errors that say what to do."""
    where = place.find({**os.environ, **({"NORIA_URL": url.rstrip("/")} if url else {})})
    if not where.url:
        raise Unavailable("no server is known", fix="set NORIA_URL, give --url, or work in a Noria's folder")
    connection = Connection(where, timeout_s=60)
    try:
        yield connection
    except Unreached as error:
        raise Unavailable(str(error), fix="`noria up` or `noria server` starts one") from error
    except Refused as error:
        kind = NotFound if error.status == 404 else RequestInvalid
        raise kind(str(error)) from error
    finally:
        connection.close()


def _list(found: list[Seen], *, as_json: bool) -> None:
    if as_json:
        answer(found, as_json=True)
        return
    if not found:
        console.print("no runs · `nr.run` begins one")
        return
    counts: dict[str, int] = {}
    for run in found:
        for name in run.metrics:
            if not name.startswith("system/"):
                counts[name] = counts.get(name, 0) + 1
    room = max(1, (console.width - _WIDTH_WITHOUT_METRICS) // _WIDTH_OF_A_METRIC)
    columns = sorted(counts, key=lambda name: (-counts[name], name))[: min(room, _SHOWN_METRICS)]
    table = Table(box=None, pad_edge=False)
    for title, width in (("run", _SHORT_ID), ("name", 18), ("experiment", 12), ("status", 8), ("began", 12), ("took", 6)):
        table.add_column(title, no_wrap=True, max_width=width)
    for name in columns:
        table.add_column(name, justify="right", no_wrap=True, max_width=_WIDTH_OF_A_METRIC)
    for run in found:
        values = [f"{run.metrics[name]:.5g}" if name in run.metrics else "" for name in columns]
        table.add_row(run.id[:_SHORT_ID], escape(run.name), escape(run.experiment), _status(run), _began(run), _took(run), *values)
    console.print(table)


def _show(found: list[Seen], *, as_json: bool) -> None:
    if as_json:
        answer(found[0] if len(found) == 1 else found, as_json=True)
        return
    for run in found:
        console.print(
            f"[bold]{escape(run.name)}[/] {run.id}  {_status(run)}  {escape(run.experiment)} · {from_ms(run.start_ms):%Y-%m-%d %H:%M} UTC · {_took(run)}"
        )
        for title, values in (
            ("parameters", run.params),
            ("metrics", {name: f"{value:.6g}" for name, value in run.metrics.items()}),
            ("tags", run.tags),
        ):
            table = Table(box=None, pad_edge=False, show_header=False)
            for name in sorted(values):
                table.add_row(f"  {escape(name)}", escape(values[name][:300]))
            if values:
                console.print(f"[dim]{title}[/]", table, sep="\n")


def _compare(found: list[Seen], *, as_json: bool) -> None:
    """Parameters and tags that differ, and all metrics, side by side."""
    rows: list[tuple[str, list[Any]]] = []
    kinds: tuple[tuple[str, Callable[[Seen], Mapping[str, Any]]], ...] = (
        ("params", lambda run: run.params),
        ("metrics", lambda run: run.metrics),
        ("tags", lambda run: run.tags),
    )
    for kind, of in kinds:
        for name in sorted({name for run in found for name in of(run)}):
            values = [of(run).get(name) for run in found]
            if kind == "metrics" or any(value != values[0] for value in values):
                rows.append((f"{kind}.{name}", values))
    if as_json:
        answer({"runs": [run.id for run in found], "differences": dict(rows)}, as_json=True)
        return
    table = Table(box=None, pad_edge=False)
    table.add_column("")
    for run in found:
        table.add_column(f"{escape(run.name)}\n[dim]{run.id[:12]}[/]", justify="right", max_width=40)
    for name, values in rows:
        table.add_row(escape(name), *[_cell(value) for value in values])
    console.print(table)


def _cell(value: Any) -> str:
    return "" if value is None else f"{value:.5g}" if isinstance(value, float) else escape(str(value)[:200])


def _status(run: Seen) -> str:
    return f"[{_COLOURS.get(run.status, 'white')}]{run.status}[/]"


def _began(run: Seen) -> str:
    return f"{from_ms(run.start_ms).astimezone(UTC):%d %b %H:%M}"


def _took(run: Seen) -> str:
    return spoken(timedelta(milliseconds=max(0, run.end_ms - run.start_ms))) if run.end_ms else ""
