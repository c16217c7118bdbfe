"""How commands speak: text for people, JSON for scripts, errors that say what to do next."""

from __future__ import annotations

import functools
import getpass
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, ParamSpec, TypeVar

import typer
from rich.console import Console

from noria.core.errors import NoriaError, NotAllowed
from noria.ports import wire

P = ParamSpec("P")
R = TypeVar("R")

console = Console(highlight=False)
complaints = Console(stderr=True, highlight=False)


def _whoever(by: str) -> str:
    """The person named, else the one who is logged in."""
    try:
        return by or getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"


AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]
Home = Annotated[
    Path | None, typer.Option("--home", help="The home folder; found from the current folder when left out.", envvar="NORIA_HOME")
]
LoopName = Annotated[str | None, typer.Argument(help="The loop; may be left out when the home has only one.")]
By = Annotated[str, typer.Option("--by", help="Who orders it, for the record; whoever is logged in when left out.", callback=_whoever)]
Because = Annotated[str, typer.Option("--because", "-m", help="Why, for the record.")]


def answer(value: Any, *, as_json: bool, text: str = "") -> None:
    """Print a result: JSON when asked for, else the text."""
    if as_json:
        sys.stdout.write(json.dumps(wire.plain(value), ensure_ascii=False, indent=2) + "\n")
    else:
        console.print(text, markup=True, soft_wrap=True)


def _of_files(fault: OSError) -> NoriaError:
    """What the system says about a file or a disk, in the words of an error of ours."""
    where = f"{fault.filename}: " if fault.filename else ""
    return NotAllowed(f"{where}{(fault.strerror or str(fault)).lower()}", fix="name another place, or change who may use this one")


def plainly(command: Callable[P, R]) -> Callable[P, R]:
    """Turn a `NoriaError`, or a file that cannot be used, into its message and mend on standard error, and exit code 1."""

    @functools.wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return command(*args, **kwargs)
        except BrokenPipeError:
            raise
        except (NoriaError, OSError) as fault:
            error = fault if isinstance(fault, NoriaError) else _of_files(fault)
            if kwargs.get("as_json"):
                sys.stdout.write(json.dumps({"error": {"code": error.code, "message": error.message, "fix": error.fix}}) + "\n")
            else:
                complaints.print(f"[red bold]{type(error).__name__}[/]: ", end="")
                complaints.print(error.message, markup=False, soft_wrap=True)
                if error.fix:
                    complaints.print("  [dim]→[/] ", end="")
                    complaints.print(error.fix, markup=False, soft_wrap=True)
            raise typer.Exit(1) from None

    return run
