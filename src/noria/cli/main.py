"""The `noria` command: one verb each, the same words as everywhere else."""

from __future__ import annotations

from collections.abc import Callable

import typer

from noria import __version__
from noria.cli import asking, demo, orders, replaying, reports, upping
from noria.cli.console import console

app = typer.Typer(
    name="noria",
    help="Noria keeps a machine-learning model good in production. Start with [bold]noria init[/] or [bold]noria demo[/].",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    add_completion=False,
)

PANELS: dict[str, list[Callable[..., None]]] = {
    "Start and stop": [upping.init, upping.up, upping.stop, demo.demo, replaying.replay, upping.server, upping.serve],
    "Look": [reports.status, reports.why, replaying.parity, reports.doctor],
    "Order": [orders.turn, orders.approve, orders.promote, orders.rollback, orders.pause, orders.resume, orders.drill, orders.cancel],
    "Predict": [asking.predict, asking.feedback],
}
for panel, commands in PANELS.items():
    for command in commands:
        app.command(name=command.__name__, rich_help_panel=panel)(command)


@app.callback(invoke_without_command=True)
def _options(version: bool = typer.Option(False, "--version", help="Print the version.")) -> None:
    if version:
        console.print(f"noria {__version__}")
        raise typer.Exit


def main() -> None:
    """The entrance."""
    app()


if __name__ == "__main__":
    main()
