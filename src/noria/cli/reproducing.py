"""`noria reproduce`: a version made again from its id, and the verdict."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from noria.app.reproducing import reproduce as make_again
from noria.cli.console import AsJson, By, Home, answer, console, plainly
from noria.cli.opened import Opened
from noria.core.reproducing import TOLERANCE, Reproduction, Sameness
from noria.stages.registry.naming import meant

DIFFERENT = 3
"""Exit code of a version that came out different; 1 is an error, as everywhere."""

SHOWN = 12
COLOURS = {Sameness.BYTES: "green", Sameness.TOLERANCE: "green", Sameness.DIFFERENT: "red"}


@plainly
def reproduce(
    version: Annotated[
        str, typer.Argument(metavar="MODEL[@VERSION|@ALIAS]", help="Which version; the champion when only the model is named.")
    ],
    here: Annotated[
        bool, typer.Option("--here", help="In the running environment; say in what it differs from the version's own.")
    ] = False,
    search: Annotated[
        bool, typer.Option("--search", help="Search for its parameters again too, instead of taking those that were found.")
    ] = False,
    tolerance: Annotated[float, typer.Option(help="By how much answers and marks may differ where bytes do.", min=0)] = TOLERANCE,
    home: Home = None,
    by: By = "",
    as_json: AsJson = False,
) -> None:
    """Make a version again from its id, and hold it against what is registered.

    [bold]noria reproduce late-arrival@3[/]

    Its locked environment is rebuilt as a venv (by pip or uv, from the index they are configured for), its code snapshot trains on its dataset versions, each checked against its digest, with its parameters and seed, in a process of its own. The loop's state stays as it is. Then model files, answers on the rows that judge, and marks are compared.

    Exit code 0: byte-equal, or within the tolerance. 3: different. 1: it could not be tried.
    """
    opened = Opened(home)
    model, number = meant(opened.world.records, version)
    if as_json:
        made = make_again(opened.world, model, number, by=by, here=here, search=search, tolerance=tolerance)
    else:
        with console.status("reading") as status:
            made = make_again(
                opened.world,
                model,
                number,
                by=by,
                here=here,
                search=search,
                tolerance=tolerance,
                told=lambda said: status.update(escape(said)),
            )
    if as_json:
        answer({**_plain(made)}, as_json=True)
    else:
        _show(made)
    if not made.reproduced:
        raise typer.Exit(DIFFERENT)


def _plain(made: Reproduction) -> dict[str, object]:
    from noria.ports import wire

    return {**wire.plain(made), "reproduced": made.reproduced, "said": made.said}


def _show(made: Reproduction) -> None:
    of = made.comparison
    console.print(f"[bold {COLOURS[made.sameness]}]{made.sameness.replace('-', ' ')}[/]  {escape(made.said)}", soft_wrap=True)
    same = "[green]same bytes[/]"
    console.print(f"  training table  {same if made.features_equal else '[yellow]other bytes[/]'}, {made.feature_rows.after:,.0f} rows")
    if made.params_equal is not None:
        console.print(f"  search          {'found the same parameters' if made.params_equal else '[yellow]found other parameters[/]'}")
    for name, equal in of.files.items():
        console.print(f"  {name:15} {same if equal else '[yellow]other bytes[/]'}")
    console.print(f"  answers         {of.rows:,} rows, largest difference {of.max_difference:.3g}, mean {of.mean_difference:.3g}")
    table = Table.grid(padding=(0, 2))
    for name, mark in list(of.marks.items())[:SHOWN]:
        table.add_row(
            "  ",
            name,
            f"{mark.before:.6f}",
            f"{mark.after:.6f}",
            "" if mark.difference <= made.tolerance else f"[red]{mark.difference:.3g}[/]",
        )
    console.print(table)
    where = "the running environment" if made.here else "its environment, rebuilt"
    console.print(f"  environment     {where}: {f'{len(made.environment)} differences' if made.environment else 'the same as its own'}")
    for difference in made.environment[:SHOWN]:
        console.print(f"    [dim]{escape(str(difference))}[/]", soft_wrap=True)
    if len(made.environment) > SHOWN:
        console.print(f"    [dim]and {len(made.environment) - SHOWN} more, see --json[/]")
    for note in made.notes:
        console.print(f"  [dim]{escape(note)}[/]", soft_wrap=True)
    console.print(f"  [dim]{made.seconds:,.1f} s[/]")
